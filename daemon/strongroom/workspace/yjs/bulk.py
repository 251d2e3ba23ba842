"""Many values into an array as one item. One by one, inserting takes time in the square of their number.

A library makes an item for every call; written by hand, one item of an update holds all values. The result is that of
as many inserts of its client: the n-th value has the n-th clock, and a value that is deleted later splits the item.
"""

from collections.abc import Callable, Sequence
from typing import Any

from pycrdt import Array, Assoc

from strongroom.workspace.yjs import faults
from strongroom.workspace.yjs.lib0 import Reader
from strongroom.workspace.yjs.limits import CLIENT_MAX, CLOCK_MAX
from strongroom.workspace.yjs.structs import ANY, HAS_LEFT, HAS_RIGHT, AnyValues, Id, Struct, Update
from strongroom.workspace.yjs.update_v1 import encode_v1
from strongroom.workspace.yjs.values import Value, write_value

__all__ = ["Write", "element_id", "insert_any_update", "insert_many"]

Write = Callable[[bytearray, Value], None]
"""Appends a value of kind "any": ``write_value``, or what is quicker for values that are all alike."""


def insert_any_update(
    client: int,
    clock: int,
    array_name: str,
    left: Id | None,
    right: Id | None,
    values: Sequence[Value],
    write: Write = write_value,
) -> bytes:
    """The V1 update that inserts ``values`` into the top-level array, between the elements ``left`` and ``right``.

    ``client`` and ``clock`` are the writer's: its id, and how far it has counted (0 if it never wrote). The two
    elements must stand side by side, deleted ones counted; ``insert_many`` sees to that. None on both sides means an
    array that never had elements. Dicts keep the order of their members.
    Raises SR-WS-040 without values, SR-WS-035 for a client or a clock out of range, SR-WS-042 for other types of value.
    """
    if not values:
        raise faults.length_wrong("an insertion of no values")
    if not 0 <= client <= CLIENT_MAX:
        raise faults.out_of_range("client", CLIENT_MAX)
    if clock < 0 or clock + len(values) > CLOCK_MAX:
        raise faults.out_of_range("clock", CLOCK_MAX)
    encoded = bytearray()
    for value in values:
        write(encoded, value)
    info = ANY | (HAS_LEFT if left else 0) | (HAS_RIGHT if right else 0)
    parent = None if left or right else array_name
    content = AnyValues(len(values), bytes(encoded))
    item = Struct(info, len(values), left, right, parent, None, content)
    return encode_v1(Update(structs=[(client, clock, [item])]))


def insert_many(
    array: "Array[Any]",
    index: int,
    values: Sequence[Value],
    *,
    client: int,
    clock: int,
    apply: Callable[[bytes], None],
    write: Write = write_value,
) -> None:
    """Insert three or more ``values`` before ``index``, as one item between the first and the last of them.

    The library inserts these two, one behind the other, and so finds their places among deleted elements, which
    nothing outside of it can see; an item beside visible elements only makes replicas differ for good. A transaction
    is open; ``client`` and ``clock`` are its document's own, and ``apply`` merges an update into that. Raises what
    ``insert_any_update`` does.
    """
    between = insert_any_update(client, clock + 2, "", (client, clock), (client, clock + 1), values[1:-1], write)
    array.insert(index, values[0])
    array.insert(index + 1, values[-1])
    apply(between)


def element_id(array: "Array[Any]", index: int) -> Id:
    """The id of the element at ``index``, read from a position that sticks to it."""
    if not 0 <= index < len(array):
        raise IndexError(index)  # the library would panic
    reader = Reader(array.sticky_index(index, Assoc.AFTER).encode())
    reader.uint()  # 0: what follows is the id of an element
    return reader.uint(), reader.uint()
