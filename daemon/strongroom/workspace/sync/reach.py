"""How far an update reaches: what a document must hold before the update is wholly in it."""

from collections.abc import Mapping, Sequence

from strongroom.workspace.document import Document
from strongroom.workspace.yjs.held_back import HeldBack
from strongroom.workspace.yjs.state_vector import decode_state_vector
from strongroom.workspace.yjs.structs import SKIP, Struct
from strongroom.workspace.yjs.update_v1 import read_v1

__all__ = ["lacking", "reach", "still_lacking"]


def reach(update_v1: bytes) -> Mapping[int, int]:
    """For each client that the update writes or deletes of, the clock behind the last one. Raises ``InvalidInput``."""
    sink = _Reach()
    read_v1(update_v1, sink)
    return sink.ends


def lacking(wanted: Mapping[int, int], state_vector: bytes) -> dict[int, int]:
    """Of ``wanted``, as ``reach`` gives it, what is beyond the state vector."""
    clocks = decode_state_vector(state_vector)
    return {client: end for client, end in wanted.items() if end > clocks.get(client, 0)}


def still_lacking(document: Document, updates: Sequence[bytes]) -> list[bytes]:
    """Those of ``updates`` that the document does not have all of, after those went in for which all is there."""
    left = [update for update in updates if lacking(reach(update), document.state_vector())]
    waiting = HeldBack(len(left), sum(map(len, left)))
    for update in left:
        for ready in waiting.in_turn(update, document.state_vector):
            document.apply(ready)
    return [update for update in left if lacking(reach(update), document.state_vector())]


class _Reach:
    """The sink that keeps the ends."""

    def __init__(self) -> None:
        self.ends: dict[int, int] = {}
        self._client = self._clock = 0

    def clients(self, count: int) -> None:
        """Nothing to keep."""

    def client(self, client: int, clock: int, count: int) -> None:
        """Structs follow."""
        del count
        self._client, self._clock = client, clock

    def struct(self, struct: Struct) -> None:
        """One more, a gap or not."""
        self._clock += struct.length
        if struct.info != SKIP:
            self._far(self._clock)

    def delete_clients(self, count: int) -> None:
        """Nothing to keep."""

    def delete_client(self, client: int, count: int) -> None:
        """Ranges follow."""
        del count
        self._client = client

    def delete_range(self, clock: int, length: int) -> None:
        """One more."""
        self._far(clock + length)

    def _far(self, end: int) -> None:
        self.ends[self._client] = max(end, self.ends.get(self._client, 0))
