"""That a backup was made before a migration is written down: in the database with the migration, then in the audit log.

The log is opened behind the database, and ``strongroom db migrate`` opens none, so the next start tells of it.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from strongroom.backup.manifest import Manifest
from strongroom.engine.auditing import Audit
from strongroom.storage import meta
from strongroom.storage.database import Connection, Database

__all__ = ["MIGRATED", "note_migration", "tell_migrated"]

MIGRATED: Final = "migration_backups"
"""The name of the note among the facts about a database: emptied once it is on record."""
ACTION: Final = "backup.migration"
NOTES_MAX: Final = 16
"""Migrations by hand with no start between them; the newest are told of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Note:
    path: str
    backup_id: str
    begun_ms: int
    from_schema: str
    to_schema: str
    key_ids: str


def note_migration(connection: Connection, path: Path, manifest: Manifest, to: str) -> None:
    """Note in the transaction that migrates the database to ``to`` that the backup at ``path`` was made before."""
    note = _Note(
        path=str(path),
        backup_id=manifest.backup_id,
        begun_ms=manifest.begun_ms,
        from_schema=manifest.schema,
        to_schema=to,
        key_ids=" ".join(key.key_id for key in manifest.keys if not key.retired),
    )
    notes = [*_notes(meta.get(connection, MIGRATED)), note]
    meta.set(connection, MIGRATED, json.dumps([asdict(each) for each in notes[-NOTES_MAX:]]))


def tell_migrated(database: Database, audit: Audit) -> None:
    """Record ``backup.migration`` for each migration of ``database`` that is not on record yet.

    Raises ``Unavailable`` where what cannot be recorded is refused.
    """
    notes = _notes(database.read(lambda connection: meta.get(connection, MIGRATED)))
    for note in notes:
        audit.record(
            ACTION,
            subject=str(note.path),
            backup_id=str(note.backup_id),
            begun_ms=note.begun_ms,
            from_schema=str(note.from_schema),
            to_schema=str(note.to_schema),
            key_ids=str(note.key_ids),
        )
    if notes:
        database.write(_told).result()


def _notes(text: str | None) -> list[_Note]:
    """Nothing for what is damaged: it is told of for people, and nothing depends on it."""
    try:
        notes = [_Note(**each) for each in json.loads(text or "[]")]
    except (ValueError, TypeError, RecursionError):
        return []
    return [each for each in notes if type(each.begun_ms) is int]


def _told(connection: Connection) -> None:
    meta.set(connection, MIGRATED, "")
