"""Before a database is migrated: is it this keyring's, is there room, and a backup of it as it was.

The migration itself is one transaction, so a crash in the middle of it leaves the database as it was; the backup is for
whoever wants the release before back after all.
"""

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.audit.audit_log import Snapshot
from strongroom.audit.host_name import host_name
from strongroom.audit.log_place import LogPlace, sync_names
from strongroom.backup.making import make
from strongroom.backup.manifest import Manifest
from strongroom.backup.room import Room, check_room, database_bytes
from strongroom.backup.sources import Sources
from strongroom.backup.staging import restored_host
from strongroom.engine.backup_sources import KNOWN, known_sources
from strongroom.engine.migrated import note_migration
from strongroom.keyring.check import verify
from strongroom.keyring.root import RootKeyring
from strongroom.settings.model import Settings
from strongroom.storage.database import Connection
from strongroom.storage.directories import make_directories
from strongroom.storage.facts import DatabaseFacts, facts_on
from strongroom.storage.filling import is_postgres
from strongroom.storage.schema_version import SCHEMA_VERSION
from strongroom.telemetry import logs
from strongroom.workspace.mount.known import KnownFile

__all__ = ["BACKUPS_NAME", "PreMigration", "offline_log"]

BACKUPS_NAME: Final = "backups"
"""Below the state directory."""
KEPT_MAX: Final = 3
"""So many releases back; each is as large as the database was."""
COPIES_AT_ONCE: Final = 2
"""The copy of the database, and the file that it goes into."""
_NAME: Final = re.compile(r"pre-migration-[0-9]{4}-to-[0-9]{4}-([0-9]{8}T[0-9]{9}Z)\.tar")
log = logs.get("backup")


@dataclass(frozen=True, slots=True)
class PreMigration:
    """Called with a database that is about to be migrated. ``audit_file`` is the growing file of the log, ``begins`` is
    called before what takes long."""

    settings: Settings
    root: RootKeyring
    audit_file: Path
    made: Callable[[Path], object] = lambda _path: None
    begins: Callable[[], object] = lambda: None

    def __call__(self, connection: Connection) -> None:
        """Raises ``KeyMissing`` for a database of other roots, ``StorageFault`` where there is no room for a backup or
        it cannot be written; nothing was changed then."""
        facts = facts_on(connection)
        verify(self.root, facts.keys)
        self.begins()
        if facts.keys:
            path, manifest = self._backup(facts)
            log.info("a backup was made before the migration", extra={"file": str(path)})
            self.made(path)
            # With the migration: one that is given up leaves a backup that a next try makes again.
            note_migration(connection, path, manifest, SCHEMA_VERSION)

    def room(self) -> Room:
        """The room that the backup takes."""
        size = database_bytes(self.settings.database) * COPIES_AT_ONCE
        return Room(self.directory, size + sum(each.stat().st_size for each in LogPlace(self.audit_file).files()))

    @property
    def directory(self) -> Path:
        """Where it is put."""
        return self.settings.state_dir / BACKUPS_NAME

    def path_for(self, found: str) -> Path:
        """What it is called when it is made now."""
        now_ns = time.time_ns()
        moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now_ns // 1_000_000_000))
        name = f"pre-migration-{found}-to-{SCHEMA_VERSION}-{moment}{now_ns // 1_000_000 % 1000:03}Z.tar"
        return self.directory / name

    def _backup(self, facts: DatabaseFacts) -> tuple[Path, Manifest]:
        make_directories(self.directory)
        room = self.room()
        check_room(room.directory, room.size)
        backend = "postgresql" if is_postgres(self.settings.database) else "sqlite"
        named = self.settings.audit.host_id or restored_host(self.settings.state_dir)
        sources = Sources(
            database=self.settings.database,
            root=self.root,
            state_dir=self.settings.state_dir,
            work_dir=self.directory,
            audit=lambda: offline_log(self.audit_file),
            audit_host=host_name(named, backend, facts.deployment_id, self.audit_file),
            # None is open yet.
            known=lambda: known_sources(KnownFile(self.settings.state_dir / KNOWN).load()),
        )
        made = make(sources)
        try:
            path = self.path_for(facts.schema)
            _write(path, made.pieces())
        finally:
            made.close()
        self._keep_newest()
        return path, made.manifest

    def _keep_newest(self) -> None:
        found = [(match[1], path) for path in self.directory.iterdir() if (match := _NAME.fullmatch(path.name))]
        for _, path in sorted(found)[:-KEPT_MAX]:
            path.unlink(missing_ok=True)


def offline_log(path: Path) -> Snapshot:
    """The audit log at ``path`` of a host that does not run."""
    place = LogPlace(path)
    if not path.parent.is_dir():
        return Snapshot(0, None, None, [], 0, None)
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return Snapshot(0, None, None, place.before(), 0, None)
    return Snapshot(0, None, None, place.before(), os.fstat(file.fileno()).st_size, file)


def _write(path: Path, pieces: Iterator[bytes]) -> None:
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync_names(path.parent)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
