"""Opening the file of an update log: SQLite, for its user alone, one writer at a time.

Rule 1: a file of another program, of a newer release, or that others can read or have open is not touched.
Rule 2: whatever SQLite cannot do leaves here as an error with a code.
Rule 3: a file comes with its project, from anywhere. One whose schema says anything else than ours is refused: a
trigger would take back what a commit has put there.
"""

import fcntl
import os
import sqlite3
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from strongroom.errors import StorageFault, StrongroomError, Unavailable

__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "fault_of", "hold", "open_file", "open_read_only"]

APPLICATION_ID: Final = 0x53_52_55_4C
""""SRUL": tells the file from any other SQLite file."""
SCHEMA_VERSION: Final = 1
BUSY_S: Final = 5.0
"""Only somebody who looks into the file by hand can make it busy."""
WHY_CHARACTERS_MAX: Final = 200

SCHEMA: Final = """
CREATE TABLE log_rows (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  purpose TEXT NOT NULL,
  key_version INTEGER NOT NULL,
  data BLOB NOT NULL
);
CREATE TABLE log_meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""
SCHEMA_PARTS_MAX: Final = 10
"""So many are read of a schema; ours has two."""
PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",  # a commit that returned has reached the disk
    "secure_delete=ON",  # what was replaced is overwritten: it may be sealed under a key that is given up
    "trusted_schema=OFF",
    "journal_size_limit=0",
)
_INCREMENTAL: Final = 2
_BROKEN: Final = frozenset({"SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT"})


def hold(path: Path) -> int:
    """The lock that makes its holder the one writer; ``os.close`` lets go. Raises ``Unavailable``, ``StorageFault``.

    It lies beside the file: closing any descriptor of the file itself would drop SQLite's own locks.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = path.parent.stat().st_mode
        if mode & 0o022:
            raise _unusable(path, f"others can write to its directory (mode {stat.S_IMODE(mode):04o})")
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(path, error.strerror or "its directory cannot be used") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise Unavailable(
            "SR-STORE-044",
            f"the update log {path} is open already",
            why="another daemon, or another mount of this one, writes to it",
            fix="unmount it there first",
        ) from None
    return lock


def open_file(path: Path) -> sqlite3.Connection:
    """The file, made when it is missing. Raises ``StorageFault``."""
    _make(path)
    try:
        database = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            if _is_new(path, database):
                # Before the first table: it lets the file shrink when rows are replaced.
                database.execute("PRAGMA auto_vacuum=INCREMENTAL")
                numbers = f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={SCHEMA_VERSION};"
                database.executescript(f"BEGIN IMMEDIATE; {SCHEMA} {numbers} COMMIT;")
            _check_version(path, database)
            _check_schema(path, database)
            for pragma in PRAGMAS:
                database.execute(f"PRAGMA {pragma}")
        except BaseException:
            database.close()
            raise
    except sqlite3.Error as error:
        raise fault_of(path, error) from error
    database.text_factory = _decoded
    return database


def open_read_only(path: Path) -> sqlite3.Connection:
    """The file for looking at it, also while its writer has it open. Raises ``StorageFault``."""
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)
        try:
            _check_version(path, database)
            _check_schema(path, database)
        except BaseException:
            database.close()
            raise
    except sqlite3.Error as error:
        raise fault_of(path, error) from error
    database.text_factory = _decoded
    return database


def fault_of(path: Path, error: sqlite3.Error) -> StrongroomError:
    """What an error of SQLite means. Its text names no values: all of them are bound, none is written out."""
    name = str(getattr(error, "sqlite_errorname", ""))
    why = f"{type(error).__name__}: {str(error)[:WHY_CHARACTERS_MAX]}"
    if name.startswith("SQLITE_FULL"):
        return StorageFault(
            "SR-STORE-046", f"no room for the update log {path}", why=why, fix="free some space; no restart is needed"
        )
    if name.startswith(tuple(_BROKEN)):
        return StorageFault(
            "SR-STORE-042",
            f"the update log {path} is damaged",
            why=why,
            fix="restore it from a backup; another replica of the workspace brings back what was synced",
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Unavailable("SR-STORE-047", f"the update log {path} is locked", why=why, fix="close what looks into it")
    return StorageFault("SR-STORE-045", f"the update log {path} cannot be used", why=why, fix="see the disk")


def _make(path: Path) -> None:
    """Make sure that the file is there, and its owner alone can read it. SQLite gives its other files this mode."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        # SQLite syncs the names of files that it makes itself; this one, and its directory if that is new, it did not.
        _sync_names(path.parent)
        with suppress(PermissionError):  # a directory that is not ours was not made by us
            _sync_names(path.parent.parent)
    except FileExistsError:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise _unusable(path, "it is no regular file") from None
        if status.st_mode & 0o077:
            mode = f"{stat.S_IMODE(status.st_mode):04o}"
            raise _unusable(path, f"others can read it (mode {mode}); chmod 600 it") from None
    except OSError as error:
        raise _unusable(path, error.strerror or "it cannot be created") from error


def _sync_names(directory: Path) -> None:
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _is_new(path: Path, database: sqlite3.Connection) -> bool:
    """Whether the file is empty, or as a crash leaves it while it is made.

    Anything else stays as it is, also what is so short that SQLite takes it for a new file.
    """
    if _numbers(database) != (0, 0) or database.execute("SELECT 1 FROM sqlite_schema").fetchall():
        return False
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    (shrinks,) = database.execute("PRAGMA auto_vacuum").fetchone()
    return path.stat().st_size == 0 or (pages == 1 and shrinks == _INCREMENTAL)


def _numbers(database: sqlite3.Connection) -> tuple[int, int]:
    (application_id,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    return application_id, version


def _check_version(path: Path, database: sqlite3.Connection) -> None:
    application_id, version = _numbers(database)
    if application_id != APPLICATION_ID:
        raise StorageFault(
            "SR-STORE-040", f"{path} is no update log", why="another program wrote it", fix="name another file"
        )
    if version != SCHEMA_VERSION:
        raise StorageFault(
            "SR-STORE-041",
            f"the update log {path} is of another release",
            why=f"its version is {version}, this release knows {SCHEMA_VERSION}",
            fix="use the release that wrote it, or a newer one; nothing was changed",
        )


def _check_schema(path: Path, database: sqlite3.Connection) -> None:
    # In bytes: whoever wrote it need not have written UTF-8. What SQLite makes by itself has no text, or that name.
    query = "SELECT CAST(sql AS BLOB) FROM sqlite_schema WHERE sql IS NOT NULL AND name <> 'sqlite_sequence' LIMIT ?"
    found = sorted(b" ".join(bytes(sql).split()) for (sql,) in database.execute(query, (SCHEMA_PARTS_MAX,)))
    if found != sorted(b" ".join(part.encode().split()) for part in SCHEMA.split(";") if part.strip()):
        raise StorageFault(
            "SR-STORE-042",
            f"the update log {path} is damaged",
            why="its tables are not those of an update log, or others, views or triggers stand beside them",
            fix="do not use it: somebody prepared it; restore it from a backup, or get it from another replica",
        )


def _unusable(path: Path, why: str) -> StorageFault:
    return StorageFault(
        "SR-STORE-043",
        f"the update log {path} cannot be opened",
        why=why,
        fix="give the daemon's user a file of mode 0600 in a directory of mode 0700",
    )


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
