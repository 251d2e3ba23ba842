"""Key-values, on plain and on encrypted stores: every case of the contract's group."""

import logging

import pytest

from strongroom.errors import InvalidInput, LimitExceeded, NotFound
from strongroom.plugin import KvDefinition, WorkspaceDefinition
from strongroom.workspace.json_value import VALUE_BYTES_MAX
from strongroom.workspace.kv import KvDeleted, KvSet
from strongroom.workspace.reading import Absent, Present, Unreadable
from tests.fakes.workspace_rig import exchange, fuji


@pytest.fixture(params=[(), (1,)], ids=["plain", "encrypted"])
def workspace(request):
    workspace = fuji(*request.param)
    yield workspace
    workspace.dispose()


@pytest.fixture
def kv(workspace):
    return workspace.kv


def test_set_stores_a_value_and_get_retrieves_it(kv):
    kv.set("theme", "dark")
    kv.set("width", 5)
    assert (kv.get("theme"), kv.get("width")) == ("dark", 5)
    assert kv.get_all() == {"theme": "dark", "width": 5, "recent": []}


def test_get_of_an_unset_key_is_a_fresh_default(kv):
    assert kv.get("theme") == "light"
    kv.get("recent").append("changed")
    assert kv.get("recent") == []


def test_get_of_a_deleted_key_is_the_default(kv):
    kv.set("theme", "dark")
    kv.delete("theme")
    assert kv.get("theme") == "light"
    kv.delete("theme")


def test_get_of_an_invalid_value_is_the_default_and_the_log_says_so_without_the_value(workspace, kv, caplog):
    workspace.store("kv").set("theme", "SECRET")
    with caplog.at_level(logging.WARNING, "strongroom.workspace"):
        assert kv.get("theme") == "light"
    assert caplog.messages == ['[kv] Stored value for "theme" failed schema validation; returning default']


def test_observe_all_tells_of_a_set(kv):
    told = []
    kv.observe_all(lambda changes, origin: told.append((dict(changes), origin)))
    kv.set("theme", "dark")
    assert told == [({"theme": KvSet("dark")}, None)]


def test_observe_all_tells_of_a_delete(kv):
    kv.set("theme", "dark")
    told = []
    kv.observe_all(lambda changes, origin: told.append(dict(changes)))
    kv.delete("theme")
    assert told == [{"theme": KvDeleted()}]


def test_observe_all_tells_once_for_each_transaction(workspace, kv):
    told = []
    kv.observe_all(lambda changes, origin: told.append(dict(changes)))
    with workspace.document.transaction():
        kv.set("theme", "dark")
        kv.set("width", 7)
    assert told == [{"theme": KvSet("dark"), "width": KvSet(7)}]


def test_observe_all_skips_invalid_values_and_unknown_keys(workspace, kv):
    told = []
    kv.observe_all(lambda changes, origin: told.append(dict(changes)))
    store = workspace.store("kv")
    store.bulk_set([("theme", "neon"), ("stranger", 1), ("width", 8)])
    store.set("stranger", 2)
    assert told == [{"width": KvSet(8)}]


def test_observe_of_one_key_tells_of_it_alone(kv):
    told = []
    kv.observe("theme", lambda change, origin: told.append(change))
    kv.set("width", 7)
    kv.set("theme", "dark")
    kv.delete("theme")
    assert told == [KvSet("dark"), KvDeleted()]


def test_the_disposer_of_an_observer_ends_it(kv):
    told = []
    kv.observe_all(lambda changes, origin: told.append(changes))()
    kv.observe("theme", lambda change, origin: told.append(change))()
    kv.set("theme", "dark")
    assert told == []


def test_reading_tells_absent_present_and_invalid_apart(workspace, kv):
    assert kv.read("theme") == Absent()
    kv.set("theme", "dark")
    assert kv.read("theme") == Present("dark")
    workspace.store("kv").set("theme", "neon")
    assert kv.read("theme") == Unreadable("the value fails the check of its type", None)


def test_a_value_whose_key_is_not_here_reads_as_the_default_and_is_said_to_be_unreadable(caplog):
    writer, reader = fuji(1, 2), fuji(1)
    writer.kv.set("theme", "dark")
    exchange(writer, reader)
    with caplog.at_level(logging.WARNING, "strongroom.workspace"):
        assert reader.kv.get("theme") == "light"
    assert any("is unreadable (keyVersion=2 not in keyring [1])" in message for message in caplog.messages)
    assert isinstance(reader.kv.read("theme"), Unreadable)


def test_a_value_that_its_type_refuses_is_not_written(kv):
    for key, value in (("theme", "neon"), ("width", "7"), ("width", float("nan")), ("recent", [b"a"])):
        with pytest.raises(InvalidInput) as refused:
            kv.set(key, value)
        assert refused.value.code == "SR-WS-063"
        assert "neon" not in str(refused.value)
    assert kv.get_all() == {"theme": "light", "width": 300, "recent": []}


def test_a_value_that_is_too_big_names_size_and_limit(kv):
    with pytest.raises(LimitExceeded) as refused:
        kv.set("recent", ["x" * VALUE_BYTES_MAX])
    assert (refused.value.code, refused.value.details["limit"]) == ("SR-WS-064", VALUE_BYTES_MAX)


def test_a_key_that_is_not_defined_is_refused_by_every_call(kv):
    calls = (kv.get, kv.read, kv.delete, lambda key: kv.set(key, 1), lambda key: kv.observe(key, print))
    for call in calls:
        with pytest.raises(NotFound) as refused:
            call("stranger")
        assert refused.value.code == "SR-WS-062"


def test_a_type_that_cannot_be_checked_is_refused_when_the_workspace_is_made():
    class Plain:
        pass

    with pytest.raises(InvalidInput) as refused:
        fuji(definition=WorkspaceDefinition("w", kv=(KvDefinition("k", Plain, Plain),)))
    assert refused.value.code == "SR-WS-065"
