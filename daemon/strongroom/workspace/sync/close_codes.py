"""Why the relay closes a connection, as the number that travels.

y-websocket takes 4400 to 4499 as final and comes again after every other code, as of its version 3.1. So in its dialect
what is over but welcome again has 4508, where the contract has 4408.
Source: contracts/workspace-encryption.md 12; RFC 6455, 7.4.
"""

from enum import IntEnum

from strongroom.workspace.sync.subprotocols import Dialect

__all__ = ["CloseCode", "life_over"]


class CloseCode(IntEnum):
    """Codes that the relay uses besides those of WebSocket itself."""

    GOING_AWAY = 1001
    """The relay stops."""
    TOO_BIG = 1009
    """A message above the limit."""
    INTERNAL = 1011
    """The room failed; it is read from disk again for whoever comes next."""
    TRY_LATER = 1013
    """Too slow, too many, or no room now."""
    REFUSED = 4400
    """What came can never be taken: sending it again does not help."""
    NOT_ADMITTED = 4401
    """The token is unknown, or no longer known."""
    LIFE_OVER = 4408
    """The connection is as old as a connection gets."""
    FULL = 4507
    """The workspace takes no more; what was sent is kept by the sender."""
    LIFE_OVER_COME_AGAIN = 4508
    """``LIFE_OVER`` in the dialect in which 44xx is final."""


def life_over(dialect: Dialect) -> CloseCode:
    """The code for the end of a connection's life."""
    return CloseCode.LIFE_OVER if dialect is Dialect.EPICENTER else CloseCode.LIFE_OVER_COME_AGAIN
