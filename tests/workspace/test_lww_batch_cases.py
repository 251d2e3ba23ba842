"""The 49 cases of the LWW store that contract 18 names, second half: within a batch, and across replicas."""

import pytest

from tests.fakes.replicas import START_MS, Clock, Replica, exchange


@pytest.fixture
def replica():
    return Replica()


@pytest.fixture
def store(replica):
    return replica.lww


def test_entries_does_not_yield_duplicates(replica, store):
    store.bulk_set([("a", 1), ("b", 2)])
    with replica.document.transaction():
        store.set("b", 3)
        store.set("c", 4)
        store.set("c", 5)
        assert sorted(entry.key for entry in store.entries()) == ["a", "b", "c"]


def test_multiple_transactions_preserve_prior_keys_and_apply_updates(replica, store):
    with replica.document.transaction():
        store.set("a", 1)
        store.set("b", 1)
    with replica.document.transaction():
        store.set("b", 2)
        store.set("c", 2)
    assert {entry.key: entry.val for entry in store.entries()} == {"a": 1, "b": 2, "c": 2}


def test_observer_fires_once_per_batch_not_per_set(replica, store):
    told = replica.told()
    with replica.document.transaction("mine"):
        for key in ("a", "b", "c"):
            store.set(key, 1)
        assert told == []
    assert [(sorted(changes), origin) for changes, origin in told] == [(["a", "b", "c"], "mine")]


def test_observer_receives_all_changes_from_batch(replica, store):
    store.bulk_set([("gone", 1), ("kept", 1), ("changed", 1)])
    told = replica.told()
    with replica.document.transaction():
        store.set("changed", 2)
        store.delete("gone")
        store.set("new", 3)
    assert told == [({"gone": ("delete", None), "changed": ("update", 2), "new": ("add", 3)}, None)]


def test_remote_sync_during_batch_synced_values_visible_after_batch_ends(replica, store):
    other = Replica(2)
    other.lww.set("remote", "there")
    with replica.document.transaction():
        store.set("local", "here")
        replica.receive(other)
    assert store.get("remote") == "there"
    assert store.get("local") == "here"
    assert sorted(replica.keys()) == ["local", "remote"]


def test_lww_still_works_with_pending_entries(replica, store):
    later = Replica(2, clock=Clock(START_MS + 1000))
    later.lww.set("x", "later")
    with replica.document.transaction():
        store.set("x", "earlier")
        replica.receive(later)
    assert store.get("x") == "later"
    assert [value["val"] for value in replica.raw()] == ["later"]


def test_set_with_undefined_value(replica, store):
    """Python has no undefined: it reads as None, and ``has`` says that it is there. Writing it is writing null."""
    store.set("u", None)
    assert store.has("u")
    assert store.get("u") is None
    assert replica.raw() == [{"key": "u", "val": None, "ts": START_MS}]


def test_rapid_set_get_cycles_always_return_the_latest_value(store):
    for value in range(200):
        store.set("x", value)
        assert store.get("x") == value
    assert store.size == 1


def test_batch_with_mixed_operations_on_multiple_keys(replica, store):
    store.bulk_set([("a", 1), ("b", 1), ("c", 1)])
    with replica.document.transaction():
        store.delete("a")
        store.set("b", 2)
        store.set("d", 2)
        store.delete("d")
        store.set("e", 2)
        store.set("a", 3)
        store.delete("c")
    assert {entry.key: entry.val for entry in store.entries()} == {"a": 3, "b": 2, "e": 2}
    assert sorted(replica.keys()) == ["a", "b", "e"]


def test_delete_during_batch_has_returns_false_immediately(replica, store):
    store.set("a", 1)
    with replica.document.transaction():
        store.delete("a")
        assert not store.has("a")


def test_delete_then_get_in_batch_returns_undefined(replica, store):
    store.set("a", 1)
    with replica.document.transaction():
        store.delete("a")
        assert store.get("a") is None
        assert store.entry("a") is None


def test_delete_then_set_in_batch_returns_new_value(replica, store):
    store.set("a", 1)
    with replica.document.transaction():
        store.delete("a")
        store.set("a", 2)
        assert store.get("a") == 2
        assert store.has("a")
    assert store.get("a") == 2


def test_double_delete_is_idempotent(replica, store):
    store.set("a", 1)
    told = replica.told()
    with replica.document.transaction():
        store.delete("a")
        store.delete("a")
    store.delete("a")
    assert told == [({"a": ("delete", None)}, None)]


def test_entries_skips_pending_deletes(replica, store):
    store.bulk_set([("a", 1), ("b", 2)])
    with replica.document.transaction():
        store.delete("a")
        assert [entry.key for entry in store.entries()] == ["b"]


def test_observer_clears_pending_deletes(replica, store):
    store.set("a", 1)
    with replica.document.transaction():
        store.delete("a")
    store.set("a", 2)
    assert store.get("a") == 2
    assert [entry.key for entry in store.entries()] == ["a"]


def test_set_and_delete_in_same_batch_leaves_no_sticky_pending_deletes(replica, store):
    with replica.document.transaction():
        store.set("a", 1)
        store.delete("a")
    replica.push(("a", "from a peer", START_MS + 5))
    assert store.get("a") == "from a peer"


def test_remote_set_after_local_delete_is_not_masked_by_pending_deletes(replica, store):
    other = Replica(2, clock=Clock(START_MS + 10))
    store.set("a", 1)
    other.receive(replica)
    store.delete("a")
    other.lww.set("a", 2)
    replica.receive(other)
    assert store.get("a") == 2
    assert [entry.key for entry in store.entries()] == ["a"]


def test_set_delete_set_triple_sequence_in_batch(replica, store):
    with replica.document.transaction():
        store.set("a", 1)
        store.delete("a")
        store.set("a", 3)
        assert store.get("a") == 3
    assert store.get("a") == 3
    assert replica.keys() == ["a"]


def test_delete_set_delete_triple_sequence_in_batch(replica, store):
    store.set("a", 0)
    with replica.document.transaction():
        store.delete("a")
        store.set("a", 1)
        store.delete("a")
        assert not store.has("a")
    assert replica.raw() == []


def test_delete_non_existent_key_is_no_op(replica, store):
    told = replica.told()
    store.delete("nothing")
    assert told == []
    store.set("nothing", "now something")
    assert store.get("nothing") == "now something"


def test_pending_deletes_beats_pending_set_then_delete_in_batch(replica, store):
    store.set("a", "confirmed")
    with replica.document.transaction():
        store.set("a", "pending")
        store.delete("a")
        assert store.get("a") is None
        assert store.entries() == []
    assert not store.has("a")


def test_remote_add_for_different_key_does_not_clear_unrelated_pending_deletes(replica, store):
    other = Replica(2)
    other.lww.set("b", 1)
    store.set("a", 1)
    with replica.document.transaction():
        store.delete("a")
        replica.receive(other)
        assert not store.has("a")
    assert not store.has("a")
    assert store.get("b") == 1


def test_both_clients_delete_same_key():
    one, two = Replica(1), Replica(2)
    one.lww.set("a", 1)
    exchange(one, two)
    one.lww.delete("a")
    two.lww.delete("a")
    exchange(one, two)
    assert one.raw() == two.raw() == []
    assert one.lww.size == two.lww.size == 0


def test_local_set_then_remote_delete_of_same_key():
    one, two = Replica(1), Replica(2)
    one.lww.set("a", 1)
    exchange(one, two)
    told = one.told()
    two.lww.delete("a")
    exchange(one, two)
    assert not one.lww.has("a")
    assert told == [({"a": ("delete", None)}, "remote")]
