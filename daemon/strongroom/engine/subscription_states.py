"""The life of one subscription, as a table.

Rule 1: every way it changes state is a row here.
Rule 2: nothing here does I/O; callers act on the state they get back.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

__all__ = ["SubscriptionEvent", "SubscriptionState", "step"]


class SubscriptionState(StrEnum):
    """Where a subscription stands, as it is shown."""

    UNREGISTERED = "unregistered"
    REGISTERED = "registered"
    DEGRADED = "degraded"
    PAUSED = "paused"
    BY_HAND = "by_hand"


class SubscriptionEvent(StrEnum):
    """What happens to a subscription. ``lost`` and ``restored`` come from the registry, whenever a plugin does."""

    REGISTERED = "registered"
    REFUSED = "refused"
    LOST = "lost"
    RESTORED = "restored"
    PAUSED = "paused"
    BY_HAND = "by_hand"
    FORGOTTEN = "forgotten"


State, Event = SubscriptionState, SubscriptionEvent
# What the desk decides holds from every state.
DECIDED: Final[Mapping[SubscriptionEvent, SubscriptionState]] = {
    Event.REGISTERED: State.REGISTERED,
    Event.REFUSED: State.DEGRADED,
    Event.PAUSED: State.PAUSED,
    Event.BY_HAND: State.BY_HAND,
    Event.FORGOTTEN: State.UNREGISTERED,
}
TRANSITIONS: Final[Mapping[SubscriptionState, Mapping[SubscriptionEvent, SubscriptionState]]] = {
    State.UNREGISTERED: {**DECIDED, Event.LOST: State.UNREGISTERED, Event.RESTORED: State.UNREGISTERED},
    State.REGISTERED: {**DECIDED, Event.LOST: State.DEGRADED, Event.RESTORED: State.REGISTERED},
    State.DEGRADED: {**DECIDED, Event.LOST: State.DEGRADED, Event.RESTORED: State.REGISTERED},
    # Nobody asked for events, so that none come is no fault.
    State.PAUSED: {**DECIDED, Event.LOST: State.PAUSED, Event.RESTORED: State.PAUSED},
    State.BY_HAND: {**DECIDED, Event.LOST: State.BY_HAND, Event.RESTORED: State.BY_HAND},
}


def step(state: SubscriptionState, event: SubscriptionEvent) -> SubscriptionState:
    """The state after ``event``; every event may come in every state."""
    return TRANSITIONS[state][event]
