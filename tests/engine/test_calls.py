"""Calls outlive the guest that made them, and are made once."""

import threading

import pytest

from strongroom.engine.calls import Calls, GuestDropped
from strongroom.errors import Cancelled, StorageFault
from strongroom.pb.strongroom.journal.v1 import journal_pb2

ANSWER = journal_pb2.StepCompleted(response=b"answer", answered_unix_ns=5)


def test_whoever_asks_for_a_call_that_is_under_way_gets_its_answer():
    calls = Calls()
    call, is_mine = calls.enter("1", b"asked", calls.round)
    again, is_mine_too = calls.enter("1", b"asked", calls.round)
    assert (is_mine, is_mine_too, again is call) == (True, False, True)
    got = []
    waiting = threading.Thread(target=lambda: got.append(calls.joined(again, calls.round)))
    waiting.start()
    calls.leave(call, ANSWER)
    waiting.join(10)
    assert got == [ANSWER]


def test_an_answer_for_a_guest_that_was_dropped_is_kept_until_the_journal_is_read_again():
    calls = Calls()
    call, _ = calls.enter("1", b"asked", calls.round)
    calls.drop_guest()
    calls.begin_again()
    calls.leave(call, ANSWER)
    again, is_mine = calls.enter("1", b"asked", calls.round)
    assert (is_mine, again.result()) == (False, ANSWER)
    assert calls.joined(again, calls.round) is ANSWER
    calls.drop_guest()
    calls.begin_again()
    assert calls.enter("1", b"asked", calls.round)[1], "whoever reads the journal finds it there"


def test_a_call_that_a_busy_thread_begins_after_its_guest_was_dropped_is_not_made_twice():
    calls = Calls()
    number = calls.round
    calls.drop_guest()
    calls.begin_again()
    call, _ = calls.enter("1", b"asked", number)
    calls.leave(call, ANSWER)
    assert not calls.enter("1", b"asked", calls.round)[1]


def test_a_step_that_was_answered_is_not_made_again_by_a_late_thread_of_a_guest_that_was_dropped():
    calls = Calls()
    late = calls.round
    calls.drop_guest()
    calls.begin_again()
    call, _ = calls.enter("1", b"asked", calls.round)
    calls.leave(call, ANSWER)
    with pytest.raises(GuestDropped):
        calls.enter("1", b"asked", late)
    calls.drop_guest()
    calls.begin_again()
    with pytest.raises(GuestDropped):
        calls.enter("1", b"asked", late)


def test_nor_when_its_answer_got_into_the_journal_later():
    calls = Calls()
    late = calls.round
    calls.drop_guest()
    call, _ = calls.enter("1", b"asked", calls.round)
    calls.leave(call, None, StorageFault("SR-RUN-019", "full"), unwritten=ANSWER)
    calls.begin_again()
    calls.written(call)
    with pytest.raises(GuestDropped):
        calls.enter("1", b"asked", late)


@pytest.mark.parametrize("gone", [Calls.drop_guest, Calls.close, Calls.begin_anew, lambda calls: calls.wait_idle(0)])
def test_who_waits_for_a_call_of_another_is_released_when_its_guest_is_gone(gone):
    calls = Calls()
    call, _ = calls.enter("1", b"asked", calls.round)
    calls.drop_guest()
    number, raised = calls.round, []

    def join():
        try:
            calls.joined(call, number)
        except GuestDropped as dropped:
            raised.append(dropped)

    waiting = threading.Thread(target=join, daemon=True)
    waiting.start()
    gone(calls)
    waiting.join(10)
    assert len(raised) == 1, "the call itself is under way for hours"
    assert not call.done


def test_an_answer_that_its_own_guest_took_is_not_kept():
    calls = Calls()
    call, _ = calls.enter("1", b"asked", calls.round)
    calls.leave(call, ANSWER)
    assert calls._late == {}
    assert calls.have_left(["1"])
    assert not calls.have_left(["1", "2"])


def test_a_call_whose_answer_did_not_get_into_the_journal_fails_for_everybody():
    calls = Calls()
    call, _ = calls.enter("1", b"asked", calls.round)
    calls.leave(call, None, StorageFault("SR-RUN-019", "full"))
    with pytest.raises(StorageFault):
        call.result()
    assert calls.enter("1", b"asked", calls.round)[1], "it may be made again"


def test_a_run_is_told_of_each_end_until_its_guest_is_executed_again():
    calls, told = Calls(), []
    first, _ = calls.enter("1", b"", calls.round)
    second, _ = calls.enter("2", b"", calls.round)
    calls.tell(lambda: told.append(len(calls)))
    calls.leave(first, ANSWER)
    calls.begin_again()
    calls.leave(second, ANSWER)
    assert told == [1]


def test_once_closed_nothing_begins_and_what_is_under_way_ends():
    calls = Calls()
    call, _ = calls.enter("1", b"", calls.round)
    assert not calls.close_if_idle(), "something is under way"
    assert not calls.wait_idle(0.01)
    with pytest.raises(Cancelled):
        calls.enter("2", b"", calls.round)
    calls.leave(call, ANSWER)
    assert calls.wait_idle(10)
    assert calls.close_if_idle()
