"""A copy of a document is compared with it in everything that can be read, also where it is large."""

import pytest

from strongroom.errors import Internal
from strongroom.workspace.document import Document
from strongroom.workspace.lww import LwwStore
from strongroom.workspace.persistence.verified import LONG_VALUES_MIN, check_copy, snapshot_of


def document_with(*entries, array="kv", client_id=7):
    document = Document("notes", client_id=client_id)
    for entry in entries:
        with document.transaction():
            document.array(array).append(entry)
    return document


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (document_with({"key": "a", "val": 2}), "an array has other values"),
        (document_with({"key": "a", "val": 1}, array="other"), "it has other arrays"),
        (document_with({"key": "a", "val": 1}, client_id=8), "its state vector differs"),
        (document_with({"key": "a", "val": 1}, {"key": "b"}), "its state vector differs"),
        (document_with(), "its state vector differs"),
    ],
    ids=["value", "name of array", "author", "more", "less"],
)
def test_a_copy_is_compared_in_everything_that_can_be_read(other, why):
    wanted = snapshot_of(document_with({"key": "a", "val": 1}))
    with pytest.raises(Internal) as refused:
        check_copy("notes", [other.update_since()], wanted, [])
    assert refused.value.why.endswith(why)
    check_copy("notes", [wanted.update], wanted, [])


def long_document(odd, *, has_store):
    """An array with more values than are asked for one by one, of which one may differ; in some pieces."""
    document = Document("notes", client_id=7)
    if has_store:
        LwwStore(document, "kv", now_ms=lambda: 10)
    for start in range(0, LONG_VALUES_MIN + 100, 100):
        values = [{"key": f"{start + number}", "val": b"sealed", "ts": 5.0} for number in range(100)]
        if start == 500:
            values[50]["val"] = odd
        with document.transaction():
            document.array("kv").extend(values)
    return document


@pytest.mark.parametrize("odd", [b"sealeD", b"", "sealed", None], ids=["byte", "empty", "text", "nothing"])
@pytest.mark.parametrize("has_store", [False, True], ids=["of nobody", "of a store"])
def test_a_long_array_is_compared_as_closely(odd, has_store):
    wanted = snapshot_of(long_document(b"sealed", has_store=has_store))
    check_copy("notes", [wanted.update], wanted, [])
    other = long_document(odd, has_store=False)
    assert snapshot_of(other).state_vector == wanted.state_vector
    with pytest.raises(Internal) as refused:
        check_copy("notes", [other.update_since()], wanted, [])
    assert refused.value.why.endswith("an array has other values")


def test_what_is_no_entry_in_a_long_array_is_no_difference():
    document = long_document(b"sealed", has_store=True)
    with document.transaction():
        document.array("kv").extend([{"key": "a", "val": float("nan")}, "text", None])
    check_copy("notes", [document.update_since()], snapshot_of(document), [])


def test_what_is_written_beside_the_state_is_compared_too():
    wanted = snapshot_of(document_with({"key": "a", "val": 1}))
    check_copy("notes", [wanted.update, b"late"], wanted, [b"late"])
    for opened_rows in ([None, b"late"], [wanted.update], [wanted.update, None], [wanted.update, b"other"]):
        with pytest.raises(Internal, match="a row does not open as what it was sealed from"):
            check_copy("notes", opened_rows, wanted, [b"late"])


def test_a_number_that_is_none_equals_itself():
    document = document_with({"key": "a", "val": float("nan")}, {"key": "b", "val": [{"deep": float("nan")}]})
    check_copy("notes", [document.update_since()], snapshot_of(document), [])
