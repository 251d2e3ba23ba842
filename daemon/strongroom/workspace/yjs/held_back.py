"""Updates of peers that came before what they build upon, kept until that is there.

y-crdt would keep them itself. But it does not take all of them up when the rest comes, and where an update that waits
and another one tell the same clocks differently, which hostile peers can arrange, it can end the whole process.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from strongroom.workspace.yjs import faults
from strongroom.workspace.yjs.state_vector import decode_state_vector
from strongroom.workspace.yjs.structs import SKIP, Struct
from strongroom.workspace.yjs.update_v1 import read_v1

__all__ = ["HELD_BYTES_MAX", "HELD_UPDATES_MAX", "HeldBack", "needed_by"]

HELD_UPDATES_MAX: Final = 1_000
"""Updates of one document that wait. A peer that was away says with its next STEP2 all that it has."""
HELD_BYTES_MAX: Final = 16 * 1024 * 1024
"""Bytes of one document that wait: three of the largest frames."""


@dataclass(frozen=True, slots=True)
class _Held:
    update: bytes = field(repr=False)
    needs: Mapping[int, int]


class HeldBack:
    """What waits for one document. Nothing of it is in the document, in its snapshots or in its log."""

    def __init__(self, updates_max: int = HELD_UPDATES_MAX, bytes_max: int = HELD_BYTES_MAX) -> None:
        self._updates_max = updates_max
        self._bytes_max = bytes_max
        self._held: list[_Held] = []
        self._bytes = 0

    def in_turn(self, update_v1: bytes, state_vector: Callable[[], bytes]) -> Iterator[bytes]:
        """What is to be applied now, one by one: a checked update, and then all that waited for it; or nothing.

        ``state_vector`` tells what the document has and is asked between two of them. Raises ``LimitExceeded`` when
        too much waits; then the update is not kept.
        """
        arrived = _Held(update_v1, needed_by(update_v1))
        if not _are_met(arrived.needs, state_vector()):
            self._keep(arrived)
            return
        yield update_v1
        while self._held:
            vector = state_vector()
            ready: list[_Held] = []
            waiting: list[_Held] = []
            for each in self._held:
                (ready if _are_met(each.needs, vector) else waiting).append(each)
            if not ready:
                return
            self._held = waiting
            self._bytes -= sum(len(each.update) for each in ready)
            for each in ready:
                yield each.update

    def _keep(self, arrived: _Held) -> None:
        if arrived in self._held:
            return
        if len(self._held) >= self._updates_max:
            raise faults.too_much_waits("updates", len(self._held) + 1, self._updates_max)
        if self._bytes + len(arrived.update) > self._bytes_max:
            raise faults.too_much_waits("bytes", self._bytes + len(arrived.update), self._bytes_max)
        self._held.append(arrived)
        self._bytes += len(arrived.update)


def _are_met(needs: Mapping[int, int], state_vector: bytes) -> bool:
    if not needs:
        return True
    clocks = decode_state_vector(state_vector)
    return all(clocks.get(client, 0) >= clock for client, clock in needs.items())


def needed_by(update_v1: bytes) -> Mapping[int, int]:
    """How far a document must have come, client to clock, before nothing in the update waits."""
    sink = _Needs()
    read_v1(update_v1, sink)
    return sink.needs()


class _Needs:
    """The sink that keeps where each block begins and ends, and the farthest that is pointed at."""

    def __init__(self) -> None:
        self._begins: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._far: dict[int, int] = {}
        self._client = 0

    def needs(self) -> dict[int, int]:
        found = {client: clock for client, clock in self._begins.items() if clock}
        return found | {client: clock for client, clock in self._far.items() if clock > self._ends.get(client, 0)}

    def clients(self, count: int) -> None:
        """Nothing to keep."""

    delete_clients = clients

    def client(self, client: int, clock: int, count: int) -> None:
        del count
        self._client = client
        self._begins[client] = self._ends[client] = clock

    def struct(self, struct: Struct) -> None:
        self._ends[self._client] += struct.length
        if struct.info == SKIP:
            self._begins[self._client] = self._ends[self._client]
        if struct.left is not None:
            self._points_at(*struct.left)
        if struct.right is not None:
            self._points_at(*struct.right)
        if isinstance(struct.parent, tuple):
            self._points_at(*struct.parent)

    def delete_client(self, client: int, count: int) -> None:
        del count
        self._client = client

    def delete_range(self, clock: int, length: int) -> None:
        self._points_at(self._client, clock + length - 1)

    def _points_at(self, client: int, clock: int) -> None:
        if clock >= self._far.get(client, 0):
            self._far[client] = clock + 1
