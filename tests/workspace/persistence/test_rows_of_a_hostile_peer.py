"""Logs whose rows are authentic and came from a peer that wants harm: they load, wait, and lose nothing."""

import random

import pytest

from strongroom.storage.update_log import UpdateLog
from strongroom.workspace.document import Document
from strongroom.workspace.persistence.row_seal import RowSeal
from strongroom.workspace.persistence.upstream_log import UpstreamLog
from strongroom.workspace.yjs.bulk import insert_any_update
from strongroom.workspace.yjs.convert import v1_to_v2
from strongroom.workspace.yjs.held_back import HELD_UPDATES_MAX
from strongroom.workspace.yjs.state_vector import decode_state_vector
from strongroom.workspace.yjs.structs import GC, Struct, Update
from strongroom.workspace.yjs.update_v1 import encode_v1
from tests.fakes.sealed_logs import keys_of, opened, put, rows_in


def told(history, client, clock, length=1):
    """Values of ``client`` from ``clock`` on, as one of its histories has them."""
    left = (client, clock - 1) if clock else None
    return insert_any_update(client, clock, "kv", left, None, [f"{history}{client}.{clock + n}" for n in range(length)])


def deletion(client, clock, length):
    return encode_v1(Update(deletes=[(client, [(clock, length)])]))


def dropped(client, clock, length):
    return encode_v1(Update([(client, clock, [Struct(GC, length, None, None, None, None, None)])]))


def sealed(path, updates, keys=None):
    """A log that holds exactly these updates, as an older release wrote what a peer sent: one row for each."""
    log = UpdateLog(path)
    seal = RowSeal("alice", "notes")
    log.append([seal.seal(keys or keys_of(1), "update", number, each) for number, each in enumerate(updates, 1)])
    log.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log" / "notes.db"


TWO_HISTORIES = [told("a", 7, 2, 3), told("b", 7, 1, 4), deletion(7, 3, 5), dropped(7, 2, 2), told("a", 7, 1)]


def test_two_histories_of_one_author_wait_and_the_first_whose_turn_comes_is_the_one(path):
    sealed(path, TWO_HISTORIES)
    with opened(path) as log:
        assert log.report.waiting == (1, 2, 3, 4, 5)
        assert decode_state_vector(log.document.state_vector()) == {}
        log.document.apply_untrusted(told("c", 7, 0))
        assert decode_state_vector(log.document.state_vector()) == {7: 5}
        shown = log.document.array("kv").to_py()
        log.compact()
        assert len(rows_in(path)) == 2, "the state, and the deletion of values that never came"
    with opened(path) as log:
        assert log.document.array("kv").to_py() == shown
        assert log.report.waiting == (log.report.waiting[0],)
        log.document.apply_untrusted(told("d", 7, 5, 3))
        assert decode_state_vector(log.document.state_vector()) == {7: 8}
        log.compact()
        assert len(rows_in(path)) == 1


@pytest.mark.parametrize("compactions", [0, 1, 2])
def test_what_waits_is_kept_byte_for_byte_under_the_key_of_today(path, compactions):
    sealed(path, TWO_HISTORIES)
    with opened(path, keys_of(1, 2)) as log:
        for _ in range(compactions):
            put(log, "mine", array="other")
            log.compact()
        seal = log._rows.seal
        late = [seal.open(keys_of(1, 2), row) for row in log._rows.log.rows() if row.purpose == "update"]
        assert late == TWO_HISTORIES
        assert log.rows_by_version() == ({2: 6} if compactions else {1: 5})


def test_what_a_log_lets_wait_leaves_peers_their_room(path):
    sealed(path, [told("a", 7, clock) for clock in range(1, HELD_UPDATES_MAX + 10)])
    with opened(path) as log:
        assert len(log.report.waiting) == HELD_UPDATES_MAX + 9
        log.document.apply_untrusted(told("a", 8, 1))
        log.document.apply_untrusted(told("a", 8, 0))
        log.document.apply_untrusted(told("a", 7, 0))
        assert decode_state_vector(log.document.state_vector()) == {7: HELD_UPDATES_MAX + 10, 8: 2}


def test_what_a_peer_brought_with_a_row_whose_turn_came_is_in_the_log_too(path):
    sealed(path, [told("a", 7, 0)], keys_of(1))
    sealed_two = RowSeal("alice", "notes")
    log = UpdateLog(path)
    log.append([sealed_two.seal(keys_of(2), "update", 2, told("a", 7, 1))])
    log.close()
    given = [keys_of(1)]
    with opened(path, lambda: given[0]) as log:
        log.document.apply_untrusted(told("a", 7, 2))  # waits in memory for the row that is closed
        given[0] = keys_of(1, 2)
        log.compact()
        log._rows.growth.rows = log._rows.growth.bytes = 0
    with opened(path, keys_of(1, 2)) as log:
        assert log.document.array("kv").to_py() == ["a7.0", "a7.1", "a7.2"]


@pytest.mark.parametrize("seed", range(40))
def test_a_log_of_any_hostile_updates_loads_like_the_peer_s_updates_did(path, seed):
    some = random.Random(seed)  # noqa: S311 - repeatable, and no secret
    updates = []
    for _ in range(30):
        client, clock, length = some.randrange(1, 4), some.randrange(6), some.randrange(1, 5)
        make = some.choice([told, told, told, deletion])
        updates.append(make(some.choice("ab"), client, clock, length) if make is told else make(client, clock, length))
    live = Document("notes")
    for update in updates:
        live.apply_untrusted(update)
    sealed(path, updates)
    with opened(path) as log:
        assert decode_state_vector(log.document.state_vector()) == decode_state_vector(live.state_vector())
        assert log.document.array("kv").to_py() == live.array("kv").to_py()
        log.compact()
        assert log.verify().problem == ""
    with opened(path) as log:
        assert log.document.array("kv").to_py() == live.array("kv").to_py()


def test_a_log_of_epicenter_holds_back_the_same(tmp_path):
    path = tmp_path / "yjs" / "notes.db"
    empty = UpstreamLog(path, Document("notes"))
    empty.attach()
    empty._file.append([v1_to_v2(update) for update in TWO_HISTORIES])
    empty._file.close()
    document = Document("notes")
    log = UpstreamLog(path, document)
    assert log.attach() == []
    assert decode_state_vector(document.state_vector()) == {}
    document.apply_untrusted(told("c", 7, 0))
    assert decode_state_vector(document.state_vector()) == {7: 5}
    log.close()
    again = Document("notes")
    log = UpstreamLog(path, again)
    assert log.attach() == []
    assert again.array("kv").to_py() == document.array("kv").to_py()
    log.close()
