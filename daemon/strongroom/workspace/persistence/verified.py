"""A compaction is swapped in only when a second document, made of the new row alone, equals the first.

Equal are the state vectors and every value of every array. The bytes of two updates may differ although they say the
same, so they are not what is compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from strongroom.errors import Internal
from strongroom.workspace.contents import values_by_array
from strongroom.workspace.document import Document
from strongroom.workspace.entry import Entry
from strongroom.workspace.mirror import slot_of

__all__ = ["Snapshot", "check_copy", "snapshot_of"]

LONG_VALUES_MIN: Final = 1000
"""From here on the library is not asked for each value: it finds one by a walk from the beginning, which for all values
of an array in many pieces takes minutes, and the document waits."""


class _Mirrored(tuple[Entry, ...]):
    """A long array as its store has it, which follows every change: so it is what users see."""

    __slots__ = ()


Values = Mapping[str, "list[object] | _Mirrored"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A document at one moment: its whole state as an update, its state vector, and what its arrays hold."""

    update: bytes = field(repr=False)
    state_vector: bytes = field(repr=False)
    values: Values = field(repr=False)


def snapshot_of(document: Document) -> Snapshot:
    """What ``document`` holds now."""
    with document.lock:
        update = document.update_since()
        return Snapshot(update, document.state_vector(), _values(document, update))


def check_copy(guid: str, opened: Sequence[bytes | None], wanted: Snapshot, others: Sequence[bytes]) -> None:
    """Raise ``Internal`` unless ``opened`` is a state that makes the document of ``wanted``, and then ``others``."""
    state = opened[0]
    if state is None or list(opened[1:]) != list(others):
        why = "a row does not open as what it was sealed from"
    else:
        why = difference(guid, state, wanted)
    if why:
        raise Internal(
            "SR-WS-071",
            f"the compaction of workspace {guid} was given up",
            why=f"a document made of the new row is not the one that is open: {why}",
            fix="report it; the log is as it was, and keeps growing until then",
        )


def difference(guid: str, update: bytes, wanted: Snapshot) -> str:
    """How a document that gets only ``update`` differs from the one of ``wanted``; empty when it does not."""
    copy = Document(guid)
    try:
        copy.apply(update)
        found = snapshot_of(copy)
    finally:
        copy.close()
    if _vector(found.state_vector) != _vector(wanted.state_vector):
        return "its state vector differs"
    if found.values.keys() != wanted.values.keys():
        return "it has other arrays"
    if any(not _same(found.values[name], values) for name, values in wanted.values.items()):
        return "an array has other values"
    return ""


def _values(document: Document, update: bytes) -> Values:
    """The arrays that hold something: one that was only asked for is known here and in no update."""
    found: dict[str, list[object] | _Mirrored] = {}
    told = _Told(update)
    for name in document.array_names():
        array, watcher = document.array(name), document.watchers.get(name)
        if len(array) < LONG_VALUES_MIN:
            found[name] = array.to_py() or []
        elif watcher is not None:
            found[name] = _Mirrored(watcher.mirrored())
        else:
            # A long array that nobody has opened: what the update says of it.
            found[name] = [_plain(value) for value in told.values.get(name, ())]
    return {name: values for name, values in found.items() if values}


def _plain(value: object) -> object:
    """What a shared type holds; every other value as it is."""
    read = getattr(value, "to_py", None)
    return value if read is None else read()


class _Told:
    """What an update says of all arrays, read when it is needed."""

    def __init__(self, update: bytes) -> None:
        self._update = update

    @cached_property
    def values(self) -> Mapping[str, list[object]]:
        return values_by_array(self._update)


def _fields(entry: Entry) -> tuple[str, object, int]:
    return entry.key, entry.val, entry.ts


def _vector(raw: bytes) -> dict[int, int]:
    """A state vector as a mapping: its clients come in no certain order."""
    numbers, number, shift = [], 0, 0
    for byte in raw:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(number)
            number = shift = 0
    return dict(zip(numbers[1::2], numbers[2::2], strict=True))


def _same(one: object, other: object) -> bool:
    """Equality in which a number that is none equals itself, and a store's entries equal the values that hold them."""
    if isinstance(other, _Mirrored):
        return isinstance(one, list) and [_fields(slot_of(value)) for value in one] == [_fields(each) for each in other]
    if one == other:
        return True
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    return one != one and other != other
