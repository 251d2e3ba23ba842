"""The LWW store beyond the named cases: sealing again, what peers may put into an array, size."""

import pytest

from strongroom.errors import InvalidInput, LimitExceeded
from strongroom.workspace.document import Document
from strongroom.workspace.placing import BLOCKS_MAX, runs
from strongroom.workspace.watcher import PrivateOrigin
from tests.fakes.replicas import START_MS, Clock, Replica, exchange

AGAIN = PrivateOrigin("sealed again")


def again(replica, *keys, suffix="'"):
    """Give the entries of ``keys`` other values that say so, in place."""
    values = {key: replica.lww.get(key) for key in keys}
    return replica.lww.replace_in_place([(key, lambda _, key=key: values[key] + suffix) for key in keys], AGAIN)


def test_what_is_sealed_again_keeps_time_and_place():
    replica = Replica()
    replica.lww.bulk_set((f"k{number}", "v") for number in range(100))
    before = [(value["key"], value["ts"]) for value in replica.raw()]
    replica.clock.now_ms += 10_000
    assert again(replica, *(f"k{number}" for number in range(20, 80)), "k5", "k99") == 62
    assert [(value["key"], value["ts"]) for value in replica.raw()] == before
    assert [replica.lww.get(key) for key in ("k4", "k5", "k20", "k79", "k80", "k99")] == [
        "v",
        "v'",
        "v'",
        "v'",
        "v",
        "v'",
    ]


def test_keys_without_an_entry_are_not_sealed_again():
    assert Replica().lww.replace_in_place([("nothing", lambda _ts: "x")], AGAIN) == 0


@pytest.mark.parametrize("first", [0, 1])
def test_what_is_sealed_again_loses_against_an_edit_whichever_comes_first(first):
    one, two = Replica(1), Replica(2)
    one.lww.set("x", "old")
    exchange(one, two)
    two.clock.now_ms += 1000
    one.clock.now_ms += 9000
    two.lww.set("x", "edit")
    again(one, "x")
    pair = (one, two)
    pair[first].receive(pair[1 - first])
    exchange(one, two)
    assert one.lww.get("x") == two.lww.get("x") == "edit"
    assert one.raw() == two.raw()


@pytest.mark.parametrize("resealer", [1, 9], ids=["lower client id", "higher client id"])
def test_what_is_sealed_again_stays_on_its_side_of_an_unseen_entry_of_the_same_time(resealer):
    """Were it to change sides, one peer would remove the one as the loser and another peer the other."""
    author, other = Replica(3), Replica(6)
    author.lww.set("x", "left")
    other.lww.set("x", "right")
    worker = Replica(resealer)
    worker.receive(author)
    again(worker, "x")
    witness = Replica(4)
    witness.receive(author)
    witness.receive(other)
    exchange(author, other, worker, witness)
    assert {replica.lww.get("x") for replica in (author, other, worker, witness)} == {"right"}


def test_two_replicas_that_seal_the_same_entries_again_converge():
    one, two = Replica(1), Replica(2)
    one.lww.bulk_set((f"k{number}", "v") for number in range(60))
    exchange(one, two)
    everything = [f"k{number}" for number in range(60)]
    again(one, *everything, suffix="-one")
    again(two, *everything, suffix="-two")
    exchange(one, two)
    assert one.raw() == two.raw()
    assert one.keys() == everything
    assert {value["val"] for value in one.raw()} <= {"v-one", "v-two"}


def test_a_deleted_entry_that_a_peer_sealed_again_meanwhile_stays_deleted():
    one, two = Replica(1), Replica(2)
    one.lww.set("x", "secret")
    exchange(one, two)
    told = one.told()
    one.lww.delete("x")
    again(two, "x")
    exchange(one, two)
    assert one.raw() == two.raw() == []
    assert told == [({"x": ("delete", None)}, None)]


def test_an_edit_after_that_delete_is_kept():
    one, two = Replica(1), Replica(2)
    one.lww.set("x", "old")
    exchange(one, two)
    one.lww.delete("x")
    two.lww.set("x", "edit")
    again(two, "x")
    exchange(one, two)
    assert one.lww.get("x") == two.lww.get("x") == "edit'"


def test_sealing_again_within_a_transaction_is_a_transaction_of_its_own():
    replica = Replica()
    replica.lww.set("a", "1")
    told = replica.told()
    with replica.document.transaction("mine"):
        replica.lww.set("b", "2")
        again(replica, "a", "b")
        replica.lww.set("c", "3")
    assert [(sorted(changes), origin) for changes, origin in told] == [
        (["b"], "mine"),
        (["a", "b"], None),
        (["c"], "mine"),
    ]


def test_runs_written_by_many_clients_are_replaced_as_one():
    source = Replica(1)
    for number in range(60):
        peer = Replica(10 + number % 2)
        peer.receive(source)
        peer.lww.set(f"k{number}", "v")
        source.receive(peer)
    keys = source.keys()
    assert len(keys) > 2 * BLOCKS_MAX
    again(source, *keys)
    assert source.keys() == keys
    assert {value["val"] for value in source.raw()} == {"v'"}


def test_many_pieces_that_are_replaced_as_one_win_against_no_unseen_entry_of_the_same_time():
    worker = Replica(500)
    for client in range(10, 300, 10):
        author = Replica(client)
        author.lww.set(f"k{client}", "seen")
        worker.receive(author)
    assert len(worker.keys()) > BLOCKS_MAX
    unseen = Replica(155)
    unseen.lww.set("k100", "unseen")
    witness = Replica(501)
    witness.receive(worker)
    witness.receive(unseen)
    assert witness.lww.get("k100") == "unseen", "it stands further right"
    again(worker, *worker.keys())
    exchange(worker, unseen, witness)
    assert {each.lww.get("k100") for each in (worker, unseen, witness)} == {"unseen"}


def test_ranges_are_named_from_the_right():
    assert runs([1, 2, 3, 7, 9, 10]) == [(9, 11), (7, 8), (1, 4)]
    assert runs([]) == []


@pytest.mark.parametrize(
    "junk",
    [
        "text",
        7,
        {"key": "x"},
        {"key": 5, "val": 1, "ts": 1},
        {"key": "x", "val": 1, "ts": -1},
        {"key": "x", "val": 1, "ts": 1.5},
        {"key": "x", "val": 1, "ts": float("nan")},
        {"key": "x", "val": 1, "ts": float("inf")},
        {"key": "x", "val": 1, "ts": 2.0**60},
        {"key": "x", "val": 1, "ts": True},
    ],
    ids=["text", "number", "without time", "key no text", "negative", "fraction", "nan", "infinite", "huge", "bool"],
)
def test_what_is_no_entry_is_left_where_it_is(junk):
    replica = Replica()
    replica.lww.set("a", 1)
    with replica.document.transaction():
        replica.document.array("kv").append(junk)
    replica.lww.set("b", 1)
    replica.lww.set("a", 2)
    replica.lww.delete("b")
    assert [entry.key for entry in replica.lww.entries()] == ["a"]
    assert len(replica.document.array("kv")) == 2
    again_opened = Replica(2, update=replica.document.update_since())
    assert again_opened.lww.get("a") == 2


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("\ud800", 1, "SR-WS-006"),
        (5, 1, "SR-WS-006"),
        ("k" * 4097, 1, "SR-WS-007"),
        ("x", float("nan"), "SR-WS-008"),
        ("x", [bytearray(b"x")], "SR-WS-008"),
        ("x", "\ud800", "SR-WS-008"),
        ("x", 2**53, "SR-WS-008"),
        ("x", {1: 2}, "SR-WS-008"),
        ("x", object(), "SR-WS-008"),
    ],
    ids=["key surrogate", "key no text", "key long", "nan", "bytes", "surrogate", "integer", "names", "type"],
)
def test_what_an_array_cannot_hold_is_refused_before_anything_is_written(key, value, code):
    replica = Replica()
    with pytest.raises((InvalidInput, LimitExceeded)) as refused:
        replica.lww.bulk_set([("good", 1), (key, value)])
    assert refused.value.code == code
    assert replica.raw() == []


def test_a_hundred_thousand_entries_are_written_opened_and_changed():
    source = Replica()
    source.lww.bulk_set((f"k{number}", number) for number in range(100_000))
    copy = Replica(2, clock=Clock(START_MS + 10**6), update=source.document.update_since())
    for number in range(0, 100_000, 9973):
        copy.lww.set(f"k{number}", "changed")
    copy.lww.delete("k50000")
    assert copy.lww.size == 99_999
    source.receive(copy)
    assert source.lww.get("k9973") == "changed"
    assert not source.lww.has("k50000")
    assert [entry.key for entry in source.lww.entries()] == [entry.key for entry in copy.lww.entries()]


def test_a_write_looks_at_its_own_keys_only():
    class Closed(dict):
        def refuse(self, *_):
            raise AssertionError("every entry was looked at")

        __iter__ = keys = items = values = refuse

    replica = Replica()
    replica.lww.bulk_set([("a", 1), ("b", 2)])
    replica.lww._winners.by_key = Closed(replica.lww._winners.by_key)
    replica.lww.set("a", 3)
    replica.lww.delete("b")
    assert replica.keys() == ["a"]


def test_stores_of_several_arrays_are_opened_from_one_document():
    document = Document("d", client_id=1)
    for array in ("table:a", "table:b"):
        Replica(array=array, document=document).lww.bulk_set((f"{array}-{number}", 1) for number in range(500))
    copy = Document("d", client_id=2)
    copy.apply(document.update_since())
    for array in ("table:a", "table:b"):
        assert Replica(array=array, document=copy).lww.get(f"{array}-499") == 1


def test_nothing_of_an_entry_is_shown():
    replica = Replica()
    told = []
    replica.lww.observe(lambda changes, _: told.append(changes))
    replica.lww.set("k3y", "s3cret")
    assert "s3cret" not in repr(replica.lww.entries()) + repr(told) + repr(replica.lww)
