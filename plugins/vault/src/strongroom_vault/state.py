"""The vault's own file: SQLite, for its user alone, one vault at a time, on disk when a change returns.

Rule 1: what belongs together is one transaction. ``transaction`` is the only way in, and one thread at a time is in it.
Rule 2: a file that is newer than this code, of another program, or open in another vault is not touched.
"""

import fcntl
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from strongroom.plugin import Misconfigured, Unavailable
from strongroom_vault.schema import APPLICATION_ID, SCHEMA, SCHEMA_VERSION

__all__ = ["State", "open_read_only"]

BUSY_S: Final = 5.0
"""Only somebody who looks into the file by hand can make it busy."""


class State:
    """The open file. Raises ``Unavailable`` (SR-VAULT-006) for whatever SQLite cannot do."""

    def __init__(self, path: Path) -> None:
        """Open ``path``, or make it. Raises ``Misconfigured``."""
        self.path = path
        self._lock = threading.Lock()
        self._held = _held(path)
        try:
            _make(path)
            self._database = _opened(path)
        except BaseException:
            os.close(self._held)
            raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction that writes: on disk when the block is left, or undone. Raises ``Unavailable``."""
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                try:
                    yield self._database
                    self._database.execute("COMMIT")
                except BaseException:
                    # A full disk has ended the transaction already, and then there is nothing to undo.
                    if self._database.in_transaction:
                        self._database.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise _unavailable(self.path, error) from error

    def close(self) -> None:
        """Let go of the file; another vault may open it then."""
        with self._lock:
            self._database.close()
            if self._held >= 0:
                os.close(self._held)
            self._held = -1


def open_read_only(path: Path) -> sqlite3.Connection:
    """The file for looking at it, also while a vault has it open. Raises ``Misconfigured``."""
    if not path.is_file():
        raise _refused(path, "there is no such file", "name the state_file of a vault")
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)
        _check_version(path, database)
    except sqlite3.Error as error:
        raise _refused(path, str(error), "name the state_file of a vault") from error
    return database


def _held(path: Path) -> int:
    """The lock of the file. It lies beside it: closing any descriptor of the file itself would drop SQLite's locks."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        why = error.strerror or "it cannot be created"
        raise _refused(path, why, "give the vault a directory that it may write to") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise _refused(path, "another vault has it open", "stop that one, or give this one a file of its own") from None
    return lock


def _make(path: Path) -> None:
    """Make sure that the file is there, and its owner alone can read it. SQLite gives its other files this mode."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise _refused(path, "it is not a regular file", "name the state_file of a vault") from None
        if status.st_mode & 0o077:
            why = f"others can read it (mode {stat.S_IMODE(status.st_mode):04o})"
            raise _refused(path, why, f"chmod 600 {path}") from None
    except OSError as error:
        raise _refused(path, error.strerror or "it cannot be created", "give a file that the vault may write") from None


def _opened(path: Path) -> sqlite3.Connection:
    try:
        database = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        if database.execute("PRAGMA application_id").fetchone()[0] == 0 and _is_empty(database):
            script = f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={SCHEMA_VERSION};"
            database.executescript(f"BEGIN IMMEDIATE; {SCHEMA} {script} COMMIT;")
        _check_version(path, database)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "trusted_schema=OFF"):
            database.execute(f"PRAGMA {pragma}")
    except sqlite3.Error as error:
        raise _refused(path, str(error), "restore it from a backup, or name another file") from error
    return database


def _is_empty(database: sqlite3.Connection) -> bool:
    return not database.execute("SELECT 1 FROM sqlite_schema").fetchall()


def _check_version(path: Path, database: sqlite3.Connection) -> None:
    (application_id,), (version,) = (database.execute(f"PRAGMA {n}").fetchone() for n in _NUMBERS)
    if application_id != APPLICATION_ID:
        raise _refused(path, "it is no file of a vault", "name the state_file of a vault")
    if version != SCHEMA_VERSION:
        why = f"its version is {version}, and this vault knows {SCHEMA_VERSION}"
        raise _refused(path, why, "use the version of strongroom that wrote it, or a newer one")


def _refused(path: Path, why: str, fix: str) -> Misconfigured:
    return Misconfigured("SR-VAULT-005", f"state file {path} cannot be used", why=why, fix=fix, where=str(path))


def _unavailable(path: Path, error: sqlite3.Error) -> Unavailable:
    return Unavailable(
        "SR-VAULT-006",
        f"the vault cannot use its state file {path}",
        why=str(error),
        fix="see that its disk has room and works; nothing was released or changed",
    )


_NUMBERS: Final = ("application_id", "user_version")
