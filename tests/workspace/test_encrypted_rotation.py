"""Keys that come, go and change: batches, formats, edits elsewhere meanwhile, and who is told."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.crypto.keys import Key
from strongroom.keyring.workspace_keys import WorkspaceKeys
from tests.fakes.replicas import START_MS, Clock, Replica, encrypted, exchange, keys, told_by


@pytest.fixture
def replica():
    return Replica()


def test_opening_without_upgrade_seals_nothing_again_and_new_writes_use_the_new_key(replica):
    encrypted(replica, 1).set("old", 1)
    copy = Replica(2, update=replica.document.update_since())
    store = encrypted(copy)
    store.activate(keys(1, 2), upgrade=False)
    store.set("new", 2)
    assert store.versions() == {1: 1, 2: 1}


def test_a_promoted_version_writes_even_if_it_is_not_the_highest(replica):
    store = encrypted(replica, 1, 2, 3, writing=2)
    store.set("k", 1)
    assert store.versions() == {2: 1}
    store.activate(keys(1, 2, 3, writing=1))
    assert store.versions() == {1: 1}


def test_upgrading_goes_in_batches_until_nothing_is_left(replica):
    store = encrypted(replica, 1)
    store.bulk_set((f"k{number}", number) for number in range(25))
    replica.push(("broken", bytes([1, 1]) + bytes(60), START_MS + 100))
    store.activate(keys(1, 2), upgrade=False)
    told = told_by(store)
    times = [(entry.key, entry.ts) for entry in replica.lww.entries()]
    counts = []
    while done := store.upgrade(10):
        counts.append(done)
    assert counts == [10, 10, 5]
    assert store.versions() == {2: 25, 1: 1}
    assert [(entry.key, entry.ts) for entry in replica.lww.entries()] == times
    assert told == []
    assert store.upgrade(10) == 0
    store.set("k0", "edited")
    assert store.upgrade(10) == 0


def test_upgrading_takes_values_of_format_1_into_format_2_and_not_back(replica):
    encrypted(replica, 1, write_format=1).bulk_set([("a", 1), ("b", 2)])
    modern = Replica(2, update=replica.document.update_since())
    store = encrypted(modern, 1)
    assert [entry.val[0] for entry in modern.lww.entries()] == [1, 1]
    assert store.upgrade(10) == 2
    assert [entry.val[0] for entry in modern.lww.entries()] == [2, 2]
    compatible = Replica(3, update=modern.document.update_since())
    assert encrypted(compatible, 1, write_format=1).upgrade(10) == 0


def test_large_values_are_sealed_again_in_several_updates(replica):
    store = encrypted(replica, 1)
    store.bulk_set((f"k{number}", "x" * 500_000) for number in range(9))
    sizes = []
    replica.document.on_update(lambda update, _: sizes.append(len(update)))
    store.activate(keys(1, 2))
    assert store.versions() == {2: 9}
    assert len(sizes) == 3
    assert max(sizes) < 2_100_000


@pytest.mark.parametrize("first", [0, 1])
def test_rotation_on_one_side_loses_against_an_edit_on_the_other(first):
    one, two = Replica(1), Replica(2, clock=Clock(START_MS + 50))
    a, b = encrypted(one, 1), encrypted(two, 1, 2, writing=1)
    a.set("x", "old")
    exchange(one, two)
    b.set("x", "edit")
    one.clock.now_ms += 10**6
    a.activate(keys(1, 2))
    pair = (one, two)
    pair[first].receive(pair[1 - first])
    exchange(one, two)
    assert a.get("x") == b.get("x") == "edit"


def test_two_replicas_that_rotate_at_once_converge_and_lose_nothing():
    one, two = Replica(1), Replica(2)
    a, b = encrypted(one, 1), encrypted(two, 1)
    a.bulk_set((f"k{number}", number) for number in range(50))
    exchange(one, two)
    a.activate(keys(1, 2))
    b.activate(keys(1, 2, 3))
    exchange(one, two)
    assert one.raw() == two.raw()
    assert [b.get(f"k{number}") for number in range(50)] == list(range(50))
    a.activate(keys(1, 2, 3))
    exchange(one, two)
    assert a.versions() == b.versions() == {3: 50}


def test_a_rotation_announces_only_what_became_readable():
    sender = Replica(1)
    encrypted(sender, 2).set("two", "2")
    replica = Replica(2, update=sender.document.update_since())
    store = encrypted(replica, 1)
    store.set("one", "1")
    told = told_by(store)
    store.activate(keys(1, 2))
    store.activate(keys(1, 2))
    store.activate(WorkspaceKeys({1: Key(b"x" * 32), 2: Key(b"y" * 32)}, 2))
    assert told == [({"two": ("add", "2")}, None)]
    assert len(store.unreadable()) == 2


WHO = st.integers(0, 2)
KEY = st.sampled_from(["a", "b", "c"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), WHO, KEY),
        st.tuples(st.just("rotate"), WHO, st.integers(1, 3)),
        st.tuples(st.just("upgrade"), WHO, st.integers(1, 3)),
        st.tuples(st.just("relock"), WHO, st.none()),
        st.tuples(st.just("merge"), WHO, WHO),
        st.tuples(st.just("tick"), WHO, st.integers(-2, 4)),
    ),
    max_size=30,
)


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_no_edit_is_lost_to_rotations_in_whatever_order(steps):
    replicas = [Replica(client, clock=Clock(100)) for client in (5, 3, 9)]
    stores = [encrypted(replica, 1, 2, 3, writing=1, strict=True) for replica in replicas]
    written = {}
    for number, (name, who, what) in enumerate(steps):
        if name == "set":
            stores[who].set(what, number)
            written.setdefault(what, {}).setdefault(replicas[who].lww.entry(what).ts, set()).add(number)
        elif name == "rotate":
            stores[who].activate(keys(1, 2, 3, writing=what), upgrade=number % 2 == 0)
        elif name == "upgrade":
            stores[who].upgrade(what)
        elif name == "relock":
            stores[who].lock()
            stores[who].activate(keys(1, 2, 3))
        elif name == "merge" and who != what:
            replicas[who].receive(replicas[what])
        elif name == "tick":
            replicas[who].clock.now_ms += what
    exchange(*replicas)
    assert replicas[0].raw() == replicas[1].raw() == replicas[2].raw()
    for store in stores:
        assert store.unreadable() == []
        assert {key: store.get(key) in times[max(times)] for key, times in written.items()} == dict.fromkeys(
            written, True
        )
        assert store.size == len(written)
