"""A workspace: one document, one set of keys for all of its stores, and what it says of itself."""

import json
from pathlib import Path

import pytest
from pydantic import BaseModel

from strongroom.errors import Forbidden, InvalidInput, LimitExceeded, Unavailable, WrongState
from strongroom.plugin import KvDefinition, TableDefinition, WorkspaceDefinition
from strongroom.workspace.document import Document
from strongroom.workspace.stores import ARRAYS_MAX
from strongroom.workspace.workspace import UnreadableEntry, Workspace
from tests.fakes.workspace_rig import FUJI, Note, exchange, fuji, keyring, push_raw

VECTORS = Path(__file__).resolve().parent.parent / "vectors"


def stored(workspace, array):
    return {entry.key: entry.val for entry in workspace.raw_store(array).entries()}


def test_without_keyring_stores_are_plain():
    workspace = fuji()
    workspace.tables["notes"].set(Note(id="n1", title="MARKER"))
    workspace.kv.set("theme", "dark")
    assert not workspace.is_encrypted
    assert stored(workspace, "kv") == {"theme": "dark"}
    assert stored(workspace, "table:notes")["n1"]["title"] == "MARKER"


def test_with_a_keyring_every_store_is_active_before_any_handle_is_returned():
    workspace = fuji(1, 2)
    assert workspace.is_encrypted
    assert all(workspace.store(array).is_active for array in ("kv", "table:notes", "table:tags", "table:undefined"))
    workspace.tables["notes"].set(Note(id="n1", title="MARKER"))
    workspace.kv.set("theme", "dark")
    workspace.store("table:undefined").set("k", "MARKER")
    update = workspace.document.update_since()
    assert b"MARKER" not in update
    assert b"dark" not in update
    assert workspace.tables["notes"].get("n1").title == "MARKER"


def test_the_guid_of_the_document_is_the_id():
    assert fuji().document.guid == fuji().id == "epicenter-fuji"
    with pytest.raises(InvalidInput) as refused:
        Workspace.create(FUJI, document=Document("other"))
    assert refused.value.code == "SR-WS-057"


def test_disposal_destroys_the_document_and_can_be_repeated():
    workspace = fuji(1)
    table, store = workspace.tables["notes"], workspace.store("kv")
    workspace.dispose()
    workspace.dispose()
    for use in (
        lambda: workspace.store("kv"),
        lambda: workspace.arrays(),
        lambda: workspace.reactivate(keyring(1)),
        lambda: table.set(Note(id="n1", title="One")),
        lambda: store.set("k", 1),
        lambda: workspace.document.update_since(),
    ):
        with pytest.raises(WrongState):
            use()
    assert not store.is_active, "its keys are gone from memory"
    workspace.lock()


def test_the_keyring_is_asked_once_and_its_error_surfaces():
    asked = []

    def signed_out():
        asked.append(1)
        raise Unavailable("SR-TEST-000", "[notes-daemon] auth signed-out.")

    with pytest.raises(Unavailable, match=r"\[notes-daemon\] auth signed-out\."):
        Workspace.create(FUJI, keyring=signed_out)
    assert asked == [1]

    def once():
        asked.append(2)
        return keyring(1)

    workspace = Workspace.create(FUJI, keyring=once)
    workspace.store("table:other").set("k", 1)
    assert asked == [1, 2]


def test_empty_tables_and_key_values_work():
    for versions in ((), (1,)):
        workspace = fuji(*versions, definition=WorkspaceDefinition("bare"))
        assert (dict(workspace.tables), workspace.kv.keys, workspace.kv.get_all()) == ({}, (), {})
        workspace.store("notes").set("k", {"any": "thing"})
        assert workspace.store("notes").get("k") == {"any": "thing"}
        assert workspace.arrays() == ["kv", "notes"]


class Labelled(BaseModel):
    id: str
    title: str


class TagOne(BaseModel):
    id: str
    name: str


class TagTwo(TagOne):
    color: str


def test_the_fixture_of_a_plaintext_workspace_reads_as_upstream_read_it():
    fixtures = json.loads((VECTORS / "epicenter-yjs.json").read_text())["fixtures"]
    fixture = next(each for each in fixtures if each["name"] == "workspace-plaintext")
    tags = TableDefinition("tags", (TagOne, TagTwo), lambda row, _: TagTwo(id=row.id, name=row.name, color="grey"))
    definition = WorkspaceDefinition(
        fixture["guid"],
        tables=(TableDefinition("notes", (Labelled,)), tags),
        kv=(KvDefinition("theme", str, lambda: "light"), KvDefinition("width", int, lambda: 300)),
    )
    document = Document(fixture["guid"])
    document.apply((VECTORS / "yjs" / "workspace-plaintext.v1.bin").read_bytes())
    before = document.state_vector(), document.update_since()
    workspace = Workspace.create(definition, document=document)
    expected = fixture["expected"]
    for name, table in workspace.tables.items():
        assert [row.model_dump() for row in table.get_all()] == expected[name]
        assert table.count() == expected["count"][name]
    assert workspace.kv.get_all() == expected["kv"]
    assert (document.state_vector(), document.update_since()) == before, "reading changes nothing"


def test_without_key_it_behaves_as_a_plain_store_also_towards_sealed_values():
    sealed, plain = fuji(1), fuji()
    sealed.tables["notes"].set(Note(id="n1", title="One"))
    plain.tables["notes"].set(Note(id="n2", title="Two"))
    exchange(sealed, plain)
    assert [row.id for row in plain.tables["notes"].get_all_valid()] == ["n2"]
    (unreadable,) = plain.unreadable()
    assert unreadable.reason == "keyVersion=1, encryption not active"
    assert stored(plain, "table:notes")["n2"] == {"id": "n2", "title": "Two", "body": "", "stars": 0.0, "_v": 1.0}


def test_mixed_devices_converge():
    devices = [fuji(1), fuji(1, 2), fuji(1, strict=False), fuji()]
    for number, device in enumerate(devices):
        device.tables["notes"].set(Note(id="same", title=f"of {number}"))
        device.tables["notes"].set(Note(id=f"n{number}", title="own"))
    for _ in range(2):
        for one in devices:
            for other in devices:
                if one is not other:
                    exchange(one, other)
    states = [{array: stored(device, array) for array in ("kv", "table:notes")} for device in devices]
    assert all(state == states[0] for state in states)
    assert len(states[0]["table:notes"]) == len(devices) + 1


def test_versions_and_unreadable_entries_are_reported_by_array_with_reasons():
    writer, reader = fuji(1, 2), fuji(1)
    reader.tables["notes"].set(Note(id="n1", title="One"))
    writer.kv.set("theme", "dark")
    exchange(writer, reader)
    counts = {array: dict(count) for array, count in reader.versions().items() if count}
    assert counts == {"table:notes": {1: 1}, "kv": {2: 1}}
    (unreadable,) = reader.unreadable()
    assert unreadable == UnreadableEntry("kv", "theme", "keyVersion=2 not in keyring [1]", 2)
    assert "theme" not in repr(unreadable)


def test_new_keys_reach_every_open_store_in_place_and_are_told():
    writer, reader = fuji(1, 2), fuji(1)
    writer.tables["notes"].set(Note(id="n1", title="One"))
    exchange(writer, reader)
    told = []
    stop = reader.on_readability(lambda: told.append(len(reader.unreadable())))
    notes = reader.tables["notes"]
    reader.reactivate(keyring(1, 2))
    assert notes.get("n1") == Note(id="n1", title="One")
    notes.set(Note(id="n2", title="Two"))
    assert reader.versions()["table:notes"] == {2: 2}
    stop()
    reader.reactivate(keyring(1, 2))
    assert told == [0]


def test_locking_takes_the_keys_from_every_store_and_new_keys_unlock():
    workspace = fuji(1)
    workspace.tables["notes"].set(Note(id="n1", title="One"))
    told = []
    workspace.on_readability(lambda: told.append(workspace.is_locked))
    workspace.lock()
    assert workspace.is_locked
    assert workspace.tables["notes"].get("n1").reason == "unreadable"
    for write in (
        lambda: workspace.tables["notes"].set(Note(id="n2", title="Two")),
        lambda: workspace.kv.set("theme", "dark"),
        lambda: workspace.store("table:opened-later").set("k", "SECRET"),
    ):
        with pytest.raises(WrongState):
            write()
    workspace.reactivate(keyring(1))
    assert workspace.tables["notes"].get("n1") == Note(id="n1", title="One")
    workspace.store("table:opened-later").set("k", "v")
    assert told == [True, False]


def test_a_plain_workspace_takes_no_keys_and_locking_it_does_nothing():
    workspace = fuji()
    workspace.lock()
    workspace.kv.set("theme", "dark")
    with pytest.raises(WrongState) as refused:
        workspace.reactivate(keyring(1))
    assert refused.value.code == "SR-WS-058"


def test_arrays_of_a_peer_are_listed_and_read_without_a_definition():
    workspace = fuji(1)
    push_raw(workspace, "table:strange ../name", [("k", "plain", 1.0)])
    assert "table:strange ../name" in workspace.arrays()
    assert workspace.store("table:strange ../name").read("k").reason.startswith("plaintext after activation")


@pytest.mark.parametrize("name", ["", "x" * 257, "\ud800"], ids=["empty", "too long", "half a surrogate pair"])
def test_a_name_that_is_no_array_is_refused(name):
    with pytest.raises(InvalidInput) as refused:
        fuji().store(name)
    assert refused.value.code == "SR-WS-059"


def test_a_peer_that_names_arrays_for_ever_meets_a_limit():
    workspace = fuji()
    for number in range(ARRAYS_MAX - 3):
        workspace.store(f"a{number}")
    with pytest.raises(LimitExceeded) as refused:
        workspace.store("one more")
    assert (refused.value.code, refused.value.details["limit"]) == ("SR-WS-060", ARRAYS_MAX)
    push_raw(workspace, "aaa", [("k", 1.0, 1.0)])
    assert "aaa" in workspace.document.array_names()
    assert len(workspace.arrays()) == ARRAYS_MAX
    assert {"kv", "table:notes"} <= set(workspace.arrays())
    assert (workspace.versions()["kv"], workspace.unreadable()) == ({}, [])
    workspace.kv.set("theme", "dark")


def test_a_document_with_a_child_document_of_rich_text_is_refused_by_name():
    import pycrdt

    workspace = fuji()
    peer = pycrdt.Doc()
    peer["table:notes"] = pycrdt.Array([pycrdt.Doc()])
    with pytest.raises(Forbidden) as refused:
        workspace.document.apply_untrusted(peer.get_update())
    assert "child document" in str(refused.value)
    assert workspace.tables["notes"].count() == 0
    with pytest.raises(InvalidInput, match="A guid segment must be lowercase"):
        WorkspaceDefinition("epicenter-fuji.notes.n1.body")


def test_concurrent_updates_replace_the_whole_row_and_never_mix_two():
    here, there = fuji(1), fuji(1)
    here.tables["notes"].set(Note(id="n1", title="first"))
    exchange(here, there)
    here.tables["notes"].update("n1", {"title": "of here"})
    there.tables["notes"].update("n1", {"stars": 5})
    there.tables["notes"].update("n1", {"stars": 6})
    exchange(here, there)
    rows = [each.tables["notes"].get("n1") for each in (here, there)]
    assert rows == [Note(id="n1", title="first", stars=6)] * 2


def test_opening_upgrades_other_versions_only_when_it_is_asked_to():
    writer = fuji(1)
    writer.kv.set("theme", "dark")
    for upgrade, version in ((False, 1), (True, 2)):
        document = Document("epicenter-fuji")
        document.apply(writer.document.update_since())
        reader = Workspace.create(
            FUJI, document=document, keyring=lambda: keyring(1, 2), owner_id="alice", upgrade=upgrade
        )
        assert reader.versions()["kv"] == {version: 1}
        assert reader.kv.get("theme") == "dark"
