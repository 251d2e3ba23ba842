"""Cutting an update that is larger than a message into several, which together say the same.

An item is cut as Yjs itself splits one: the right part stands behind the left one and keeps its right neighbour.
In the order in which they are given none waits for another; applied in any other they give the same document.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final, cast

from strongroom.workspace.sync import faults
from strongroom.workspace.sync.order import Placed, in_order, slice_of
from strongroom.workspace.yjs.lib0 import utf16_length
from strongroom.workspace.yjs.structs import HAS_LEFT, AnyValues, Content, Struct, Update
from strongroom.workspace.yjs.update_v1 import V1Writer, decode_v1, encode_v1
from strongroom.workspace.yjs.values import skip_values

__all__ = ["cut_update"]

HEAD_BYTES: Final = 64
"""What a part spends on counts, a client and a clock, and on the neighbours that a cut adds; generously."""
RANGE_BYTES: Final = 32
"""A range of the delete set: at most two clocks, a client and a count."""
STRING_SLICE: Final = 4
"""Bytes that a sign of UTF-8 takes at most."""


def cut_update(update_v1: bytes, bytes_max: int) -> list[bytes]:
    """Updates of at most ``bytes_max`` bytes that together are ``update_v1``; itself, if it is not larger.

    Raises ``LimitExceeded`` for one value that does not fit, ``InvalidInput`` for what is no update.
    """
    if len(update_v1) <= bytes_max:
        return [update_v1]
    whole = decode_v1(update_v1)
    return [encode_v1(part) for part in (*_structs(whole, bytes_max), *_deletes(whole, bytes_max))]


def _structs(whole: Update, bytes_max: int) -> Iterator[Update]:
    part: list[Placed] = []
    clients: set[int] = set()
    size = HEAD_BYTES
    for client, clock, struct, waits in in_order(whole):
        for piece in _pieces(client, clock, struct, bytes_max - 2 * HEAD_BYTES):
            more = _size(piece) + (0 if client in clients else HEAD_BYTES)
            if part and size + more > bytes_max:
                yield slice_of(part)
                part, clients, size = [], set(), HEAD_BYTES
                more = _size(piece) + HEAD_BYTES
            part.append(Placed(client, clock, piece, waits))
            clients.add(client)
            size += more
            clock += piece.length
    if part:
        yield slice_of(part)


def _deletes(whole: Update, bytes_max: int) -> Iterator[Update]:
    part, size = Update(), HEAD_BYTES
    for client, ranges in whole.deletes:
        block: tuple[int, list[tuple[int, int]]] | None = None
        for each in ranges:
            if size + RANGE_BYTES > bytes_max:
                yield part
                part, size, block = Update(), HEAD_BYTES, None
            if block is None:
                block = (client, [])
                part.deletes.append(block)
                size += RANGE_BYTES
            block[1].append(each)
            size += RANGE_BYTES
    if part.deletes:
        yield part


def _pieces(client: int, clock: int, struct: Struct, bytes_max: int) -> Iterator[Struct]:
    """``struct``, or what it is cut into."""
    size = _size(struct)
    if size <= bytes_max:
        yield struct
        return
    done = 0
    for content, length in _contents(struct.content, bytes_max - HEAD_BYTES, size):
        if done == 0:
            yield struct._replace(content=content, length=length)
        else:
            yield Struct(struct.info | HAS_LEFT, length, (client, clock + done - 1), struct.right, None, None, content)
        done += length


def _contents(content: Content, bytes_max: int, size: int) -> Iterator[tuple[Content, int]]:
    """Parts of a content, each with the clocks that it takes."""
    if isinstance(content, AnyValues):
        count, encoded = content
        ends = [0]
        for _ in range(count):
            ends.append(skip_values(encoded, ends[-1], 1))
        for first, last in _runs([end - start for start, end in pairwise(ends)], bytes_max):
            yield AnyValues(last - first, encoded[ends[first] : ends[last]]), last - first
    elif isinstance(content, str):
        step = max(1, bytes_max // STRING_SLICE)
        for start in range(0, len(content), step):
            text = content[start : start + step]
            yield text, utf16_length(text)
    elif type(content) is tuple:
        texts = cast("tuple[str, ...]", content)  # the other kinds are tuples with names, and of other types
        for first, last in _runs([len(text.encode()) + STRING_SLICE for text in texts], bytes_max):
            yield texts[first:last], last - first
    else:
        raise faults.update_uncuttable(size, bytes_max)


def _runs(sizes: list[int], bytes_max: int) -> Iterator[tuple[int, int]]:
    """Neighbours that fit together, as (first, behind the last)."""
    first, total = 0, 0
    for index, size in enumerate(sizes):
        if size > bytes_max:
            raise faults.update_uncuttable(size, bytes_max)
        if total + size > bytes_max:
            yield first, index
            first, total = index, 0
        total += size
    yield first, len(sizes)


def _size(struct: Struct) -> int:
    writer = V1Writer()
    writer.struct(struct)
    return len(writer.out)
