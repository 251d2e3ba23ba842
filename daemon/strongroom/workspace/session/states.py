"""The states of a session, as a table.

Rule 1: every way a session changes state is a row here.
Rule 2: nothing here does I/O; callers act on the state they get back.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from strongroom.errors import Internal

__all__ = ["TRANSITIONS", "SessionEvent", "SessionState", "step"]


class SessionState(StrEnum):
    """Where a session stands. The last two have an owner and a keyring."""

    SIGNED_OUT = "signed-out"
    SIGNED_IN = "signed-in"
    REAUTH_REQUIRED = "reauth-required"


class SessionEvent(StrEnum):
    """What happens to a session."""

    CACHED = "the cached cell was read"
    CONFIRMED = "the server named the owner"
    REFUSED = "the server refused the grant"
    OTHER_OWNER = "the server named another owner"
    SIGN_OUT = "somebody signed out"


TRANSITIONS: Final[Mapping[SessionState, Mapping[SessionEvent, SessionState]]] = {
    SessionState.SIGNED_OUT: {
        SessionEvent.CACHED: SessionState.SIGNED_IN,
        SessionEvent.CONFIRMED: SessionState.SIGNED_IN,
        SessionEvent.SIGN_OUT: SessionState.SIGNED_OUT,
    },
    SessionState.SIGNED_IN: {
        SessionEvent.CONFIRMED: SessionState.SIGNED_IN,
        SessionEvent.REFUSED: SessionState.REAUTH_REQUIRED,
        # The new owner is confirmed from there: whoever watches sees nobody in between.
        SessionEvent.OTHER_OWNER: SessionState.SIGNED_OUT,
        SessionEvent.SIGN_OUT: SessionState.SIGNED_OUT,
    },
    SessionState.REAUTH_REQUIRED: {
        SessionEvent.CONFIRMED: SessionState.SIGNED_IN,
        SessionEvent.REFUSED: SessionState.REAUTH_REQUIRED,
        SessionEvent.OTHER_OWNER: SessionState.SIGNED_OUT,
        SessionEvent.SIGN_OUT: SessionState.SIGNED_OUT,
    },
}


def step(state: SessionState, event: SessionEvent) -> SessionState:
    """The state after ``event``. Raises ``Internal`` if the table has no such row."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise Internal("SR-SESSION-001", f"a session that is {state} cannot follow: {event}") from None
