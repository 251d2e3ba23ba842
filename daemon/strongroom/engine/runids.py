"""Run ids: ``wrun_`` and a ULID, made by whoever seals the first byte of a run; and ids of events that start runs.

Source: contracts, "run-encryption" section 7.
"""

import time
from typing import Final

from ulid import ULID

from strongroom.errors import InvalidInput, LimitExceeded
from strongroom.plugin.capability import EVENT_ID_BYTES_MAX

__all__ = ["PREFIX", "check_event_id", "check_run_id", "made_at_ms", "new_run_id"]

PREFIX: Final = "wrun_"
AGE_MS_MAX: Final = 24 * 3_600_000
"""A client may hold an id for a day, across an outage of its host."""
AHEAD_MS_MAX: Final = 5 * 60_000
"""Clocks of clients are seldom worse than this."""


def new_run_id() -> str:
    """A fresh id for now."""
    return f"{PREFIX}{ULID()}"


def check_run_id(untrusted_id: str, *, now_ms: int | None = None) -> str:
    """``untrusted_id`` when it is well formed and its time lies in the window around ``now_ms`` (Unix time)."""
    text = untrusted_id.removeprefix(PREFIX)
    try:
        ulid = ULID.from_str(text)
    except ValueError:
        raise _refused(untrusted_id, "is not a valid ULID") from None
    if str(ulid) != text or not untrusted_id.startswith(PREFIX):
        raise _refused(untrusted_id, "is not a valid ULID")
    made_ms = ulid.milliseconds
    now = int(time.time() * 1000) if now_ms is None else now_ms
    if not now - AGE_MS_MAX <= made_ms <= now + AHEAD_MS_MAX:
        raise _refused(untrusted_id, "carries a time outside the last 24 hours")
    return untrusted_id


def made_at_ms(untrusted_id: str) -> int | None:
    """The time that a run id carries, Unix milliseconds; nothing where it is no run id."""
    if not untrusted_id.startswith(PREFIX):
        return None
    try:
        return ULID.from_str(untrusted_id.removeprefix(PREFIX)).milliseconds
    except ValueError:
        return None


def check_event_id(untrusted_id: str) -> str:
    """``untrusted_id`` when it is short enough. Raises ``LimitExceeded``."""
    if len(untrusted_id.encode()) > EVENT_ID_BYTES_MAX:
        raise LimitExceeded(
            "SR-RUN-016",
            f"the event id is longer than {EVENT_ID_BYTES_MAX} bytes",
            fix="use a hash of it",
            size=len(untrusted_id.encode()),
            limit=EVENT_ID_BYTES_MAX,
            setting="event_id_bytes_max",
        )
    return untrusted_id


def _refused(untrusted_id: str, why: str) -> InvalidInput:
    return InvalidInput(
        "SR-RUN-004",
        f'Invalid runId: "{untrusted_id[:64]}" {why}',
        fix="make ids as wrun_ and a ULID of now, in capitals, or leave the field empty",
        field="run_id",
    )
