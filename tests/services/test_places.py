"""Calls that hold a thread are counted, so that calls that do not always find one."""

import pytest

from strongroom.engine.auditing import CALLER
from strongroom.errors import Exhausted, Unavailable
from strongroom.services.places import STREAMS_MAX, WAITING_MAX, Places
from strongroom.services.server import THREADS


def test_waiting_calls_and_streams_leave_threads_to_others():
    assert THREADS - WAITING_MAX - STREAMS_MAX >= THREADS // 6


def test_a_place_is_given_back_however_its_call_ends():
    places = Places(1, "calls wait", "wait")
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), places.taken():
            raise ZeroDivisionError
    with places.taken():
        pass


def test_without_a_place_a_call_is_refused_with_the_number():
    places = Places(2, "calls wait", "come back later")
    with places.taken(), places.taken():
        with pytest.raises(Unavailable, match="2 calls wait already") as refused, places.taken():
            pass
        assert refused.value.fix == "come back later"
        assert refused.value.details["retry_ms"] == 1000


def test_one_caller_leaves_some_to_others_and_a_newcomer_always_finds_one():
    places, given_back = Places(1000, "calls wait", "come back later"), []

    def most(name):
        CALLER.set(name)
        taken = 0
        while True:
            try:
                given_back.append(places.take())
            except Exhausted as refused:
                return taken, refused
            taken += 1

    try:
        (first, refused), (second, _), (third, _) = most("a"), most("b"), most("c")
        assert (first, second, third) == (800, 160, 32)
        assert refused.code == "SR-LIMIT-004"
        assert "800 calls wait already, all of them of a: the 200 that are left are kept" in str(refused)
        assert (refused.details["size"], refused.details["limit"]) == (801, 800)
        for each in given_back:
            each()
        assert most("d")[0] == 800
    finally:
        CALLER.set("")
