"""The structs of an update in an order in which each finds its neighbours already there.

An update lists its structs client by client, and those of one client stand beside those of another. Cut anywhere, a
part would wait for a later one. In this order it does not.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Final, NamedTuple

from strongroom.workspace.yjs.structs import SKIP, Id, Struct, Update

__all__ = ["Placed", "in_order", "slice_of"]

_NOTHING: Final[Id] = (-1, 0)
"""What never comes, because no client has that number: whoever is through, or stands before a gap, waits for it."""


class Placed(NamedTuple):
    """A struct with its name. ``waits`` if something that it needs is neither known nor in the update."""

    client: int
    clock: int
    struct: Struct
    waits: bool


def in_order(update: Update, known: Mapping[int, int] | None = None) -> Iterator[Placed]:
    """Every struct of ``update`` once, those that wait last; gaps are left out, since clocks tell them.

    ``known`` is what the document has, client to clock; without it everything that the update lacks is taken for known.
    """
    return _Walk(update, known).steps()


def slice_of(placed: Iterable[Placed]) -> Update:
    """An update of some structs, those of one client in the order of their clocks, as ``in_order`` gives them."""
    blocks: dict[int, tuple[int, int, list[Struct]]] = {}
    ends: dict[int, int] = {}
    for client, clock, struct, _ in placed:
        block = blocks.get(client)
        if block is None:
            block = blocks[client] = (client, clock, [])
        elif clock > ends[client]:
            block[2].append(Struct(SKIP, clock - ends[client], None, None, None, None, None))
        block[2].append(struct)
        ends[client] = clock + struct.length
    return Update(structs=sorted(blocks.values(), key=itemgetter(0), reverse=True))


class _Walk:
    """The blocks of an update, and how far each was gone through."""

    def __init__(self, update: Update, known: Mapping[int, int] | None) -> None:
        self._blocks: dict[int, list[tuple[int, Struct]]] = {}
        for client, clock, structs in update.structs:
            block = self._blocks[client] = []
            for struct in structs:
                if struct.info != SKIP:
                    block.append((clock, struct))
                clock += struct.length
        self._known = known
        self._done: dict[int, int] = dict(known or {})
        if known is None:
            self._done = {client: block[0][0] for client, block in self._blocks.items() if block}
        self._at = dict.fromkeys(self._blocks, 0)
        self._waits_for: dict[int, Id] = {}

    def steps(self) -> Iterator[Placed]:
        stuck: set[int] = set()
        # The highest first, as Yjs has it: of items that claim one place, those of higher clients end up further right.
        for first in sorted(self._blocks, reverse=True):
            path = [] if first in stuck else [first]
            while path:
                client = path[-1]
                wanted = yield from self._advance(client)
                self._waits_for[client] = wanted or _NOTHING
                # On the path everybody waits for the next one, so a ring of neighbours, which is in no update that Yjs
                # wrote, ends it like a gap does: both wait with what cannot come.
                if wanted is None or not self._can_go_on(wanted[0]):
                    path.pop()
                else:
                    path.append(wanted[0])
        for client, block in self._blocks.items():
            for clock, struct in block[self._at[client] :]:
                yield Placed(client, clock, struct, True)

    def _can_go_on(self, client: int) -> bool:
        """Whether there is more of a client, and what it waited for when it was left has come since."""
        wanted = self._waits_for.get(client)
        waits = wanted is not None and wanted[1] >= self._reached(wanted[0])
        return not waits and self._at.get(client, 0) < len(self._blocks.get(client, ()))

    def _advance(self, client: int) -> Generator[Placed, None, Id | None]:
        """Go on with a client; what it waits for, if that is of a client too."""
        block = self._blocks[client]
        while self._at[client] < len(block):
            clock, struct = block[self._at[client]]
            done = self._done.get(client, 0)
            if clock > done and self._known is not None:
                return None
            wanted = self._lacks(struct)
            if wanted is not None:
                return wanted
            self._at[client] += 1
            if clock + struct.length > done or self._known is None:
                self._done[client] = clock + struct.length
                yield Placed(client, clock, struct, False)
        return None

    def _lacks(self, struct: Struct) -> Id | None:
        for needed in (struct.left, struct.right, struct.parent):
            if isinstance(needed, tuple) and needed[1] >= self._reached(needed[0]):
                return needed
        return None

    def _reached(self, client: int) -> int:
        if self._known is None and client not in self._blocks:
            return 1 << 62
        return self._done.get(client, 0)
