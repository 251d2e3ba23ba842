"""The order of structs in updates that nobody honest writes: gaps and rings end the walk, and wait."""

import pytest

from strongroom.workspace.sync.order import in_order
from strongroom.workspace.yjs.structs import ANY, HAS_LEFT, HAS_RIGHT, AnyValues, Struct, Update

ONE = AnyValues(1, b"\x7e")


def item(left=None, right=None):
    flags = (HAS_LEFT if left else 0) | (HAS_RIGHT if right else 0)
    return Struct(ANY | flags, 1, left, right, None if flags else "kv", None, ONE)


def placed(update, known):
    return [(client, clock, waits) for client, clock, _, waits in in_order(update, known)]


@pytest.mark.timeout(10)
def test_whoever_stands_behind_a_gap_holds_up_the_others_only():
    # 9 wants what 5 has, 5 stands before a gap, 3 stands alone.
    update = Update([(9, 0, [item((5, 4))]), (5, 4, [item()]), (3, 0, [item(), item((3, 0))])])
    assert placed(update, {}) == [(3, 0, False), (3, 1, False), (9, 0, True), (5, 4, True)]
    assert placed(update, {5: 4})[:2] == [(5, 4, False), (9, 0, False)]


@pytest.mark.timeout(10)
def test_a_ring_of_neighbours_waits_as_a_whole():
    update = Update([(9, 0, [item((5, 0))]), (5, 0, [item((9, 0))]), (3, 0, [item((9, 0)), item()])])
    for known in ({}, None):
        assert [waits for _, _, waits in placed(update, known)] == [True, True, True, True]


@pytest.mark.timeout(10)
def test_two_clients_that_write_in_turns_are_put_in_their_order():
    turns = 200
    nine = [item(right=(5, n - 1)) if n else item() for n in range(turns)]
    five = [item((9, n)) for n in range(turns)]
    order = placed(Update([(9, 0, nine), (5, 0, five)]), {})
    assert not [each for each in order if each[2]]
    assert order == [each for n in range(turns) for each in ((9, n, False), (5, n, False))]
