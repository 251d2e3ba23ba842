"""The pulse of a host: it goes on whatever becomes of one beat, and ends with the host."""

import threading

import pytest

from strongroom.app.lock import Keeper
from strongroom.app.pulse import Pulse
from strongroom.errors import Unavailable


def test_a_pulse_goes_on_after_a_beat_that_failed(caplog):
    beats, thrice = [], threading.Event()

    def fails():
        raise RuntimeError("out of order")

    def beat():
        beats.append(1)
        if len(beats) == 3:
            thrice.set()

    pulse = Pulse((fails, beat), every_s=0.001)
    pulse.start()
    assert thrice.wait(10)
    pulse.close()
    number = len(beats)
    assert "a beat of the pulse failed" in caplog.messages
    pulse.close()
    assert len(beats) == number


def test_one_that_begins_at_once_does_not_wait_and_one_that_is_stuck_is_not_waited_for():
    begun, go_on = threading.Event(), threading.Event()

    def stuck():
        begun.set()
        go_on.wait(10)

    pulse = Pulse((stuck,), every_s=1000, is_at_once=True)
    pulse.start()
    assert begun.wait(10)
    pulse.close(waits=False)
    go_on.set()
    pulse.close()


def test_a_pulse_that_was_never_started_is_closed():
    Pulse((), every_s=1000).close()


class Lost:
    """A lock that is as a test says."""

    def __init__(self, answer):
        self.answer = answer

    def keep(self):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def release(self):
        """Nothing is held."""


def test_a_lock_that_is_lost_is_logged_with_its_cause(caplog):
    lock = Lost(True)
    keep = Keeper(lock, lambda: 0)
    keep()
    assert (caplog.records, keep.problem) == ([], "")
    lock.answer = False
    keep()
    assert "the lock is held again" in caplog.messages[-1]
    assert keep.problem == ""
    lock.answer = Unavailable("SR-APP-007", "another strongroom host (process 7) has the database")
    keep()
    assert (caplog.records[-1].levelname, caplog.records[-1].code) == ("ERROR", "SR-APP-007")
    assert "process 7" in caplog.records[-1].why
    assert keep.problem == "SR-APP-007"
    lock.answer = False
    keep()
    assert keep.problem == "", "it is held again"


def test_what_was_left_meanwhile_is_taken_over_once_and_until_that_works(caplog):
    lock, answers, asked = Lost(True), [Unavailable("SR-STORE-002", "away"), 2], []

    def take_over():
        asked.append(lock.answer)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    keep = Keeper(lock, take_over)
    keep()
    assert asked == []
    lock.answer = False
    with pytest.raises(Unavailable):
        keep()
    lock.answer = True
    keep()
    keep()
    assert asked == [False, True]
    assert caplog.records[-1].runs == 2
