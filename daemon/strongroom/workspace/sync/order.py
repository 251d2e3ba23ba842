"""The structs of an update in an order in which each finds its neighbours already there.

An update lists its structs client by client, and those of one client stand beside those of another. Cut anywhere, a
part would wait for a later one. In this order it does not.
"""

from collections.abc import Generator, Iterator, Mapping
from typing import NamedTuple

from strongroom.workspace.yjs.structs import SKIP, Struct, Update

__all__ = ["Placed", "in_order", "slice_of"]


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


def slice_of(placed: list[Placed]) -> Update:
    """An update of some structs, as ``in_order`` gives them."""
    blocks: dict[int, tuple[int, int, list[Struct]]] = {}
    for each in placed:
        block = blocks.get(each.client)
        if block is None:
            blocks[each.client] = (each.client, each.clock, [each.struct])
            continue
        gap = each.clock - block[1] - sum(struct.length for struct in block[2]) if each.waits else 0
        if gap > 0:
            block[2].append(Struct(SKIP, gap, None, None, None, None, None))
        block[2].append(each.struct)
    return Update(structs=sorted(blocks.values(), reverse=True))


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

    def steps(self) -> Iterator[Placed]:
        # The highest first, as Yjs has it: of items that claim one place, those of higher clients end up further right.
        for first in sorted(self._blocks, reverse=True):
            path = [first]
            while path:
                client = path[-1]
                wanted = yield from self._advance(client)
                # A ring of neighbours is in no update that Yjs wrote; it waits with what cannot come.
                if wanted is None or wanted in path or not self._has_more(wanted):
                    path.pop()
                else:
                    path.append(wanted)
        for client, block in self._blocks.items():
            for clock, struct in block[self._at[client] :]:
                yield Placed(client, clock, struct, True)

    def _has_more(self, client: int) -> bool:
        return self._at.get(client, 0) < len(self._blocks.get(client, ()))

    def _advance(self, client: int) -> Generator[Placed, None, int | None]:
        """Go on with a client; the client that it waits for, if it does."""
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

    def _lacks(self, struct: Struct) -> int | None:
        for needed in (struct.left, struct.right, struct.parent):
            if isinstance(needed, tuple) and needed[1] >= self._reached(needed[0]):
                return needed[0]
        return None

    def _reached(self, client: int) -> int:
        if self._known is None and client not in self._blocks:
            return 1 << 62
        return self._done.get(client, 0)
