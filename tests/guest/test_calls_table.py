"""The table of open calls by itself: slots, ids, answers."""

import pytest

from strongroom.guest.runner.calls import Answer, Calls, Kind


@pytest.fixture
def calls():
    return Calls(2, bytes_max=100)


def test_a_slot_is_free_again_when_its_call_has_ended(calls):
    calls.open(Kind.CAPABILITY, 1)
    calls.open(Kind.SECRETS, 1)
    assert not calls.has_slot()
    assert calls.complete(Kind.SECRETS, 1, Answer(b"x"))
    assert calls.has_slot()


def test_an_end_frees_one_slot_and_no_more(calls):
    opened(calls, 1, 2)
    assert calls.complete(Kind.CAPABILITY, 1, Answer())
    assert calls.has_slot()
    opened(calls, 3)
    assert not calls.has_slot(), "two are under way again"
    assert calls.pending(Kind.CAPABILITY) == [2, 3]


def test_an_answer_is_kept_once_and_an_unexpected_one_is_dropped(calls):
    calls.open(Kind.CAPABILITY, 1)
    assert not calls.complete(Kind.CAPABILITY, 2, Answer(b"unknown"))
    assert not calls.complete(Kind.SECRETS, 1, Answer(b"other kind"))
    assert calls.complete(Kind.CAPABILITY, 1, Answer(b"first"))
    assert not calls.complete(Kind.CAPABILITY, 1, Answer(b"second"))
    assert calls.answer(Kind.CAPABILITY, 1) == Answer(b"first")
    calls.take(Kind.CAPABILITY, [1])
    assert not calls.complete(Kind.CAPABILITY, 1, Answer(b"after it was taken"))
    assert calls.is_used(Kind.CAPABILITY, 1)
    assert calls.missing(Kind.CAPABILITY, [1]) == 1


def opened(calls, *ids):
    for call_id in ids:
        calls.open(Kind.CAPABILITY, call_id)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_what_becomes_of_an_answer_does_not_depend_on_which_came_first(order):
    calls = Calls(3, bytes_max=100)
    opened(calls, 1, 2, 3)
    sizes = {1: 60, 2: 100, 3: 101}
    for call_id in order:
        assert calls.complete(Kind.CAPABILITY, call_id, Answer(b"x" * sizes[call_id]))
    assert calls.answer(Kind.CAPABILITY, 1) == Answer(b"x" * 60)
    assert calls.answer(Kind.CAPABILITY, 2) == Answer(b"x" * 100)
    assert calls.answer(Kind.CAPABILITY, 3) == Answer(oversize=True), "no guest of this size can hold it"


def test_answers_that_nobody_awaits_do_not_fill_the_runner(monkeypatch):
    monkeypatch.setattr("strongroom.guest.runner.calls.RESPONSE_BYTES_MAX", 100)
    calls = Calls(2, bytes_max=150)
    opened(calls, 1, 2, 3)
    assert calls.complete(Kind.CAPABILITY, 1, Answer(b"x" * 100))
    assert calls.complete(Kind.CAPABILITY, 2, Answer(b"x" * 101))
    assert calls.answer(Kind.CAPABILITY, 2) == Answer(dropped=True)
    calls.take(Kind.CAPABILITY, [1, 2])
    assert calls.complete(Kind.CAPABILITY, 3, Answer(b"x" * 150))
    assert calls.answer(Kind.CAPABILITY, 3) == Answer(b"x" * 150), "there is room again"
