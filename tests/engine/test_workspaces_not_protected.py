"""What a workspace protects and what not, each by doing it: a thief of the project, a relay, a peer without keys."""

import json

import pytest

from strongroom.crypto.workspace_blob import is_encrypted_blob
from strongroom.workspace.document import Document
from tests.fakes.canary import Canary
from tests.fakes.workspace_host import PUSHED_AT_MS, WorkspaceHost
from tests.fakes.workspace_rig import push_raw


@pytest.fixture
def host(tmp_path):
    made = WorkspaceHost(tmp_path)
    made.open()
    yield made
    made.mounts.close()


def put(host, key, value, table=""):
    host.desk.put("notes", table, key, json.dumps(value).encode())


def raw(host, key, array="kv"):
    return host.mounts.get("notes").workspace.raw_store(array).entry(key)


def push(host, array, *entries):
    push_raw(host.mounts.get("notes").workspace, array, entries)


def at_the_peer(host):
    """The document as a peer or a relay has it, without any key."""
    peer = Document("notes")
    peer.apply(host.mounts.get("notes").workspace.document.update_since())
    return peer


def test_a_thief_of_the_project_sees_its_names_and_sizes_and_nothing_that_was_written(host):
    value, key, table = Canary.new(), Canary.new(), Canary.new()
    put(host, key.text, value.text)
    put(host, "row", {"title": value.text}, table.text)
    host.desk.delete("notes", "", key.text)
    for _ in range(2):
        for canary in (value, key, table):
            assert canary.found_below(host.project) == []
            assert canary.found_below(host.state_dir) == []
        host.upkeep.compact("notes")
    assert "notes" in (host.project / "strongroom.toml").read_text(), "names of mounts stand there"


def test_a_relay_sees_keys_tables_times_and_sizes_and_no_value(host):
    value, key, table = Canary.new(), Canary.new(), Canary.new()
    put(host, key.text, value.text)
    put(host, "row", {"title": value.text}, table.text)
    update = host.mounts.get("notes").workspace.document.update_since()
    assert value.found_in(update) == []
    assert "plain" in key.found_in(update), "keys of entries are visible to a relay"
    assert "plain" in table.found_in(update), "names of tables are visible to a relay"
    (entry,) = at_the_peer(host).array("kv").to_py()
    assert set(entry) == {"key", "val", "ts"}, "and so are times"
    assert len(entry["val"]) < 100, "and sizes"


def test_views_are_plaintext_for_whoever_reads_the_project(tmp_path):
    host = WorkspaceHost(tmp_path)
    host.declare('[[mounts]]\nname = "notes"\nmaterialize = ["sqlite", "markdown"]\n')
    host.mounts.mount(host.project)
    canary = Canary.new()
    put(host, "key", canary.text)
    host.mounts.close()
    found = canary.found_below(host.project)
    assert any("/sqlite/" in place for place in found)
    assert any("/md/" in place for place in found)
    assert not [place for place in found if "/log/" in place]


@pytest.mark.parametrize("to", [("kv", "other", 0), ("table:tasks", "key", 0), ("kv", "key", 1)])
def test_a_value_that_a_peer_puts_elsewhere_or_later_is_unreadable(host, to):
    put(host, "key", "worth moving")
    entry = raw(host, "key")
    array, key, later_ms = to
    push(host, array, (key, entry.val, entry.ts + later_ms))
    table = "" if array == "kv" else "tasks"
    found = host.desk.get("notes", table, key)
    assert (found.json, bool(found.unreadable)) == (None, True)


def test_an_older_value_of_the_same_key_does_not_come_back(host):
    put(host, "key", "old")
    old = raw(host, "key")
    put(host, "key", "new")
    push(host, "kv", ("key", old.val, old.ts))
    assert host.desk.get("notes", "", "key").json == b'"new"'
    push(host, "kv", ("key", old.val, raw(host, "key").ts + 1))
    assert host.desk.get("notes", "", "key").json is None, "under a new time it does not open"


def test_plaintext_of_a_peer_is_not_believed_where_the_workspace_is_strict_and_is_where_it_is_not(tmp_path):
    for strict, json_of_it in ((True, None), (False, b'"SENT IN CLEAR"')):
        (tmp_path / str(strict)).mkdir()
        host = WorkspaceHost(tmp_path / str(strict))
        host.declare(f'[[mounts]]\nname = "notes"\nstrict = {str(strict).lower()}\n')
        host.open()
        host.push_plaintext("kv", pushed="SENT IN CLEAR")
        assert host.desk.get("notes", "", "pushed").json == json_of_it
        host.mounts.close()


def test_a_peer_without_keys_can_delete_and_take_the_place_of_an_entry(host):
    put(host, "deleted", 1)
    put(host, "covered", 1)
    peer = at_the_peer(host)
    entries = peer.array("kv")
    with peer.transaction():
        del entries[next(at for at, entry in enumerate(entries.to_py()) if entry["key"] == "deleted")]
    workspace = host.mounts.get("notes").workspace
    workspace.document.apply_untrusted(peer.update_since(workspace.document.state_vector()), origin="peer")
    assert host.desk.get("notes", "", "deleted") is None
    push(host, "kv", ("covered", "anything", raw(host, "covered").ts + 1))
    found = host.desk.get("notes", "", "covered")
    assert (found.json, bool(found.unreadable)) == (None, True), "it is told, and the old value is gone"


def test_whatever_a_client_writes_leaves_this_host_sealed(host):
    put(host, "key", {"deep": ["x"]})
    put(host, "row", {"title": "x"}, "tasks")
    for array in ("kv", "table:tasks"):
        for entry in at_the_peer(host).array(array).to_py():
            assert is_encrypted_blob(bytes(entry["val"]))
    assert raw(host, "key").ts > PUSHED_AT_MS
