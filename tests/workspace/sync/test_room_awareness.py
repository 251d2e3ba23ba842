"""Awareness in a room, and the pace of a connection: whose word counts, and for how long."""

import pytest

from strongroom.errors import LimitExceeded
from strongroom.workspace.sync.backoff import Backoff
from strongroom.workspace.sync.limits import AWARENESS_CLIENTS_MAX
from strongroom.workspace.sync.pace import BURST_S, FRAME_BYTES, Pace
from strongroom.workspace.sync.room_awareness import RoomAwareness
from strongroom.workspace.yjs.awareness import AwarenessState, decode_awareness, encode_awareness


def said(*states):
    return encode_awareness([AwarenessState(*state) for state in states])


def heard(update):
    return [(each.client, each.clock, each.state) for each in decode_awareness(update)] if update else None


def test_a_newer_clock_wins_and_an_older_one_is_no_news():
    room = RoomAwareness()
    assert heard(room.take("a", said((1, 5, '"x"')))) == [(1, 5, '"x"')]
    assert room.take("a", said((1, 5, '"y"'))) is None
    assert room.take("a", said((1, 4, '"z"'))) is None
    assert heard(room.take("a", said((1, 6, '"y"')))) == [(1, 6, '"y"')]
    assert heard(room.everything()) == [(1, 6, '"y"')]


def test_of_equal_clocks_leaving_wins():
    room = RoomAwareness()
    room.take("a", said((1, 5, '"x"')))
    assert heard(room.take("a", said((1, 5, "null")))) == [(1, 5, "null")]
    assert room.everything() is None


def test_what_a_connection_brought_leaves_with_it_and_nothing_else():
    room = RoomAwareness()
    room.take("a", said((1, 5, '"x"'), (2, 1, "{}")))
    room.take("b", said((3, 1, "{}")))
    assert heard(room.left("a")) == [(1, 6, "null"), (2, 2, "null")]
    assert heard(room.everything()) == [(3, 1, "{}")]
    assert room.left("a") is None


def test_a_client_that_came_again_on_a_new_connection_stays_when_the_old_one_ends():
    room = RoomAwareness()
    room.take("old", said((1, 5, '"x"')))
    room.take("new", said((1, 6, '"x"')))
    assert room.left("old") is None
    assert heard(room.everything()) == [(1, 6, '"x"')]


def test_a_connection_speaks_for_few_clients_also_in_one_update():
    room = RoomAwareness()
    with pytest.raises(LimitExceeded) as refused:
        room.take("a", said(*((number, 1, "{}") for number in range(AWARENESS_CLIENTS_MAX + 1))))
    assert refused.value.code == "SR-SYNC-019"


def test_a_burst_is_free_and_what_follows_comes_at_the_rate():
    now = [0.0]
    pace = Pace(10, lambda: now[0])
    assert [pace.wait_s() for _ in range(10 * BURST_S)] == [0.0] * 10 * BURST_S
    assert pace.wait_s() == pytest.approx(0.1)
    now[0] += 100
    assert pace.wait_s() == 0


def test_a_large_frame_counts_for_many():
    pace = Pace(10, lambda: 0.0)
    assert pace.wait_s(10 * BURST_S * FRAME_BYTES) == pytest.approx(0.1)


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_the_back_off_is_between_half_and_all_of_its_time(chance):
    backoff = Backoff(lambda: chance)
    for longest in (0.5, 1, 2, 4, 8, 16, 30, 30):
        assert backoff.next_s() == pytest.approx(longest * (0.5 + chance / 2))
    for _ in range(10_000):
        backoff.next_s()
    backoff.reset()
    assert backoff.next_s() <= 0.5
