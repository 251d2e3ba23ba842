"""Updates that wait for another one, which is not there: the library keeps them apart and tells nobody of them.

They are in no snapshot that it makes. So a row is given up at a compaction only when everything in it, and everything
that it deletes, is in the document; until then it is written again as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from strongroom.errors import Refused
from strongroom.workspace.sync.reach import reach
from strongroom.workspace.yjs.state_vector import decode_state_vector

__all__ = ["Waiting", "ends_of", "still_waiting"]

_BEYOND_ALL: Final = MappingProxyType({-1: 1})
"""What no state vector has: an update that cannot be taken apart is kept."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An update, in encoding V1, and for each client the clock that it reaches."""

    update: bytes = field(repr=False)
    ends: Mapping[int, int]


def ends_of(update_v1: bytes) -> Mapping[int, int]:
    """For each client that the update writes or deletes of, the clock behind the last one."""
    try:
        return reach(update_v1)
    except Refused:
        return _BEYOND_ALL


def still_waiting(ends: Mapping[int, Mapping[int, int]], state_vector: bytes) -> set[int]:
    """Of rows, by their ``ends_of``, those that are not wholly in a document with that state vector."""
    clocks = decode_state_vector(state_vector)
    return {row_id for row_id, row in ends.items() if any(end > clocks.get(client, 0) for client, end in row.items())}
