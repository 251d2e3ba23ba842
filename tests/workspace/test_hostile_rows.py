"""What a hostile peer stores is a value: nothing escapes, and the rows beside it are read."""

import pytest

from strongroom.workspace.table_errors import RowError, UnknownVersion, UnreadableRow, ValidationFailed
from tests.fakes.workspace_rig import Note, fuji, push_raw

NOW = 1_767_227_000_000.0
GOOD = {"id": "good", "title": "Good", "_v": 1.0}
HOSTILE = {
    "a text for a row": ("k", "text", ValidationFailed),
    "null for a row": ("k", None, ValidationFailed),
    "a list for a row": ("k", [GOOD], ValidationFailed),
    "wrong types": ("k", {"title": {"a": 1.0}, "stars": "many", "_v": 1.0}, ValidationFailed),
    "a giant id": ("x" * 4000, {**GOOD}, ValidationFailed),
    "a version that is huge": ("k", {**GOOD, "_v": 1e30}, UnknownVersion),
    "a version that is no number": ("k", {**GOOD, "_v": {"a": 1.0}}, UnknownVersion),
    "a version that is negative": ("k", {**GOOD, "_v": -1.0}, UnknownVersion),
    "a number that is none": ("k", {**GOOD, "stars": float("nan")}, ValidationFailed),
    "an infinite number": ("k", {**GOOD, "stars": float("inf")}, ValidationFailed),
    "a number with a fraction for an integer": ("k", {**GOOD, "stars": 0.5}, ValidationFailed),
    "bytes for a text": ("k", {**GOOD, "title": b"bytes"}, ValidationFailed),
    "bytes for a row": ("k", b"bytes", UnknownVersion),
    "what looks like a sealed value": ("k", b"\x01\x07" + b"\0" * 60, UnreadableRow),
    "a row that is too big": ("k", {**GOOD, "title": "x" * (1 << 20)}, ValidationFailed),
}
ODD_IDS = [
    "../../x",
    "..",
    "",
    "a\0b",
    "con",
    "-rf",
    "a\nb",
    "\u202egnp",
    "n" * 512,
    "</script>",
    "'; DROP TABLE notes",
]


@pytest.mark.parametrize(("key", "value", "kind"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_row_is_a_reason_in_a_plain_workspace(key, value, kind):
    workspace = fuji()
    push_raw(workspace, "table:notes", [("good", GOOD, NOW), (key, value, NOW)])
    notes = workspace.tables["notes"]
    assert isinstance(notes.get(key), kind)
    assert [row.id for row in notes.get_all_valid()] == ["good"]
    assert [row.id for row in notes.get_all_invalid()] == [key]
    assert len(notes.get(key).message) < 500
    assert notes.filter(lambda row: True) == [notes.find(lambda row: True)]
    assert isinstance(notes.update(key, {"title": "x"}), kind)
    notes.delete(key)
    assert notes.count() == 1


@pytest.mark.parametrize("row_id", ODD_IDS, ids=ascii)
def test_an_odd_id_is_an_id_like_any_other(row_id):
    workspace = fuji()
    push_raw(workspace, "table:notes", [(row_id, {**GOOD}, NOW)])
    assert workspace.tables["notes"].get(row_id) == Note(id=row_id, title="Good")


@pytest.mark.parametrize(("key", "value", "kind"), HOSTILE.values(), ids=HOSTILE.keys())
def test_plaintext_of_a_peer_is_unreadable_in_an_encrypted_workspace(key, value, kind):
    workspace = fuji(1)
    workspace.tables["notes"].set(Note(id="good", title="Good"))
    push_raw(workspace, "table:notes", [(key, value, NOW + 10_000)])
    found = workspace.tables["notes"].get(key)
    assert isinstance(found, UnreadableRow)
    assert [row.id for row in workspace.tables["notes"].get_all_valid()] == ["good"]
    assert [each.key for each in workspace.unreadable()] == [key]


def test_what_is_no_entry_at_all_is_no_row():
    workspace = fuji()
    from strongroom.workspace.document import Document

    peer = Document("epicenter-fuji")
    with peer.transaction():
        for value in (None, "text", 5.0, {"key": 5.0, "val": GOOD, "ts": NOW}, {"key": "k", "val": GOOD}, [GOOD]):
            peer.array("table:notes").append(value)
    workspace.document.apply_untrusted(peer.update_since())
    assert workspace.tables["notes"].get_all() == []
    workspace.tables["notes"].set(Note(id="n1", title="One"))
    assert [row.id for row in workspace.tables["notes"].get_all()] == ["n1"]


def test_a_sealed_row_with_halves_of_surrogate_pairs_and_huge_numbers_is_a_reason():
    writer = fuji(1)
    store = writer.store("table:notes")
    store.set("n1", {**GOOD, "title": "\ud800"})
    assert isinstance(writer.tables["notes"].get("n1"), ValidationFailed)
    assert isinstance(writer.tables["notes"].get_all()[0], RowError)
