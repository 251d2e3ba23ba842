"""A compaction is swapped in only when a second document, made of the new row alone, equals the first.

Equal are the state vectors and every value of every array. The bytes of two updates may differ although they say the
same, so they are not what is compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from strongroom.errors import Internal
from strongroom.workspace.document import Document

__all__ = ["Snapshot", "check_copy", "snapshot_of"]

Values = Mapping[str, list[object]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A document at one moment: its whole state as an update, its state vector, and the values of its arrays."""

    update: bytes = field(repr=False)
    state_vector: bytes = field(repr=False)
    values: Values = field(repr=False)


def snapshot_of(document: Document) -> Snapshot:
    """What ``document`` holds now."""
    with document.lock:
        return Snapshot(document.update_since(), document.state_vector(), _values(document))


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


def _values(document: Document) -> Values:
    """The arrays that hold something: one that was only asked for is known here and in no update."""
    found = {name: document.array(name).to_py() for name in document.array_names()}
    return {name: values for name, values in found.items() if values}


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
    """Equality in which a number that is none equals itself."""
    if one == other:
        return True
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    return one != one and other != other
