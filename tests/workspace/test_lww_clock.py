"""The times of entries: clocks that are ahead, behind, or jump, here and elsewhere."""

import logging

import pytest

from strongroom.errors import LimitExceeded
from strongroom.workspace.lww_clock import AHEAD_MS_MAX
from tests.fakes.replicas import START_MS, Replica


def test_time_follows_peers_whose_clock_is_ahead():
    replica = Replica()
    replica.push(("remote", 1, START_MS + 5000))
    replica.lww.set("local", 1)
    assert replica.lww.entry("local").ts == START_MS + 5001
    assert replica.lww.next_ts() == START_MS + 5002


def test_time_follows_entries_that_lost_and_what_was_there_before():
    first = Replica()
    first.push(("x", "wins", START_MS + 700), ("x", "loses", START_MS + 600))
    second = Replica(2, update=first.document.update_since())
    second.lww.set("y", 1)
    assert second.lww.entry("y").ts == START_MS + 701


def test_a_time_too_far_ahead_is_reported_and_not_followed(caplog):
    replica = Replica()
    with caplog.at_level(logging.WARNING):
        replica.push(("x", "from the future", START_MS + AHEAD_MS_MAX + 1))
    assert [record.entries for record in caplog.records] == [1]
    assert [entry.key for entry in replica.lww.ahead()] == ["x"]
    replica.lww.set("other", 1)
    assert replica.lww.entry("other").ts == START_MS


def test_writing_over_an_entry_from_the_future_is_refused_and_deleting_it_helps():
    replica = Replica()
    replica.push(("x", "from the future", START_MS + AHEAD_MS_MAX + 1))
    with pytest.raises(LimitExceeded) as refused:
        replica.lww.bulk_set([("y", 1), ("x", "now")])
    assert refused.value.code == "SR-WS-005"
    assert refused.value.details["limit"] == AHEAD_MS_MAX
    assert not replica.lww.has("y")
    with replica.document.transaction():
        replica.lww.delete("x")
        replica.lww.set("x", "now")
        assert replica.lww.get("x") == "now"
    assert replica.lww.get("x") == "now"
    assert [value["val"] for value in replica.raw()] == ["now"]


def test_an_entry_within_the_limit_can_be_written_over():
    replica = Replica()
    replica.push(("x", "ahead", START_MS + AHEAD_MS_MAX - 1))
    replica.lww.set("x", "after it")
    assert replica.lww.entry("x").ts == START_MS + AHEAD_MS_MAX
    with pytest.raises(LimitExceeded):
        replica.lww.set("x", "once more")


@pytest.mark.parametrize("jump_ms", [-5_000, -AHEAD_MS_MAX, -30 * AHEAD_MS_MAX, 30 * AHEAD_MS_MAX])
def test_a_clock_that_jumps_does_not_stop_other_keys(jump_ms):
    replica = Replica()
    replica.lww.set("a", 1)
    replica.clock.now_ms += jump_ms
    replica.lww.set("b", 1)
    assert replica.lww.get("b") == 1
    assert replica.lww.entry("b").ts <= replica.clock.now_ms + AHEAD_MS_MAX
