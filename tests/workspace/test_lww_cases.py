"""The 49 cases of the LWW store that contract 18 names, first half: values, conflicts, events."""

import pytest

from tests.fakes.replicas import START_MS, Clock, Replica, exchange


@pytest.fixture
def replica():
    return Replica()


@pytest.fixture
def store(replica):
    return replica.lww


def test_set_stores_value_and_get_retrieves_it(replica, store):
    store.set("foo", "bar")
    assert store.get("foo") == "bar"
    assert replica.raw() == [{"key": "foo", "val": "bar", "ts": START_MS}]


def test_set_overwrites_existing_value(replica, store):
    store.set("foo", "first")
    store.set("foo", "second")
    assert store.get("foo") == "second"
    assert len(replica.raw()) == 1


def test_bulk_set_inserts_all_entries(replica, store):
    store.bulk_set([("a", 1), ("b", 2), ("c", 3)])
    assert [(entry.key, entry.val) for entry in store.entries()] == [("a", 1), ("b", 2), ("c", 3)]
    assert replica.keys() == ["a", "b", "c"]


def test_bulk_set_updates_existing_entries(replica, store):
    store.bulk_set([("a", 1), ("b", 2)])
    store.bulk_set([("b", 20), ("c", 3)])
    assert {entry.key: entry.val for entry in store.entries()} == {"a": 1, "b": 20, "c": 3}
    assert replica.keys() == ["a", "b", "c"]


def test_delete_removes_value(replica, store):
    store.set("foo", "bar")
    store.delete("foo")
    assert store.get("foo") is None
    assert not store.has("foo")
    assert replica.raw() == []


def test_bulk_delete_removes_all_specified_keys(replica, store):
    store.bulk_set([("a", 1), ("b", 2), ("c", 3)])
    store.bulk_delete(["a", "c"])
    assert replica.keys() == ["b"]
    assert store.size == 1


def test_bulk_delete_is_a_no_op_for_missing_keys(replica, store):
    store.set("a", 1)
    told = replica.told()
    store.bulk_delete(["x", "y"])
    assert store.get("a") == 1
    assert told == []


def test_entries_have_timestamp_field(store):
    store.set("foo", "bar")
    (entry,) = store.entries()
    assert entry.ts == START_MS
    assert type(entry.ts) is int


def test_timestamps_are_monotonically_increasing(replica, store):
    for key in ("a", "b", "c"):
        store.set(key, 1)
    replica.clock.now_ms -= 5000
    store.set("d", 1)
    assert [entry.ts - START_MS for entry in store.entries()] == [0, 1, 2, 3]


@pytest.mark.parametrize("order", ["older first", "newer first"])
def test_higher_timestamp_wins_regardless_of_sync_order(order):
    older, newer, reader = Replica(1), Replica(2, clock=Clock(START_MS + 1000)), Replica(3)
    older.lww.set("x", "older")
    newer.lww.set("x", "newer")
    for sender in (older, newer) if order == "older first" else (newer, older):
        reader.receive(sender)
    assert reader.lww.get("x") == "newer"
    assert len(reader.raw()) == 1


def test_convergence_both_clients_see_same_value_after_sync():
    one, two = Replica(1), Replica(2, clock=Clock(START_MS + 7))
    one.lww.set("x", "one")
    two.lww.set("x", "two")
    exchange(one, two)
    assert one.lww.get("x") == two.lww.get("x") == "two"
    assert one.raw() == two.raw()


def test_fires_add_event_for_new_key(replica, store):
    told = replica.told()
    store.set("foo", "bar")
    assert told == [({"foo": ("add", "bar")}, None)]


def test_fires_update_event_when_value_changes(replica, store):
    store.set("foo", "first")
    told = replica.told()
    store.set("foo", "second")
    assert told == [({"foo": ("update", "second")}, None)]


def test_fires_delete_event_when_key_removed(replica, store):
    store.set("foo", "bar")
    told = replica.told()
    store.delete("foo")
    assert told == [({"foo": ("delete", None)}, None)]


def test_equal_timestamps_fall_back_to_positional_ordering_rightmost_wins():
    one, two = Replica(1), Replica(2)
    one.lww.set("x", "one")
    two.lww.set("x", "two")
    exchange(one, two)
    # The entry of the higher client id stands further right, as in Yjs.
    assert one.lww.get("x") == two.lww.get("x") == "two"
    assert one.raw() == two.raw() == [{"key": "x", "val": "two", "ts": START_MS}]


def test_get_returns_value_set_in_same_batch(replica, store):
    with replica.document.transaction():
        store.set("foo", "bar")
        assert store.get("foo") == "bar"
    assert store.get("foo") == "bar"


def test_has_returns_true_for_key_set_in_same_batch(replica, store):
    with replica.document.transaction():
        store.set("foo", "bar")
        assert store.has("foo")
    assert store.has("foo")


def test_multiple_updates_to_same_key_in_batch_final_value_wins(replica, store):
    with replica.document.transaction():
        for value in ("first", "second", "third"):
            store.set("foo", value)
            assert store.get("foo") == value
    assert store.get("foo") == "third"
    assert len(replica.raw()) == 1


def test_get_returns_updated_value_when_updating_existing_key_in_batch(replica, store):
    store.set("foo", "old")
    with replica.document.transaction():
        store.set("foo", "new")
        assert store.get("foo") == "new"
    assert store.get("foo") == "new"


def test_delete_removes_key_set_in_same_batch(replica, store):
    with replica.document.transaction():
        store.set("foo", "bar")
        store.delete("foo")
        assert store.get("foo") is None
    assert replica.raw() == []


def test_set_after_delete_in_same_batch_restores_key(replica, store):
    store.set("foo", "bar")
    with replica.document.transaction():
        store.delete("foo")
        store.set("foo", "again")
        assert store.get("foo") == "again"
    assert store.get("foo") == "again"
    assert len(replica.raw()) == 1


def test_delete_on_pre_existing_key_during_batch(replica, store):
    store.set("foo", "bar")
    with replica.document.transaction():
        store.delete("foo")
        assert store.get("foo") is None
    assert replica.raw() == []


def test_entries_yields_pending_values_during_batch(replica, store):
    with replica.document.transaction():
        store.set("a", 1)
        store.set("b", 2)
        assert [(entry.key, entry.val) for entry in store.entries()] == [("a", 1), ("b", 2)]


def test_entries_yields_both_pending_and_map_values(replica, store):
    store.set("old", 1)
    with replica.document.transaction():
        store.set("new", 2)
        assert [entry.key for entry in store.entries()] == ["new", "old"]


def test_entries_prefers_pending_over_map_for_same_key(replica, store):
    store.set("a", "old")
    with replica.document.transaction():
        store.set("a", "new")
        assert [entry.val for entry in store.entries()] == ["new"]
