"""Whose turn it is among owners who wait for runners."""

from dataclasses import dataclass

import pytest

from strongroom.guest import neighbours
from strongroom.guest.neighbours import Neighbours


@dataclass(frozen=True)
class Waiter:
    owner: str
    number: int


def waiting(text):
    return [Waiter(owner, number) for number, owner in enumerate(text)]


def order(known, text, at_work=""):
    return "".join(each.owner for each in known.in_turn(waiting(text), at_work))


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now_s = 100.0

        def monotonic(self):
            return self.now_s

    clock = Clock()
    monkeypatch.setattr(neighbours, "time", clock)
    return clock


@pytest.mark.parametrize(
    ("text", "at_work", "expected"),
    [
        ("", "", ""),
        ("aaa", "a", "aaa"),
        ("aaab", "", "abaa"),
        ("aaab", "aaa", "baaa"),
        ("aabbc", "a", "bcabab"[:5]),
    ],
    ids=["nobody", "one alone", "in turn", "who has none at work is first", "who has fewer at work is first"],
)
def test_owners_are_served_in_turn(text, at_work, expected):
    assert order(Neighbours(), text, at_work) == expected


def test_of_equals_who_was_served_longest_ago_is_first(clock):
    known = Neighbours()
    known.served("b")
    clock.now_s += 1
    known.served("a")
    assert order(known, "ab") == "ba"


def test_those_of_one_owner_keep_their_order():
    found = Neighbours().in_turn(waiting("aabab"), "")
    assert [each.number for each in found if each.owner == "a"] == [0, 1, 3]


def test_whoever_was_served_lately_is_near_for_a_while(clock):
    known = Neighbours()
    known.served("a")
    assert known.is_near("a")
    assert not known.is_near("b")
    assert not known.is_near_without({"a"})
    assert known.is_near_without({"b"})
    clock.now_s += neighbours.NEIGHBOUR_S
    assert not known.is_near("a")
