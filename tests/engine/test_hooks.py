"""A run waits for somebody outside, and gets what they leave, once and in order."""

import threading

import pytest

from strongroom.engine.hook_desk import HookDesk
from strongroom.engine.limits import EngineLimits
from strongroom.errors import NotFound, WrongState
from tests.fakes.hook_guest import HookError, HookGuest, asleep, one_hook, started
from tests.fakes.scripted_guest import ACTION, WAIT_S, Holding, call, types, until, waits
from tests.fakes.workflow_host import WorkflowHost, value


@pytest.fixture
def desk(host):
    return HookDesk(host.host, host.engine)


def result(host, run_id):
    header, outcome = host.engine.wait(run_id, WAIT_S)
    return outcome.result.value.string_value if outcome.result else (header.status, outcome.failure.error)


def restarted(host):
    """The next host on the same database, after this one ended as a crash would end it."""
    host.cut_off()
    after = WorkflowHost(host.database)
    after.module.on_trigger = host.module.on_trigger
    assert after.engine.resume() >= 1
    return after, HookDesk(after.host, after.engine)


def test_a_payload_wakes_the_run_that_waits_for_it(host, desk):
    run_id = started(host, one_hook)
    asleep(host, run_id)
    assert run_id not in host.engine.dispatcher._handles, "a run that waits is a few bytes"
    left = desk.resume(b"paid", token="order-7")
    assert (left.run_id, left.number, left.created) == (run_id, 1, True)
    assert result(host, run_id) == "paid"
    assert [kind for kind in types(host, run_id) if kind not in {"run_started", "run_suspended"}] == [
        "run_created",
        "step_created",
        "hook_created",
        "step_completed",
        "step_created",
        "hook_received",
        "step_completed",
        "run_completed",
    ]


def test_runs_that_wait_hold_no_threads(host):
    def unnamed(request, helper):
        guest = HookGuest(helper)
        hook_id, _ = guest.create(1)
        return value(guest.wait_for(2, hook_id).decode())

    runs = [started(host, unnamed) for _ in range(5)]
    for run_id in runs:
        asleep(host, run_id)
    until(lambda: not [thread for thread in threading.enumerate() if "(ask)" in thread.name])
    assert not host.engine.dispatcher._handles


def test_a_payload_that_comes_before_the_await_is_kept(host, desk):
    made, left = threading.Event(), threading.Event()

    def late(request, helper):
        guest = HookGuest(helper, patience_s=WAIT_S)
        hook_id, token = guest.create(1)
        late.token = token
        made.set()
        assert left.wait(WAIT_S)
        return value(guest.wait_for(2, hook_id).decode())

    run_id = started(host, late)
    assert made.wait(WAIT_S)
    assert len(late.token) == 32, "128 random bits"
    desk.resume(b"early", token=late.token)
    left.set()
    assert result(host, run_id) == "early"
    assert "run_suspended" not in types(host, run_id)


def test_a_guest_that_still_lives_gets_the_payload_without_being_run_again(host, desk):
    made = threading.Event()

    def patient(request, helper):
        guest = HookGuest(helper, patience_s=WAIT_S)
        hook_id, _ = guest.create(1, token="order-7")
        guest.begin_wait(2, hook_id)
        made.set()
        return value(guest.payload(2).decode())

    run_id = started(host, patient)
    assert made.wait(WAIT_S)
    until(lambda: types(host, run_id).count("step_created") == 2)
    desk.resume(b"now", token="order-7")
    assert result(host, run_id) == "now"
    assert len(host.module.executed) == 1


def test_each_await_gets_its_payload_whatever_the_order_of_threads(host, desk):
    def three(request, helper):
        guest = HookGuest(helper)
        hook_id, _ = guest.create(1, token="order-7")
        guest.begin_all([2, 3, 4], hook_id)
        return value(" ".join(guest.payload(number).decode() for number in (2, 3, 4)))

    run_id = started(host, three)
    waits(host, run_id)
    for word in (b"one", b"two", b"three"):
        desk.resume(word, token="order-7")
    assert result(host, run_id) == "one two three"


def test_a_run_wakes_when_all_that_it_awaits_is_there_and_not_before(host, desk):
    holding = Holding()
    host.capabilities.found[ACTION] = holding

    def both(request, helper):
        guest = HookGuest(helper)
        hook_id, _ = guest.create(1, token="order-7")
        guest.call(call(2))
        guest.begin_wait(3, hook_id)
        answers = guest.answer(2, 3)
        return value(answers[0] + " " + guest.payload(3).decode())

    run_id = started(host, both)
    waits(host, run_id)
    desk.resume(b"payload", token="order-7")
    executed = len(host.module.executed)
    assert host.engine.get(run_id).status == "waiting"
    holding.released.set()
    assert result(host, run_id) == "answer 2 payload"
    assert len(host.module.executed) == executed + 1, "it was executed again once"
    assert holding.references == ["2"], "nothing is sent twice"


def test_a_payload_for_another_hook_does_not_wake_the_run(host, desk):
    def two(request, helper):
        guest = HookGuest(helper)
        first, _ = guest.create(1, token="first")
        guest.create(2, token="second")
        return value(guest.wait_for(3, first).decode())

    run_id = started(host, two)
    asleep(host, run_id)
    executed = len(host.module.executed)
    desk.resume(b"unread", token="second")
    until(lambda: run_id in host.engine.dispatcher._asleep)
    assert (len(host.module.executed), host.engine.get(run_id).status) == (executed, "waiting")
    desk.resume(b"wanted", token="first")
    assert result(host, run_id) == "wanted"


def test_a_sleep_is_slept_to_its_end_whatever_is_left_meanwhile(host, desk):
    def sleeper(request, helper):
        guest = HookGuest(helper)
        hook_id, _ = guest.create(1, token="order-7")
        guest.sleep(0.8)  # longer than the test takes to see it and to resume it
        return value(guest.wait_for(2, hook_id).decode())

    run_id = started(host, sleeper)
    asleep(host, run_id)
    wakes = host.engine.get(run_id).wake_at
    desk.resume(b"early", token="order-7")
    assert host.engine.get(run_id).wake_at == wakes, "the sleep is as long as it was"
    assert result(host, run_id) == "early"
    assert host.engine.get(run_id).finished_at >= wakes


def test_a_run_that_waits_is_not_executed_by_a_restart_and_takes_what_comes_then(host):
    run_id = started(host, one_hook)
    asleep(host, run_id)
    after, desk = restarted(host)
    asleep(after, run_id)
    desk.resume(b"later", token="order-7")
    assert result(after, run_id) == "later"
    assert len(after.module.executed) == 1, "once, when it was there"
    after.close()


def test_a_payload_that_is_on_the_disk_when_the_host_ends_wakes_the_run_at_the_next_start(host, desk, monkeypatch):
    run_id = started(host, one_hook)
    asleep(host, run_id)
    # The host ends after the commit and before anybody is told.
    monkeypatch.setattr(HookDesk, "_tell", lambda *_: None)
    desk.resume(b"acknowledged", token="order-7")
    monkeypatch.undo()
    assert host.engine.get(run_id).status == "waiting"
    after, _ = restarted(host)
    assert result(after, run_id) == "acknowledged"
    after.close()


def test_the_step_that_made_a_hook_finds_it_when_its_answer_was_lost(host, monkeypatch):
    from strongroom.engine.run_capability import RunCapability

    answer, lost = RunCapability.answer, threading.Event()

    def loses(self, called, request):
        completed = answer(self, called, request)
        if request.method == "CreateHook" and not lost.is_set():
            lost.set()
            host.engine.dispatcher.close()
            host.host.journals.stop()
        return completed

    monkeypatch.setattr(RunCapability, "answer", loses)
    run_id = started(host, one_hook)
    assert lost.wait(WAIT_S)
    after, desk = restarted(host)
    asleep(after, run_id)
    assert types(after, run_id).count("hook_created") == 1
    desk.resume(b"paid", token="order-7")
    assert result(after, run_id) == "paid"
    after.close()


@pytest.mark.parametrize("how", ["cancel", "kill"])
def test_a_waiting_run_is_stopped_and_its_token_is_free_again(host, desk, how):
    run_id = started(host, one_hook)
    asleep(host, run_id)
    if how == "cancel":
        host.engine.cancel(run_id, "enough", WAIT_S)
    else:
        host.engine.kill(run_id, "enough")
    assert host.engine.get(run_id).status == "cancelled"
    with pytest.raises(NotFound, match="no hook with this token"):
        desk.resume(b"x", token="order-7")
    other = started(host, one_hook)
    asleep(host, other)
    desk.resume(b"mine", token="order-7")
    assert result(host, other) == "mine"


def test_the_time_of_a_run_is_up_while_it_waits(database):
    host = WorkflowHost(database, limits=EngineLimits(run_timeout_ms=200))
    run_id = started(host, one_hook)
    header, outcome = host.engine.wait(run_id, WAIT_S)
    assert (header.status, header.error_code) == ("timed_out", "SR-RUN-023")
    assert "used up its time" in outcome.failure.error
    host.close()


def test_a_guest_that_ends_while_a_call_waits_for_a_payload_ends_the_run(host):
    def careless(request, helper):
        guest = HookGuest(helper)
        hook_id, _ = guest.create(1)
        guest.begin_wait(2, hook_id)
        return value("done")

    assert result(host, started(host, careless)) == "done"


def test_an_await_of_a_disposed_hook_gets_what_was_left_and_then_an_error(host, desk):
    def disposing(request, helper):
        guest = HookGuest(helper)
        hook_id, _ = guest.create(1, token="order-7")
        first = guest.wait_for(2, hook_id).decode()
        guest.dispose(3, hook_id)
        guest.dispose(4, hook_id)
        try:
            guest.wait_for(5, hook_id)
        except HookError as error:
            return value(f"{first}, {error}")
        return value("no error")

    run_id = started(host, disposing)
    asleep(host, run_id)
    hook_id = desk.page(run_id, after="", limit=9)[0].row.hook_id
    desk.resume(b"one", token="order-7")
    ended = result(host, run_id)
    assert ended.startswith("one, Public:User:FailedPrecondition:SR-HOOK-008")
    assert types(host, run_id).count("hook_disposed") == 1, "disposing of it again is nothing"
    with pytest.raises(WrongState, match="was disposed of"):
        desk.resume(b"two", hook_id=hook_id)


def test_disposing_from_outside_ends_the_wait_with_an_error(host, desk):
    def waiter(request, helper):
        guest = HookGuest(helper)
        hook_id, _ = guest.create(1, token="order-7")
        try:
            return value(guest.wait_for(2, hook_id).decode())
        except HookError as error:
            return value(str(error))

    run_id = started(host, waiter)
    asleep(host, run_id)
    assert desk.dispose(token="order-7").booked.is_disposed
    assert "SR-HOOK-008" in result(host, run_id)
