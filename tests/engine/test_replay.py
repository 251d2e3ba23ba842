"""A replay finds what a guest does otherwise, names the step, sends nothing and stores nothing."""

import threading

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.cancel_signal import CancelSignal
from strongroom.engine.history import History
from strongroom.engine.replay import REPLAYS_MAX, Replays
from strongroom.errors import Cancelled, GuestFault, Tampered, TimedOut, Unavailable
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.diary_guest import DiaryGuest, DiaryRunners, offer
from tests.fakes.workflow_host import OWNER

WAIT_S = 20


def executed(host, guest, **wish):
    """The header of a run of ``guest``."""
    host.capability = offer(host)
    host.register()
    host.module.on_trigger = lambda request, helper, terms=None: guest(request, helper)
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", **wish))
    return host.engine.wait(header.run_id, WAIT_S)[0]


def replayed(host, header, guest, timeout_s=WAIT_S):
    return Replays(host.host, History(host.host.journals), DiaryRunners(guest)).replay(header.run_id, timeout_s)


def test_the_same_guest_sees_the_same_and_is_equal(host):
    before, again = DiaryGuest(), DiaryGuest()
    header = executed(host, before)
    sent = len(host.capability.calls)
    done = replayed(host, header, again)
    assert done.difference is None
    assert (done.steps, done.time_reads, done.log_lines, done.cut_off) == (3, 2, 2, "")
    assert before.seen == again.seen
    assert len(host.capability.calls) == sent == 3, "nothing was sent"
    assert host.engine.get(header.run_id) == header, "nothing was stored"


@pytest.mark.parametrize(
    ("guest", "step", "why"),
    [
        (DiaryGuest(steps=((1, "a"), (2, "x"), (-1, "c"))), "2", "it asked for something else"),
        (DiaryGuest(steps=((1, "a"), (2, "b"))), "-1", "it did not make this step again"),
        (DiaryGuest(steps=((1, "a"), (2, "b"), (-1, "c"), (4, "a"))), "4", "a step that the journal does not have"),
        (DiaryGuest(steps=((9, "a"), (2, "b"), (-1, "c"))), "9", "a step that the journal does not have"),
        (DiaryGuest(times=1), "t1", "it did not ask for the time again"),
        (DiaryGuest(lines=("first", "other")), "log", "line 1 of its log is another one"),
        (DiaryGuest(lines=("first",)), "log", "it did not write line 1"),
        (DiaryGuest(lines=("first", "second", "third")), "log", "it wrote line 2"),
        (DiaryGuest(end="else"), "end", "its result is another one"),
        (DiaryGuest(end=RuntimeError("unreachable")), "end", "it had a result before and fails now"),
        (DiaryGuest(end=sdk_pb2.ExecutionResult(error="no")), "end", "its result is another one"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_first_difference_is_named_by_its_step(host, guest, step, why):
    header = executed(host, DiaryGuest())
    done = replayed(host, header, guest)
    assert done.difference is not None
    assert done.difference.details["step"] == step
    assert why in done.difference.why


def test_differences_hold_nothing_of_what_was_logged_or_returned(host):
    header = executed(host, DiaryGuest(lines=("canary-1",), end="canary-2"))
    for guest in (DiaryGuest(lines=("canary-3",)), DiaryGuest(lines=("canary-1",), end="canary-4")):
        assert "canary" not in str(replayed(host, header, guest).difference)


def test_a_guest_that_waits_for_an_answer_that_is_not_there_holds_no_thread_afterwards(host):
    header = executed(host, DiaryGuest())
    guest = DiaryGuest(steps=((1, "a"), (7, "a")))
    assert replayed(host, header, guest).difference.details["step"] == "7"
    assert isinstance(guest.waits[0].exception(WAIT_S), Unavailable)


@pytest.mark.parametrize(
    "end",
    [sdk_pb2.ExecutionResult(error="out of stock"), GuestFault("SR-GUEST-011", "it trapped", why="unreachable")],
    ids=["error", "trap"],
)
def test_a_run_that_failed_by_itself_must_fail_so_again(host, end):
    header = executed(host, DiaryGuest(end=end))
    assert header.status == "failed"
    same = replayed(host, header, DiaryGuest(end=end))
    assert (same.difference, same.cut_off) == (None, "")
    for other in ("a result", sdk_pb2.ExecutionResult(error="other"), GuestFault("SR-GUEST-011", "else")):
        assert replayed(host, header, DiaryGuest(end=other)).difference.details["step"] == "end"


def test_of_a_run_that_timed_out_the_part_before_is_compared(host):
    header = executed(host, DiaryGuest(end=TimedOut("SR-GUEST-012", "time is up")))
    assert header.status == "timed_out"
    goes_on = replayed(host, header, DiaryGuest(lines=("first", "second", "third"), end="a result"))
    assert goes_on.difference is None
    assert "timed_out" in goes_on.cut_off
    other = replayed(host, header, DiaryGuest(steps=((1, "a"), (2, "c"))))
    assert other.difference.details["step"] == "2"


def test_a_replay_that_uses_up_its_time_is_no_verdict(host):
    header = executed(host, DiaryGuest())
    with pytest.raises(TimedOut, match="did not come to an end within 20000 ms"):
        replayed(host, header, DiaryGuest(end=TimedOut("SR-GUEST-012", "time is up")))


def test_a_runner_that_dies_is_no_verdict(host):
    header = executed(host, DiaryGuest())
    with pytest.raises(GuestFault, match="died"):
        replayed(host, header, DiaryGuest(end=GuestFault("SR-GUEST-015", "the runner died")))


def test_a_journal_that_was_changed_is_not_replayed(host):
    header = executed(host, DiaryGuest())
    host.database.write(
        lambda c: c.exec_driver_sql("UPDATE run_events SET correlation_id = '9' WHERE correlation_id = '2'")
    ).result()
    with pytest.raises(Tampered):
        replayed(host, header, DiaryGuest())


def test_so_many_replays_at_once_and_no_more(host):
    header = executed(host, DiaryGuest())
    replays = Replays(host.host, History(host.host.journals), None)
    inner = []

    class Nested(DiaryRunners):
        def execute(self, **asked):
            try:
                inner.append(replays.replay(header.run_id, WAIT_S))
            except Unavailable as error:
                inner.append(error)
            return super().execute(**asked)

    replays._runners = Nested(DiaryGuest())
    assert replays.replay(header.run_id, WAIT_S).difference is None
    assert inner[0].code == "SR-RUN-041"
    assert len(inner) == REPLAYS_MAX


def test_a_replay_that_nobody_waits_for_ends_and_gives_its_place_back(host):
    header = executed(host, DiaryGuest())
    gone, begun = CancelSignal(), threading.Event()

    class Computing(DiaryGuest):
        def __call__(self, request, helper, watch=lambda message: None):
            ended = threading.Event()
            helper.on_cancel(lambda reason, grace_ms=-1: ended.set())
            begun.set()
            assert ended.wait(WAIT_S)
            raise Cancelled("SR-GUEST-013", "the run was cancelled")

    replays = Replays(host.host, History(host.host.journals), DiaryRunners(Computing()))
    leaving = threading.Thread(target=lambda: begun.wait(WAIT_S) and gone.kill("the caller is gone"))
    leaving.start()
    with pytest.raises(Cancelled, match="the replay was given up") as raised:
        replays.replay(header.run_id, WAIT_S, gone)
    assert raised.value.code == "SR-RUN-064"
    leaving.join(WAIT_S)
    with pytest.raises(Cancelled, match="the replay was given up"):
        replays.replay(header.run_id, WAIT_S, gone)  # and not that another one goes on
