"""Documents: transactions, who is told, updates from outside, threads."""

import logging
import threading

import pycrdt
import pytest

from strongroom.errors import Forbidden, Internal, InvalidInput, LimitExceeded, StrongroomError, WrongState
from strongroom.workspace.document import Document
from strongroom.workspace.lww import LwwStore
from strongroom.workspace.watcher import PrivateOrigin
from strongroom.workspace.yjs.limits import UpdateLimits
from tests.fakes.replicas import FIXTURES, Replica


def updates_of(document):
    told = []
    document.on_update(lambda update, origin: told.append((update, origin)))
    return told


def test_a_transaction_is_one_update_with_the_outermost_origin():
    document, copy = Document("d", client_id=1), Document("d")
    told = updates_of(document)
    with document.transaction("outer"):
        document.array("a").append(1)
        with document.transaction("inner"):
            document.array("b").append(2)
        assert told == []
    ((update, origin),) = told
    assert origin == "outer"
    copy.apply(update)
    assert copy.array_names() == ["a", "b"]
    assert copy.array("b").to_py() == [2]


def test_a_transaction_that_changes_nothing_tells_nobody():
    document = Document("d")
    told = updates_of(document)
    with document.transaction():
        document.array("a")
    assert told == []


def test_what_was_written_before_an_exception_is_kept_and_told_as_in_yjs():
    replica = Replica()
    told = replica.told()

    def fail_half_way():
        with replica.document.transaction("mine"):
            replica.lww.set("a", 1)
            raise KeyError

    with pytest.raises(KeyError):
        fail_half_way()
    assert replica.lww.get("a") == 1
    assert told == [({"a": ("add", 1)}, "mine")]


def test_many_updates_applied_in_one_transaction_are_told_once():
    source = Replica(1)
    parts = updates_of(source.document)
    for number in range(5):
        source.lww.set(f"k{number}", number)
    target = Replica(2)
    told = target.told()
    with target.document.transaction("log"):
        for update, _ in parts:
            target.document.apply(update)
    assert [(len(changes), origin) for changes, origin in told] == [(5, "log")]


def test_state_vectors_give_what_is_missing_and_no_more():
    one, two = Replica(1), Replica(2)
    one.lww.set("a", "x" * 1000)
    two.receive(one)
    one.lww.set("b", 1)
    missing = one.document.update_since(two.document.state_vector())
    assert len(missing) < 100
    two.document.apply(missing)
    assert two.lww.get("b") == 1


@pytest.mark.parametrize("garbage", [b"", b"\x00", b"\x01\x01\x05", b"garbage"])
def test_an_update_that_cannot_be_read_is_refused_and_nothing_is_merged(garbage):
    replica = Replica()
    replica.lww.set("a", 1)
    for apply in (replica.document.apply, replica.document.apply_untrusted):
        with pytest.raises(StrongroomError):
            apply(garbage)
    replica.lww.set("b", 2)
    assert replica.keys() == ["a", "b"]


def test_a_state_vector_that_cannot_be_read_is_refused():
    with pytest.raises(InvalidInput) as refused:
        Document("d").update_since(b"\xff")
    assert refused.value.code == "SR-WS-002"


def test_an_update_of_the_other_encoding_is_refused_by_name():
    document = Document("d")
    with pytest.raises(InvalidInput) as refused:
        document.apply_untrusted(bytes.fromhex(FIXTURES["plaintext-lww"]["updateV2"]))
    assert refused.value.code == "SR-WS-032"
    assert document.array_names() == []


def test_child_documents_and_texts_of_peers_are_refused_where_stores_are():
    peer = pycrdt.Doc()
    peer.get("kv", type=pycrdt.Text).insert(0, "in clear")
    text = peer.get_update()
    with pytest.raises(Forbidden) as refused:
        Replica().document.apply_untrusted(text)
    assert refused.value.code == "SR-WS-046"
    Document("notes").apply_untrusted(text, limits=UpdateLimits(values_only=False))
    parent = pycrdt.Doc()
    parent.get("kv", type=pycrdt.Array).append(pycrdt.Doc())
    with pytest.raises(Forbidden) as refused:
        Document("d").apply_untrusted(parent.get_update())
    assert refused.value.code == "SR-WS-039"


def test_an_update_above_the_limit_is_refused_with_both_sizes():
    source = Replica()
    source.lww.set("a", "x" * 100)
    update = source.document.update_since()
    with pytest.raises(LimitExceeded) as refused:
        Document("d").apply_untrusted(update, limits=UpdateLimits(bytes_max=50))
    assert refused.value.details["size"] == len(update)
    assert refused.value.details["limit"] == 50


def test_an_observer_that_raises_is_logged_without_its_text_and_stops_nobody(caplog):
    replica = Replica()

    def failing(*_):
        raise ValueError("s3cret-value")

    replica.document.on_update(failing)
    replica.lww.observe(failing)
    updates, told = updates_of(replica.document), replica.told()
    with caplog.at_level(logging.ERROR):
        replica.lww.set("a", 1)
    assert len(updates) == 1
    assert len(told) == 1
    assert [record.fault for record in caplog.records] == ["ValueError", "ValueError"]
    assert "s3cret" not in caplog.text


def test_who_is_told_may_write_and_everybody_hears_of_it_in_order():
    replica = Replica()
    seen = []

    def answering(changes, _origin):
        if "question" in changes:
            replica.lww.set("answer", 42)
            assert replica.lww.size == 2
            assert replica.lww.get("answer") == 42

    replica.lww.observe(answering)
    replica.lww.observe(lambda changes, _: seen.append(list(changes)))
    replica.lww.set("question", "?")
    assert seen == [["question"], ["answer"]]


def test_an_observer_that_was_ended_hears_nothing_and_ending_twice_is_fine():
    replica = Replica()
    updates, told = [], []
    ends = [
        replica.document.on_update(lambda update, _: updates.append(update)),
        replica.lww.observe(lambda changes, _: told.append(changes)),
    ]
    for end in ends * 2:
        end()
    replica.lww.set("a", 1)
    assert updates == told == []


def test_private_origins_are_not_shown():
    replica = Replica()
    replica.lww.set("a", 1)
    updates = updates_of(replica.document)
    replica.lww.replace_in_place([("a", lambda _ts: 2)], PrivateOrigin("a test"))
    assert [origin for _, origin in updates] == [None]


def test_clean_up_of_losers_is_sent_to_peers():
    one, two = Replica(1), Replica(2)
    one.lww.set("x", "loses")
    two.clock.now_ms += 1
    two.lww.set("x", "wins")
    updates = updates_of(one.document)
    one.receive(two)
    assert [origin for _, origin in updates] == ["remote", None]
    mirror = Document("mirror")
    mirror.apply(two.document.update_since())
    for update, _ in updates:
        mirror.apply(update)
    assert [value["val"] for value in mirror.array("kv").to_py()] == ["wins"]


def test_an_array_has_one_store():
    replica = Replica()
    with pytest.raises(Internal) as refused:
        LwwStore(replica.document, "kv", now_ms=replica.clock)
    assert refused.value.code == "SR-WS-004"


def test_a_closed_document_says_so_and_closing_again_is_fine():
    replica = Replica()
    replica.document.close()
    replica.document.close()
    for use in (replica.document.state_vector, lambda: replica.lww.set("a", 1), replica.document.array_names):
        with pytest.raises(WrongState) as refused:
            use()
        assert refused.value.code == "SR-WS-003"


def test_threads_write_side_by_side_and_nothing_is_lost():
    replica = Replica()
    failures = []

    def write(name):
        try:
            for number in range(100):
                replica.lww.set(f"{name}-{number}", number)
                assert replica.lww.get(f"{name}-{number}") == number
        except BaseException as fault:
            failures.append(fault)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert replica.lww.size == 400
    assert len({entry.ts for entry in replica.lww.entries()}) == 400


def test_a_store_made_within_a_transaction_sees_what_it_has_written():
    document = Document("d", client_id=1)
    with document.transaction():
        document.array("kv").append({"key": "a", "val": 1, "ts": 5})
        store = LwwStore(document, "kv", now_ms=lambda: 10)
        document.array("kv").append({"key": "b", "val": 2, "ts": 6})
    assert [(entry.key, entry.ts) for entry in store.entries()] == [("a", 5), ("b", 6)]
