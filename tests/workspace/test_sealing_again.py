"""Values are sealed again while others work: nobody waits for the sealing, and what they do meanwhile stays."""

import threading

import pytest

from strongroom.errors import WrongState
from strongroom.workspace.value_sealing import ValueSealer
from tests.fakes.replicas import Replica, encrypted, keys

WAIT_S = 30
COUNT = 6


@pytest.fixture
def replica():
    return Replica()


@pytest.fixture
def store(replica):
    made = encrypted(replica, 1)
    made.bulk_set((f"k{number}", number) for number in range(COUNT))
    made.activate(keys(1, 2), upgrade=False)
    return made


@pytest.fixture
def meanwhile(monkeypatch):
    """Gives what to do, by somebody else, while the next value is being sealed."""
    waiting, really = [], ValueSealer.seal

    def seal(self, *words):
        blob = really(self, *words)
        if waiting:
            other = threading.Thread(target=waiting.pop())
            other.start()
            other.join(WAIT_S)
            assert not other.is_alive(), "it waits for the sealing"
        return blob

    monkeypatch.setattr(ValueSealer, "seal", seal)
    return waiting.append


def upgraded(store):
    total = 0
    while done := store.upgrade(4):
        total += done
    return total


def test_what_is_edited_or_deleted_meanwhile_stays_so(store, replica, meanwhile):
    def edit():
        store.set("k0", "edited")
        store.delete("k1")

    meanwhile(edit)
    assert upgraded(store) == COUNT - 2
    assert {key: reading.value for key, reading in store.reads()} == {
        "k0": "edited",
        **{f"k{number}": number for number in range(2, COUNT)},
    }
    assert store.versions() == {2: COUNT - 1}
    assert len(replica.raw()) == COUNT - 1


def test_a_peers_edit_meanwhile_wins_and_is_sealed_again_at_the_next_look(store, replica, meanwhile):
    peer = Replica(2, update=replica.document.update_since())
    peer.clock.now_ms += 1
    encrypted(peer, 1).set("k0", "theirs")
    meanwhile(lambda: replica.receive(peer))
    assert upgraded(store) == COUNT
    assert store.get("k0") == "theirs"
    assert store.versions() == {2: COUNT}


def test_keys_that_are_taken_away_meanwhile_seal_nothing(store, meanwhile):
    before = store.versions()
    meanwhile(store.lock)
    with pytest.raises(WrongState) as refused:
        upgraded(store)
    assert refused.value.code == "SR-WS-010"
    assert store.versions() == before == {1: COUNT}
    store.activate(keys(1, 2), upgrade=False)
    assert upgraded(store) == COUNT


def test_a_version_that_is_promoted_meanwhile_is_the_one_that_all_end_under(store, meanwhile):
    meanwhile(lambda: store.activate(keys(1, 2, 3), upgrade=False))
    assert upgraded(store) == COUNT
    assert store.versions() == {3: COUNT}


def test_a_document_that_is_closed_meanwhile_says_so(store, replica, meanwhile):
    meanwhile(replica.document.close)
    with pytest.raises(WrongState) as refused:
        upgraded(store)
    assert refused.value.code == "SR-WS-003"


def test_two_who_seal_again_at_once_do_it_once(replica, store):
    updates, done = [], []
    replica.document.on_update(lambda update, _: updates.append(update))
    others = [threading.Thread(target=lambda: done.append(upgraded(store))) for _ in range(2)]
    for each in others:
        each.start()
    for each in others:
        each.join(WAIT_S)
    assert sum(done) == COUNT
    assert len(updates) <= COUNT
    assert store.versions() == {2: COUNT}
    assert [store.get(f"k{number}") for number in range(COUNT)] == list(range(COUNT))
