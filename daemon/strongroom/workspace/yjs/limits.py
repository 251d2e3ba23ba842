"""How much one update, frame or state vector from outside may hold, and why that much."""

from dataclasses import dataclass
from typing import Final

__all__ = [
    "CLIENT_MAX",
    "CLOCK_MAX",
    "FRAME_BYTES_MAX",
    "FRAME_LIMITS",
    "INTEGER_MAX",
    "JSON_LENGTH_MAX",
    "NESTING_MAX",
    "UpdateLimits",
]

INTEGER_MAX: Final = 2**53 - 1
"""The highest whole number of JavaScript: lib0 reads none above."""
CLIENT_MAX: Final = INTEGER_MAX
"""Client ids are whole numbers of JavaScript; y-crdt keeps 53 bits."""
CLOCK_MAX: Final = 2**31 - 1
"""y-crdt counts in 32 bits and then starts again at 0. Half of that leaves room for those who write after a peer who
claims the highest clock."""
NESTING_MAX: Final = 100
"""How deep a value may be nested. Libraries read values recursively: JSON of y-crdt ends at 128."""
JSON_LENGTH_MAX: Final = 1024 * 1024
"""One JSON text: read, it takes up to twenty times its size. Values of tables are no JSON text, and not meant here."""
FRAME_BYTES_MAX: Final = 5 * 1024 * 1024
"""The relay's limit on one message (contract 12)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateLimits:
    """Limits on one update. Bytes bound memory in V1; in V2 one byte can stand for any number of structs."""

    bytes_max: int = FRAME_BYTES_MAX
    v1_bytes_max: int = 16 * FRAME_BYTES_MAX
    """What an update of ``bytes_max`` in V2 may become in V1: typed text with many deletions grows tenfold."""
    structs_max: int = 1_000_000
    """Ten times the largest table that is measured; applying this many takes about a second."""
    clients_max: int = 65_536
    """Every device that ever wrote is one; each costs the state vector up to 13 bytes for ever."""
    names_max: int = 4_096
    """Top-level types of one document: tables, kv, and room for others."""
    values_only: bool = True
    """Refuse texts, XML and shared types within others, which a document of tables never holds. They would be stored
    unsealed, and y-crdt is no match for hostile ones: an item whose parent is no type makes it panic, and then it may
    end the whole process; a text cut between the halves of a sign is broken for good."""
    delete_ranges_max: int = 1_000_000
    """A range is two bytes or more; the same order as structs."""


FRAME_LIMITS: Final = UpdateLimits()
"""What a peer may send at once."""
