"""Makes the parts of a backup beside a host that works: database, audit log, mounted workspaces, files of plugins.

Rule 1: the state of the database is held first and the end of the audit log taken next, so the log knows of everything
that the database does; a start takes the log for one that is a little ahead of its head.
Rule 2: what others write is copied by the library that writes it; what only grows is read as far as it had grown.
Rule 3: what is sealed stays sealed. Keys, tokens and sessions are no part of a backup.
"""

import hashlib
import os
import secrets
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import BinaryIO, Final

from strongroom.audit.audit_log import Snapshot as AuditSnapshot
from strongroom.backup import container
from strongroom.backup.manifest import (
    PARTS_MAX,
    STATE,
    KeyNeeded,
    Manifest,
    Part,
    Workspace,
    signed,
)
from strongroom.backup.room import check_room, database_bytes
from strongroom.backup.sources import Sources, Told, WorkspaceSource, left_out_among
from strongroom.errors import LimitExceeded, StorageFault
from strongroom.storage.facts import facts_of
from strongroom.storage.snapshot import Snapshot, copied_file

__all__ = ["MAKING_PREFIX", "Made", "make"]

MAKING_PREFIX: Final = ".making-"
READ_BYTES: Final = 1 << 20
SMALL_BYTES_MAX: Final = 1_000_000
"""A project's file or the record of a password; each has a limit of its own, below this."""
OF_PLUGINS: Final = ("relay", "vault")
"""Directories below the state directory whose SQLite files belong to the state."""
AUDIT_NAME: Final = "audit"


@dataclass(slots=True)
class _Content:
    """A part, and where its bytes are: the first ``bytes`` of an open file, or of one that is opened when it is due,
    since there may be more parts than files may be open."""

    part: Part
    source: BinaryIO | Path


class Made:
    """A backup whose parts are made. ``pieces`` is the file of it; ``close`` takes away what was made for it."""

    def __init__(self, manifest: Manifest, signed_bytes: bytes, contents: list[_Content], steps: ExitStack) -> None:
        self.manifest = manifest
        self._signed = signed_bytes
        self._contents = contents
        self._steps = steps

    @property
    def size(self) -> int:
        """About as many bytes as the file becomes."""
        return len(self._signed) + self.manifest.size

    def pieces(self) -> Iterator[bytes]:
        """The bytes of the file. Raises ``StorageFault`` when a file changed that must not."""
        yield container.beginning(container.MANIFEST_NAME, len(self._signed)) + self._signed
        yield container.padding(len(self._signed))
        for content in self._contents:
            part, digest = content.part, hashlib.sha256()
            yield container.beginning(part.name, part.bytes)
            for piece in _read(content.source, part.bytes):
                digest.update(piece)
                yield piece
            if digest.hexdigest() != part.sha256:
                raise StorageFault(
                    "SR-BACKUP-014",
                    f"{part.at or part.name} was changed while it was copied",
                    why="it only grows, unless somebody else writes to it",
                    fix="see who does (strongroom audit verify looks at the log), and try again",
                )
            yield container.padding(part.bytes)
        yield container.end()

    def close(self) -> None:
        """Take away what was made."""
        self._steps.close()


def make(sources: Sources, told: Told = lambda _what, _done, _total: None) -> Made:
    """The parts of a backup that begins now. Raises ``StorageFault``, ``Unavailable``, and what ``told`` raises."""
    steps = ExitStack()
    try:
        return _made(sources, told, steps)
    except BaseException:
        steps.close()
        raise


def _made(sources: Sources, told: Told, steps: ExitStack) -> Made:
    _clear(sources.work_dir)
    work = sources.work_dir / f"{MAKING_PREFIX}{secrets.token_hex(8)}"
    work.mkdir(mode=0o700, parents=True)
    steps.callback(shutil.rmtree, work, ignore_errors=True)
    begun_ms = time.time_ns() // 1_000_000
    with closing(Snapshot(sources.database)) as held:
        audit = sources.audit()
        if audit.file is not None:
            steps.callback(audit.file.close)
        workspaces = list(sources.workspaces())
        left_out = left_out_among(sources.known(), workspaces)
        files = list(_files_of_plugins(sources.state_dir))
        copied = [each.log for each in workspaces] + files
        check_room(work, database_bytes(sources.database) + sum(_size(each) for each in copied))
        held.write_to(work / STATE, lambda done, total: told("database", done, total))
        backend = held.backend
    parts = _Parts(work)
    parts.add(STATE, work / STATE)
    _add_audit(parts, audit, told)
    known = _add_workspaces(parts, workspaces, told)
    for number, path in enumerate(files, 1):
        told("files", number, len(files))
        parts.add_copy(f"file/{number}.db", path, at=path.relative_to(sources.state_dir).as_posix())
    facts = facts_of(work / STATE)
    manifest = Manifest(
        backup_id=secrets.token_hex(16),
        release=metadata.version("strongroom"),
        schema=facts.schema,
        database=backend,
        deployment_id=facts.deployment_id,
        begun_ms=begun_ms,
        keys=tuple(KeyNeeded(version=row.version, key_id=row.key_id, retired=row.retired_at > 0) for row in facts.keys),
        audit_host=sources.audit_host,
        parts=tuple(content.part for content in parts.contents),
        workspaces=tuple(known),
        rows=facts.rows,
        left_out=left_out,
    )
    return Made(manifest, signed(manifest, sources.root), parts.contents, steps)


class _Parts:
    """The parts so far."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self.contents: list[_Content] = []

    def add(self, name: str, source: BinaryIO | Path, *, at: str = "", size: int | None = None) -> None:
        """The first ``size`` bytes of a file, all of them if not given."""
        if len(self.contents) >= PARTS_MAX:
            raise LimitExceeded(
                "SR-BACKUP-025",
                f"a backup has at most {PARTS_MAX} parts",
                why="each workspace, each room of the relay and each file of the audit log is one",
                fix="give rooms that nobody uses up, or relays hosts of their own",
                size=len(self.contents) + 1,
                limit=PARTS_MAX,
                setting="parts",
            )
        digest = hashlib.sha256()
        try:
            length = _length(source) if size is None else size
            for piece in _read(source, length):
                digest.update(piece)
        except OSError as error:
            raise _unreadable(at or name, error) from error
        self.contents.append(_Content(Part(name=name, bytes=length, sha256=digest.hexdigest(), at=at), source))

    def add_copy(self, name: str, database: Path, *, at: str) -> None:
        """A SQLite file that others may write."""
        copy = self._work / name.replace("/", "-")
        copied_file(database, copy)
        self.add(name, copy, at=at)

    def add_small(self, name: str, path: Path, *, at: str) -> None:
        """A file that is replaced as a whole, and may be replaced now."""
        copy = self._work / name.replace("/", "-")
        try:
            with path.open("rb") as file:
                copy.write_bytes(file.read(SMALL_BYTES_MAX))
        except OSError as error:
            raise _unreadable(str(path), error) from error
        self.add(name, copy, at=at)


def _add_audit(parts: _Parts, audit: AuditSnapshot, told: Told) -> None:
    for number, path in enumerate(audit.before, 1):
        told("audit log", number, len(audit.before) + 1)
        parts.add(f"audit/{number}.jsonl", path, at=f"{AUDIT_NAME}-{path.stem.rsplit('-', 1)[1]}.jsonl")
    if audit.file is not None:
        parts.add("audit/0.jsonl", audit.file, at=f"{AUDIT_NAME}.jsonl", size=audit.size)


def _add_workspaces(parts: _Parts, found: list[WorkspaceSource], told: Told) -> list[Workspace]:
    projects: dict[Path, int] = {}
    known = []
    for number, source in enumerate(found, 1):
        told("workspaces", number, len(found))
        log = f"workspace/{number}.db"
        parts.add_copy(log, source.log, at=_below(source.log, source.project_dir))
        if source.password_file is not None:
            at = _below(source.password_file, source.project_dir)
            parts.add_small(f"password/{number}.txt", source.password_file, at=at)
        if source.project_dir not in projects:
            projects[source.project_dir] = len(projects) + 1
            at = _below(source.project_file, source.project_dir)
            parts.add_small(f"project/{len(projects)}.toml", source.project_file, at=at)
        known.append(
            Workspace(
                name=source.name,
                project=projects[source.project_dir],
                project_dir=str(source.project_dir),
                owner_id=source.owner_id,
                workspace_id=source.workspace_id,
                provider=source.provider,
                own=source.own,
                has_password=source.has_password,
                counts={str(version): count for version, count in sorted(source.counts.items())},
                log=log,
            )
        )
    return known


def _below(path: Path, directory: Path) -> str:
    return path.relative_to(directory).as_posix()


def _files_of_plugins(state_dir: Path) -> Iterator[Path]:
    for directory in OF_PLUGINS:
        for path in sorted((state_dir / directory).rglob("*.db")):
            if not path.is_symlink() and path.is_file() and _is_database(path):
                yield path


def _is_database(path: Path) -> bool:
    """Whether SQLite can read it. It is asked, since it must be the only one here that opens the file."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return bool(database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
    except sqlite3.Error:
        return False


def _size(path: Path) -> int:
    return sum(each.stat().st_size for each in (path, path.with_name(f"{path.name}-wal")) if each.exists())


def _clear(work_dir: Path) -> None:
    """Take away what a backup left that was killed: there is one at a time."""
    for left in work_dir.glob(f"{MAKING_PREFIX}*"):
        shutil.rmtree(left, ignore_errors=True)


def _length(source: BinaryIO | Path) -> int:
    return source.stat().st_size if isinstance(source, Path) else os.fstat(source.fileno()).st_size


def _read(source: BinaryIO | Path, size: int) -> Iterator[bytes]:
    if isinstance(source, Path):
        with source.open("rb") as file:
            yield from _read(file, size)
        return
    place = 0
    while place < size and (piece := os.pread(source.fileno(), min(READ_BYTES, size - place), place)):
        place += len(piece)
        yield piece


def _unreadable(path: str, error: OSError) -> StorageFault:
    return StorageFault(
        "SR-BACKUP-015",
        f"{path} cannot be copied into the backup",
        why=error.strerror or type(error).__name__,
        fix="see who may read it; no backup was made",
    )
