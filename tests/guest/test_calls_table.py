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


def test_answers_that_together_are_larger_than_the_guest_are_too_large(calls):
    for call_id in (1, 2):
        calls.open(Kind.CAPABILITY, call_id)
    calls.complete(Kind.CAPABILITY, 1, Answer(b"x" * 60))
    calls.complete(Kind.CAPABILITY, 2, Answer(b"x" * 41))
    assert calls.answer(Kind.CAPABILITY, 2) == Answer(oversize=True)
    calls.take(Kind.CAPABILITY, [1, 2])
    calls.open(Kind.CAPABILITY, 3)
    calls.complete(Kind.CAPABILITY, 3, Answer(b"x" * 100))
    assert calls.answer(Kind.CAPABILITY, 3) == Answer(b"x" * 100)
