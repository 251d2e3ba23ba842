"""Limits and times that the protocol fixes or that protect the relay from itself, each with its reason.

What an operator may have a reason to change is in ``settings/relay.py``.
"""

from dataclasses import dataclass
from typing import Final

__all__ = [
    "ACTIONS_BYTES_MAX",
    "ACTIONS_MAX",
    "AWARENESS_BYTES_MAX",
    "AWARENESS_CLIENTS_MAX",
    "CONNECTING_MAX",
    "HEAD_BYTES_MAX",
    "MALFORMED_MAX",
    "MESSAGE_BYTES_MAX",
    "OWNER_HELD_BYTES_MAX",
    "RECEIVED_BYTES_MAX",
    "STATE_BYTES_MAX",
    "RelayTimes",
]

MESSAGE_BYTES_MAX: Final = 5 * 1024 * 1024
"""What a relay takes in one message (contract 12); a client cuts what is larger."""
RECEIVED_BYTES_MAX: Final = 256 * 2**20
"""What a client takes in one message: the whole state of a workspace comes in one, and no row of a log is larger."""
MALFORMED_MAX: Final = 100
"""Frames of one connection that make no sense. Each is ignored; so many are no accident."""
OWNER_HELD_BYTES_MAX: Final = 256 * 2**20
"""What waits for all peers of one owner, and what they are sending over HTTP. Four whole workspaces of the size that is
shipped; peers that read take less than one."""
STATE_BYTES_MAX: Final = 192 * 2**20
"""What a client lets a workspace grow to by what its relay sends: a project names the relay. Three times of what a
relay keeps as it is shipped; below what one row of a log holds, so that what is written here gets to the disk."""
HEAD_BYTES_MAX: Final = 16_384
"""The head of an HTTP request: a path, a token of 4 KiB, and what browsers add."""
CONNECTING_MAX: Final = 64
"""Connections that have not made their request yet; beyond the limit on connections, so that those can be refused."""
AWARENESS_BYTES_MAX: Final = 65_536
"""One awareness frame. A cursor with a name and a colour has some 200 bytes."""
AWARENESS_CLIENTS_MAX: Final = 16
"""Client ids that one connection may speak for. It is one, and a few more after a page was loaded again."""
ACTIONS_MAX: Final = 256
"""Actions that one device may announce; each of them goes to every other device."""
ACTIONS_BYTES_MAX: Final = 65_536
"""The announcement of actions of one device, as it came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayTimes:
    """Times of the relay in seconds. Tests give shorter ones."""

    life_s: float = 1_800
    """Life of a connection (contract 12): a client that comes again shows its token again."""
    leave_s: float = 0.3
    """A device that comes back within this time was never away (contract 12)."""
    idle_s: float = 30
    """A room that nobody is in stays in memory for a client that connects again."""
    ping_s: float = 30
    """A socket that does not answer for this long after as long without a word is half open."""
    close_s: float = 3
    """What a peer has to answer a closing handshake; after that the socket is cut."""
    tokens_s: float = 5
    """How often connections are held against the file of tokens: a revoked token is out after that."""
