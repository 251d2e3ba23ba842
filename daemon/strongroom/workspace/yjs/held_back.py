"""Updates of peers that came before what they build upon, kept until that is there.

y-crdt would keep them itself. But it does not take all of them up when the rest comes, and where an update that waits
and another one tell the same clocks differently, which hostile peers can arrange, it can end the whole process.
"""

from collections.abc import Callable, Iterator, Mapping
from heapq import heappop, heappush
from itertools import count
from operator import itemgetter
from typing import Final, NamedTuple

from strongroom.workspace.yjs import faults
from strongroom.workspace.yjs.state_vector import decode_state_vector
from strongroom.workspace.yjs.structs import SKIP, Struct
from strongroom.workspace.yjs.update_v1 import read_v1

__all__ = ["HELD_BYTES_MAX", "HELD_UPDATES_MAX", "HeldBack", "needed_by"]

HELD_UPDATES_MAX: Final = 1_000
"""Updates of one document that wait. A peer that was away says with its next STEP2 all that it has."""
HELD_BYTES_MAX: Final = 16 * 1024 * 1024
"""Bytes of one document that wait: three of the largest frames."""


class _Held(NamedTuple):
    """An update that waits for ``client`` to reach ``clock``; ``number`` is its place in the order of arrival."""

    clock: int
    number: int
    update: bytes
    needs: Mapping[int, int]


class HeldBack:
    """What waits for one document. Nothing of it is in the document or in its snapshots."""

    def __init__(self, updates_max: int = HELD_UPDATES_MAX, bytes_max: int = HELD_BYTES_MAX) -> None:
        self._updates_max = updates_max
        self._bytes_max = bytes_max
        self._blocked: dict[int, list[_Held]] = {}  # by the one client that each waits for first, nearest clock first
        self._held: dict[bytes, bool] = {}
        self._arrived = count()
        self._bytes = self._updates = 0

    def __contains__(self, update_v1: bytes) -> bool:
        """Whether exactly that update waits."""
        return update_v1 in self._held

    def in_turn(
        self, update_v1: bytes, state_vector: Callable[[], bytes], *, is_counted: bool = True
    ) -> Iterator[bytes]:
        """What is to be applied now, one by one: a checked update, and then all that waited for it; or nothing.

        ``state_vector`` tells what the document has and is asked between two of them. Raises ``LimitExceeded`` when
        too much waits; then the update is not kept. One that is not counted may wait beside as many others.
        """
        needs = needed_by(update_v1)
        if needs:
            unmet = _first_unmet(needs, decode_state_vector(state_vector()))
            if unmet is not None:
                if update_v1 not in self._held:
                    self._keep(update_v1, is_counted=is_counted)
                    self._block(unmet, update_v1, needs)
                return
        yield update_v1
        yield from self.due(state_vector)

    def due(self, state_vector: Callable[[], bytes]) -> Iterator[bytes]:
        """What waited and is to be applied now, one by one, after the document came forward."""
        while self._blocked:
            ready = self._released(decode_state_vector(state_vector()))
            if not ready:
                return
            yield from ready

    def _released(self, clocks: Mapping[int, int]) -> list[bytes]:
        reached: list[_Held] = []
        for client in [each for each, waiting in self._blocked.items() if waiting[0].clock <= clocks.get(each, 0)]:
            waiting = self._blocked[client]
            while waiting and waiting[0].clock <= clocks.get(client, 0):
                reached.append(heappop(waiting))
            if not waiting:
                del self._blocked[client]
        ready: list[bytes] = []
        for each in sorted(reached, key=itemgetter(1)):
            unmet = _first_unmet(each.needs, clocks)
            if unmet is not None:
                self._block(unmet, each.update, each.needs)
                continue
            if self._held.pop(each.update):
                self._updates -= 1
                self._bytes -= len(each.update)
            ready.append(each.update)
        return ready

    def _keep(self, update: bytes, *, is_counted: bool) -> None:
        if is_counted:
            if self._updates >= self._updates_max:
                raise faults.too_much_waits("updates", self._updates + 1, self._updates_max)
            if self._bytes + len(update) > self._bytes_max:
                raise faults.too_much_waits("bytes", self._bytes + len(update), self._bytes_max)
            self._updates += 1
            self._bytes += len(update)
        self._held[update] = is_counted

    def _block(self, unmet: tuple[int, int], update: bytes, needs: Mapping[int, int]) -> None:
        client, clock = unmet
        heappush(self._blocked.setdefault(client, []), _Held(clock, next(self._arrived), update, needs))


def _first_unmet(needs: Mapping[int, int], clocks: Mapping[int, int]) -> tuple[int, int] | None:
    """A client, and the clock that it has not reached, ``None`` when all is there."""
    return next(((client, clock) for client, clock in needs.items() if clocks.get(client, 0) < clock), None)


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
