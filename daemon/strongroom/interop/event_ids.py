"""Ids of events by their slot in a run's log: dense numbers from 1, so that a gap shows.

Source: contracts/run-encryption.md 10.2.
"""

import re
from typing import Final

from strongroom.errors import InvalidInput

__all__ = ["SLOT_MAX", "event_id_of", "slot_of"]

SLOT_MAX: Final = 2**53 - 1
"""The last integer that every reader can hold."""
_EVENT_ID: Final = re.compile(r"evnt_([0-9]{26})", re.ASCII)


def event_id_of(slot: int) -> str:
    """The id of the event in ``slot``, 1 to 2^53 - 1. Raises ``InvalidInput``."""
    if not 1 <= slot <= SLOT_MAX:
        raise _no_slot()
    return f"evnt_{slot:026}"


def slot_of(event_id: str) -> int | None:
    """The slot that an event id names; nothing for an id of an older kind. Raises ``InvalidInput`` out of range."""
    found = _EVENT_ID.fullmatch(event_id)
    if found is None:
        return None
    if not 1 <= int(found[1]) <= SLOT_MAX:
        raise _no_slot()
    return int(found[1])


def _no_slot() -> InvalidInput:
    return InvalidInput(
        "SR-INTEROP-026", f"a slot is not in 1..{SLOT_MAX}", fix="give the id as it was listed", field="event id"
    )
