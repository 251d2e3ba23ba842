"""That a state was restored is the first thing that its host writes down."""

import json
from typing import Final

from strongroom.audit.log_chain import RESTORE
from strongroom.engine.auditing import Audit
from strongroom.storage import meta
from strongroom.storage.database import Connection, Database

__all__ = ["RESTORED", "tell_restored"]

RESTORED: Final = "restored"
"""The name of the note among the facts about a database: written by the restore, emptied once it is on record."""


def tell_restored(database: Database, audit: Audit) -> None:
    """Record ``backup.restore`` where the state of ``database`` is one that was restored and has not started since.

    Raises ``Unavailable`` where what cannot be recorded is refused.
    """
    note = database.read(lambda connection: meta.get(connection, RESTORED))
    if not note:
        return
    try:
        members = json.loads(note)
        begun_ms, restored_ms = int(members["begun_ms"]), int(members["restored_ms"])
        subject = str(members["backup_id"])[:64]
    except (ValueError, KeyError, TypeError, RecursionError):
        subject, begun_ms, restored_ms = "unknown", 0, 0
    audit.record(RESTORE, subject=subject, begun_ms=begun_ms, restored_ms=restored_ms)
    database.write(_told).result()


def _told(connection: Connection) -> None:
    meta.set(connection, RESTORED, "")
