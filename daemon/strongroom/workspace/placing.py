"""Where entries go in an array: pushed at its end, taken out, or put where another one stood.

Rule 1: many entries are one item of the update, made in one go: one by one takes time in the square of their number.
Rule 2: what is sealed again stands right behind what it replaces, so that it stays on the same side of every entry that
a peer has written and we have not seen. Where more pieces than ``BLOCKS_MAX`` would be needed for that, it stands
before all of them: then it may lose against an unseen entry of the same key and millisecond, and never wins.
"""

from collections.abc import Sequence
from struct import pack
from typing import Any, Final, cast

from pycrdt import Array

from strongroom.workspace.document import Document
from strongroom.workspace.entry import Entry
from strongroom.workspace.yjs.bulk import element_id, insert_many
from strongroom.workspace.yjs.lib0 import Reader, write_bytes
from strongroom.workspace.yjs.values import write_value

__all__ = ["insert_entries", "remove", "replace_run", "runs"]

BULK_ENTRIES_MIN: Final = 24
"""From here on building an update is quicker than inserting one by one."""
BLOCKS_MAX: Final = 16
"""Pieces of one run that are replaced each at its own place. Finding one takes the library a walk through the array."""

LOOKS_MAX: Final = 8 * BLOCKS_MAX
"""Ranges whose ends are looked at to find the pieces of a run; each takes two walks."""

# An object of three members; strings and bytes have their tag and length in front, times are 64-bit floats.
_KEY: Final = b"\x76\x03\x03key\x77"
_VAL: Final = b"\x03val"
_BYTES: Final = 0x74
_TS: Final = b"\x02ts\x7b"


def runs(positions: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending ``positions`` as ranges ``(first, behind the last)``, from right to left: the left ones stay valid."""
    found: list[tuple[int, int]] = []
    for position in positions:
        if found and found[-1][1] == position:
            found[-1] = (found[-1][0], position + 1)
        else:
            found.append((position, position + 1))
    return found[::-1]


def remove(array: "Array[Any]", positions: Sequence[int]) -> None:
    """Take out what stands at ``positions``, which ascend."""
    for first, end in runs(positions):
        del array[first:end]


def insert_entries(document: Document, name: str, position: int, entries: Sequence[Entry]) -> None:
    """Put ``entries`` before ``position``. A transaction is open."""
    array = document.array(name)
    values = [{"key": entry.key, "val": entry.val, "ts": entry.ts} for entry in entries]
    if len(values) < BULK_ENTRIES_MIN:
        for offset, value in enumerate(values):
            array.insert(position + offset, value)
        return
    clock = _own_clock(document)
    insert_many(
        array, position, values, client=document.client_id, clock=clock, apply=document.apply, write=_write_entry
    )


def replace_run(document: Document, name: str, first: int, entries: Sequence[Entry]) -> None:
    """Put ``entries`` where as many stand from ``first`` on. A transaction is open."""
    array = document.array(name)
    blocks = _blocks(array, first, first + len(entries))
    if blocks is None:
        insert_entries(document, name, first, entries)
        del array[first + len(entries) : first + 2 * len(entries)]
        return
    for start, end in reversed(blocks):
        insert_entries(document, name, end, entries[start - first : end - first])
        del array[start:end]


def _blocks(array: "Array[Any]", first: int, end: int) -> list[tuple[int, int]] | None:
    """The range in pieces that one client wrote in one go, left to right: nothing can come between elements of such
    a piece. ``None`` where they are more than ``BLOCKS_MAX``, or finding them takes more than ``LOOKS_MAX``.
    """
    found: list[tuple[int, int]] = []
    behind = (0, 0)
    waiting = [(first, end)]
    for _ in range(LOOKS_MAX):
        start, stop = waiting.pop()
        left, right = element_id(array, start), element_id(array, stop - 1)
        if left[0] != right[0] or right[1] - left[1] != stop - 1 - start:
            middle = (start + stop) // 2
            waiting += [(middle, stop), (start, middle)]
            continue
        # Halving cuts what belongs together as well: left apart, each rotation would make more and smaller pieces.
        if found and behind == left:
            found[-1] = found[-1][0], stop
        else:
            found.append((start, stop))
        behind = right[0], right[1] + 1
        if len(found) > BLOCKS_MAX:
            return None
        if not waiting:
            return found
    return None


def _write_entry(out: bytearray, value: object) -> None:
    """What ``write_value`` writes for an entry, in a third of its time when the value is sealed."""
    entry = cast("dict[str, Any]", value)
    key, val = entry["key"].encode(), entry["val"]
    out += _KEY
    write_bytes(out, key)
    out += _VAL
    if type(val) is bytes:
        out.append(_BYTES)
        write_bytes(out, val)
    else:
        write_value(out, val, 1)
    out += _TS
    out += pack(">d", entry["ts"])


def _own_clock(document: Document) -> int:
    reader = Reader(document.state_vector())
    for _ in range(reader.uint()):
        client, clock = reader.uint(), reader.uint()
        if client == document.client_id:
            return clock
    return 0
