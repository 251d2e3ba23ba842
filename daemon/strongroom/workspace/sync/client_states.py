"""The states of a client of a relay, as a table. The values are what ``workspace list`` shows.

Rule 1: every way a client changes state is a row here.
Rule 2: connected is only who has heard of the document: a relay that accepts and says nothing is not yet one.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from strongroom.errors import Internal

__all__ = ["TRANSITIONS", "ClientEvent", "ClientState", "step"]


class ClientState(StrEnum):
    """Where a client stands."""

    OFF = "off"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    OFFLINE = "offline"
    REFUSED = "refused"


class ClientEvent(StrEnum):
    """What happens to a client."""

    TRY = "it is time to connect"
    HEARD = "the relay sent what it has"
    LOST = "the connection failed or ended"
    REFUSED = "the relay said that trying again does not help"
    STOP = "nobody needs it any more"


_S, _E = ClientState, ClientEvent
TRANSITIONS: Final[Mapping[ClientState, Mapping[ClientEvent, ClientState]]] = {
    _S.OFF: {_E.TRY: _S.CONNECTING, _E.STOP: _S.OFF},
    _S.CONNECTING: {
        _E.HEARD: _S.CONNECTED,
        _E.LOST: _S.OFFLINE,
        _E.REFUSED: _S.REFUSED,
        _E.STOP: _S.OFF,
    },
    _S.CONNECTED: {
        _E.HEARD: _S.CONNECTED,
        _E.LOST: _S.OFFLINE,
        _E.REFUSED: _S.REFUSED,
        _E.STOP: _S.OFF,
    },
    _S.OFFLINE: {_E.TRY: _S.CONNECTING, _E.STOP: _S.OFF},
    _S.REFUSED: {_E.TRY: _S.CONNECTING, _E.STOP: _S.OFF},
}


def step(state: ClientState, event: ClientEvent) -> ClientState:
    """The state after ``event``. Raises ``Internal`` if the table has no such row."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise Internal("SR-SYNC-035", f"a client that is {state} cannot follow: {event}") from None
