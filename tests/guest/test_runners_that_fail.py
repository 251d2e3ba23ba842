"""Runners that die, hang or are told to stop: their run fails with a reason, and the pool goes on."""

import os
import signal
import threading
import time
from concurrent.futures import Future

import pytest

from strongroom.errors import Cancelled, GuestFault, TimedOut, Unavailable
from strongroom.guest import fleet
from strongroom.guest.runner_process import RunnerDeathError, RunnerProcess
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.runner.v1 import runner_pb2
from tests.guest.program import Program
from tests.guest.running import Calling, busy, calling, execute, text_of
from tests.guests.host import PretendedHost


def test_a_runner_that_dies_fails_its_run_and_nothing_else(make_pool):
    pool = make_pool()
    program = calling()

    def kill(_self, _request):
        os.kill(busy(pool).pid, signal.SIGKILL)

    with pytest.raises(GuestFault, match="died: it was killed by signal 9"):
        execute(pool, "", module=program.wasm(), host=Calling(kill))
    assert text_of(execute(pool, "config")) == b"config"


def test_an_idle_runner_that_was_killed_is_replaced(make_pool):
    pool = make_pool(runners_max=1)
    execute(pool, "config")
    [runner] = pool._fleet._idle
    os.kill(runner.pid, signal.SIGKILL)
    runner._process.wait(10)
    assert text_of(execute(pool, "config")) == b"config"


def test_a_guest_that_computes_forever_is_ended_and_its_runner_goes_on(make_pool):
    pool = make_pool(runners_max=1)
    execute(pool, "config")
    [runner] = pool._fleet._idle
    with pytest.raises(TimedOut, match="the run used up its time of 150 ms"):
        execute(pool, "loop", host=PretendedHost(timeout_ms=150))
    assert text_of(execute(pool, "config")) == b"config"
    assert [r.pid for r in pool._fleet._idle] == [runner.pid]


def test_a_cancelled_guest_ends_while_it_computes(make_pool):
    pool = make_pool()
    program = calling(then="(loop (br 0))")
    host = Calling(lambda self, _request: threading.Timer(0.05, self.stop, ("not wanted any more", 0)).start())
    with pytest.raises(Cancelled, match="not wanted any more"):
        execute(pool, "", module=program.wasm(), host=host)
    assert text_of(execute(pool, "config")) == b"config"


def test_a_run_that_was_cancelled_before_it_began_is_cancelled(make_pool):
    class Cancelled_(PretendedHost):  # noqa: N801 - the plain name is taken by the error
        def on_cancel(self, stop):
            stop("too late")

    with pytest.raises(Cancelled, match="too late"):
        execute(make_pool(), "loop", host=Cancelled_())


def test_a_runner_that_does_not_end_is_killed(make_pool, monkeypatch):
    monkeypatch.setattr("strongroom.guest.hosted_run.GRACE_S", 0.1)
    pool = make_pool()
    pool.report()  # waits for the runner
    program = calling()

    def freeze(_self, _request):
        os.kill(busy(pool).pid, signal.SIGSTOP)

    with pytest.raises(TimedOut, match="used up its time"):
        execute(pool, "", module=program.wasm(), host=Calling(freeze, timeout_ms=200))
    assert text_of(execute(pool, "config")) == b"config"


def test_a_late_answer_does_not_reach_the_next_run(make_pool):
    pool = make_pool(runners_max=1)
    error_text, opened, late = Program(), threading.Event(), threading.Event()
    message = sdk_pb2.CapabilityRequest(id="x@1.0.0", callback_id=1)
    error_text.env("call_capability", *error_text.message(message), error_text.buffer(64), 64)

    def slow(_self, _request):
        opened.set()
        late.wait(20)

    execute(pool, "", module=error_text.wasm(), host=Calling(slow))
    assert opened.wait(10)
    program = calling()
    seen = []

    def answer(_self, request):
        late.set()
        seen.append(request.callback_id)

    execute(pool, "", module=program.wasm(), host=Calling(answer))
    assert seen == [1]


def test_a_call_that_waits_for_a_thread_when_its_run_ends_is_never_made(make_pool, monkeypatch):
    monkeypatch.setattr("strongroom.guest.pool.CALL_THREADS_MAX", 1)
    pool, opened, late, made = make_pool(runners_max=1), threading.Event(), threading.Event(), []

    def slow(_self, request):
        made.append(request.callback_id)
        opened.set()
        late.wait(20)

    class Waiting(Calling):
        def log(self, mode, line):
            assert opened.wait(10), "the first call has the thread"

    program = Program()
    error = program.buffer(64)
    program.env("switch_modes", 1)
    for callback_id in (1, 2):
        message = sdk_pb2.CapabilityRequest(id="x@1.0.0", callback_id=callback_id)
        program.env("call_capability", *program.message(message), error, 64)
        program.env("log", *program.put(b"called"))
    execute(pool, "", module=program.wasm(), host=Waiting(slow))
    late.set()
    seen = []
    execute(pool, "", module=calling().wasm(), host=Calling(lambda _self, request: seen.append(request.callback_id)))
    assert (made, seen) == ([1], [1]), "what came behind it has been made, so its turn is over"


def test_what_a_helper_raises_while_it_logs_ends_the_run_and_the_runner(make_pool):
    class Broken(PretendedHost):
        def log(self, mode, line):
            raise RuntimeError("disk full")

    pool = make_pool()
    with pytest.raises(RuntimeError, match="disk full"):
        execute(pool, "logging", host=Broken())
    assert text_of(execute(pool, "config")) == b"config"


def test_a_runner_that_lies_is_not_believed():
    runner = RunnerProcess()
    runner.wait_ready()
    runner._process.kill()
    with pytest.raises(RunnerDeathError, match="signal 9"):
        runner.receive(time.monotonic() + 10)
    with pytest.raises(RunnerDeathError):
        runner.send(runner_pb2.ToRunner(compile=runner_pb2.Compile()))
    runner.bury()


def test_a_run_that_waits_for_a_runner_can_be_cancelled(make_pool):
    pool = make_pool(runners_max=1)
    inside, release = threading.Event(), threading.Event()

    def hold(_self, _request):
        inside.set()
        release.wait(20)

    program = calling()
    first = threading.Thread(target=execute, args=(pool, ""), kwargs={"module": program.wasm(), "host": Calling(hold)})
    first.start()
    assert inside.wait(20)

    class Waiting(PretendedHost):
        def on_cancel(self, stop):
            threading.Timer(0.05, stop, ("changed my mind",)).start()

    with pytest.raises(Cancelled, match="changed my mind"):
        execute(pool, "config", owner="b", host=Waiting(timeout_ms=20_000))
    release.set()
    first.join(20)


def away(*_):
    raise Unavailable("SR-GUEST-034", "the program that starts runners is away")


def test_a_pool_says_when_there_is_no_runner_and_none_starts_and_when_there_is_one_again(make_pool):
    pool = make_pool(runners_max=1)
    execute(pool, "config")
    assert not pool.is_without_runners()
    spawner = pool._fleet._spawner
    working, spawner._start = spawner._start, away
    for runner in pool._fleet.alive():
        os.kill(runner.pid, signal.SIGKILL)
        runner._process.wait(10)
    with pytest.raises(Unavailable, match="is away"):
        execute(pool, "config", host=PretendedHost(timeout_ms=300))
    assert pool.is_without_runners()
    spawner._start = working
    assert text_of(execute(pool, "config")) == b"config"
    assert not pool.is_without_runners()


def test_why_runners_do_not_start_is_logged_once_and_again_when_it_changes(monkeypatch, caplog):
    class Failing:
        def __init__(self):
            self.why = "no memory"

        def spawn(self):
            future = Future()
            future.set_exception(Unavailable("SR-GUEST-001", self.why))
            return future

    monkeypatch.setattr(fleet, "RETRY_S", 0.0)
    spawner = Failing()
    runners = fleet.Fleet(spawner, runners_max=1)
    for spawner.why in ("no memory", "no memory", "no memory", "no process", "no memory"):
        runners.warm()
    assert [record.reason for record in caplog.records] == ["no memory", "no process", "no memory"]
    assert runners.lacking == "no memory"
