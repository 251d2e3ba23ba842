"""Many values into an array as one item. One by one, inserting takes time in the square of their number.

A library makes an item for every call; written by hand, one item of an update holds all values. The result is that of
as many inserts of its client: the n-th value has the n-th clock, and a value that is deleted later splits the item.
"""

from collections.abc import Sequence

from pycrdt import Array, Assoc

from strongroom.workspace.yjs import faults
from strongroom.workspace.yjs.lib0 import Reader
from strongroom.workspace.yjs.limits import CLIENT_MAX, CLOCK_MAX
from strongroom.workspace.yjs.structs import ANY, HAS_LEFT, HAS_RIGHT, AnyValues, Id, Struct, Update
from strongroom.workspace.yjs.update_v1 import encode_v1
from strongroom.workspace.yjs.values import Value, write_value

__all__ = ["array_end", "element_id", "insert_any_update", "neighbours"]


def insert_any_update(
    client: int, clock: int, array_name: str, left: Id | None, right: Id | None, values: Sequence[Value]
) -> bytes:
    """The V1 update that inserts ``values`` into the top-level array, between the elements ``left`` and ``right``.

    ``client`` and ``clock`` are the writer's: its id, and how far it has counted (0 if it never wrote). None on both
    sides means an array that never had elements; ``neighbours`` finds both. Dicts keep the order of their members.
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
        write_value(encoded, value)
    info = ANY | (HAS_LEFT if left else 0) | (HAS_RIGHT if right else 0)
    parent = None if left or right else array_name
    content = AnyValues(len(values), bytes(encoded))
    item = Struct(info, len(values), left, right, parent, None, content)
    return encode_v1(Update(structs=[(client, clock, [item])]))


def neighbours(array: Array[Value], index: int) -> tuple[Id | None, Id | None]:
    """What stands left and right of a gap: ``index`` 0 is before the first element, ``len(array)`` behind the last."""
    left = element_id(array, index - 1) if index else None
    right = element_id(array, index) if index < len(array) else None
    return left, right


def array_end(array: Array[Value]) -> tuple[Id | None, Id | None]:
    """``neighbours`` of the end, where entries are pushed."""
    return neighbours(array, len(array))


def element_id(array: Array[Value], index: int) -> Id:
    """The id of the element at ``index``, read from a position that sticks to it."""
    if not 0 <= index < len(array):
        raise IndexError(index)  # the library would panic
    reader = Reader(array.sticky_index(index, Assoc.AFTER).encode())
    reader.uint()  # 0: what follows is the id of an element
    return reader.uint(), reader.uint()
