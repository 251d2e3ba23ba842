"""Events that were handled and whose runs are gone (``seen_events``), so that a late redelivery starts nothing."""

from typing import Final

from sqlalchemy import Connection, bindparam, delete, select

from strongroom.storage.schema import SEEN_EVENTS
from strongroom.storage.statements import Statement, upsert

__all__ = ["forget_expired", "put", "run_of"]

_KEYS: Final = ("workflow_id", "trigger_index", "event_id")
_PUT: Final = upsert(SEEN_EVENTS, keys=_KEYS)
_RUN_OF: Final = Statement(
    lambda _dialect: select(SEEN_EVENTS.c.run_id).where(*[SEEN_EVENTS.c[name] == bindparam(name) for name in _KEYS])
)


def put(conn: Connection, workflow_id: str, trigger_index: int, event_id: str, *, run_id: str, expires_at: int) -> None:
    """Remember that ``run_id`` handled an event, until ``expires_at`` (Unix milliseconds)."""
    values = {"workflow_id": workflow_id, "trigger_index": trigger_index, "event_id": event_id}
    _PUT.run(conn, values | {"run_id": run_id, "expires_at": expires_at})


def run_of(conn: Connection, workflow_id: str, trigger_index: int, event_id: str) -> str | None:
    """The id of the run, gone by now, that handled an event."""
    values = {"workflow_id": workflow_id, "trigger_index": trigger_index, "event_id": event_id}
    found = _RUN_OF.run(conn, values).first()
    return None if found is None else str(found[0])


def forget_expired(conn: Connection, now_ms: int) -> int:
    """Forget events whose time is over at ``now_ms`` (Unix milliseconds); how many."""
    return conn.execute(delete(SEEN_EVENTS).where(SEEN_EVENTS.c.expires_at <= now_ms)).rowcount
