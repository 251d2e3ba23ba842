"""Guests that wait give their runner back, and are run again to where they were.

Each test runs in this process and on a runner, because an enclave executes as well.
"""

import struct
import threading
import time

import pytest

from strongroom.errors import Cancelled, GuestSuspended, TimedOut
from strongroom.guest.limits import GuestLimits
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.one_guest import run_guest
from tests.guest.program import Program
from tests.guest.running import REQUEST
from tests.guests.host import PretendedHost

HOUR_NS = 3_600_000_000_000


class Host(PretendedHost):
    """Answers the calls that it is told to answer, at once; the others wait until the test ends."""

    def __init__(self, answered=(), *, stops="", suspend_after_ms=20, **fields):
        super().__init__(suspend_after_ms=suspend_after_ms, **fields)
        self._answered = set(answered)
        self._stops = stops
        self.ended = threading.Event()
        self.done = []

    def _wait(self, key):
        if self._stops:
            self.stop(self._stops)
        if key not in self._answered:
            self.ended.wait(20)
        self.done.append(key)

    def call_capability(self, request):
        self._wait(request.callback_id)
        return sdk_pb2.CapabilityResponse(error=f"for {request.callback_id}")

    def get_secrets(self, request):
        self._wait(f"s{request.callback_id}")
        return sdk_pb2.SecretResponses()


@pytest.fixture(params=["in this process", "on a runner"])
def execute(request):
    """``execute(program, host, **limits)``; every host's calls end with the test."""
    hosts = []

    def run(program, host, **limits):
        hosts.append(host)
        raw = program.wasm()
        if request.param == "in this process":
            return program.reply(run_guest(raw, REQUEST, host, limits=GuestLimits(**limits)))
        pool = request.getfixturevalue("make_pool")(runners_max=1, **limits)
        pool.report()  # waits for the runner, whose start is no part of any run here
        answer = pool.execute(owner="a", module_key=pool.key_of(raw), wasm=lambda: raw, request=REQUEST, helper=host)
        return program.reply(answer)

    yield run
    for host in hosts:
        host.ended.set()


def suspended(execute, program, host, **limits):
    with pytest.raises(GuestSuspended) as caught:
        execute(program, host, **limits)
    return caught.value


def opening(*ids, secrets=()):
    program = Program()
    error = program.buffer(64)
    for call_id in ids:
        message = sdk_pb2.CapabilityRequest(id="x@1.0.0", method="Do", callback_id=call_id)
        program.env("call_capability", *program.message(message), error, 64)
    for call_id in secrets:
        program.env("get_secrets", *program.message(sdk_pb2.GetSecretsRequest(callback_id=call_id)), error, 64)
    return program


def awaiting(program, *ids, name="await_capabilities"):
    out = program.buffer(256)
    return program.env(name, *program.message(sdk_pb2.AwaitCapabilitiesRequest(ids=ids)), out, 256), out


def sleeping(program, duration_ns):
    subscription = struct.pack("<QB7xI4xQQH6x", 1, 0, 1, duration_ns, 0, 0)
    place, _ = program.put(subscription)
    return program.wasi("poll_oneoff", "iiii", place, program.buffer(32), 1, program.buffer(4))


def test_a_guest_that_awaits_for_too_long_is_suspended_and_names_what_it_waits_for(execute):
    program = opening(1, -2, 3)
    awaiting(program, 1, -2, 3)
    for suspend_after_ms in (20, 500, 5000):  # longer where the machine is too slow for the answer to come before
        waits = suspended(execute, program, Host(answered={1}, suspend_after_ms=suspend_after_ms))
        if 1 not in waits.capabilities:
            break
    assert (set(waits.capabilities), waits.secrets, waits.slot) == ({-2, 3}, (), False)
    assert (waits.sleep_until_unix_ns, waits.sleeps_done) == (0, 0)


def test_a_guest_that_waits_for_secrets_is_suspended(execute):
    program = opening(secrets=(4,))
    awaiting(program, 4, name="await_secrets")
    assert suspended(execute, program, Host()).secrets == (4,)


def test_a_guest_that_waits_for_a_slot_is_suspended_and_any_answer_frees_it(execute):
    waits = suspended(execute, opening(1, 2, 3, secrets=(7,)), Host(), calls_in_flight_max=2)
    assert (waits.slot, set(waits.capabilities), waits.secrets) == (True, {1, 2}, ())


def test_calls_go_on_when_their_guest_was_suspended(execute):
    program = opening(1, 2)
    awaiting(program, 1)
    host = Host()
    suspended(execute, program, host)
    assert host.done == []
    host.ended.set()
    until_s = time.monotonic() + 10
    while sorted(host.done) != [1, 2] and time.monotonic() < until_s:
        threading.Event().wait(0.01)
    assert sorted(host.done) == [1, 2]


def test_the_runner_of_a_suspended_guest_serves_the_next_run_and_late_answers_do_not_reach_it(make_pool):
    pool = make_pool(runners_max=1)
    program, host = opening(1), Host()
    _, out = awaiting(program, 1)
    raw = program.wasm()

    def run(host):
        return pool.execute(owner="a", module_key=pool.key_of(raw), wasm=lambda: raw, request=REQUEST, helper=host)

    with pytest.raises(GuestSuspended):
        run(host)
    [runner] = pool._fleet._idle
    host.ended.set()
    reply = program.reply(run(Host(answered={1})))
    response = sdk_pb2.AwaitCapabilitiesResponse.FromString(reply.buffer(out, reply.results[1]))
    assert response.responses[1].error == "for 1"
    assert [r.pid for r in pool._fleet._idle] == [runner.pid]


def test_a_guest_without_suspension_keeps_its_runner(execute):
    program = opening(1)
    awaiting(program, 1)
    with pytest.raises(TimedOut, match="used up its time of 150 ms"):
        execute(program, Host(timeout_ms=150, suspend_after_ms=0))


def test_a_long_sleep_suspends_at_once_and_says_until_when(execute):
    program = Program()
    sleeping(program, HOUR_NS)
    before = time.time_ns()
    waits = suspended(execute, program, Host())
    assert before + HOUR_NS <= waits.sleep_until_unix_ns <= time.time_ns() + HOUR_NS
    assert (waits.capabilities, waits.sleeps_done) == ((), 0)


def test_sleeps_that_lie_behind_a_guest_return_at_once(execute):
    program = Program()
    moments = [program.buffer(8) for _ in range(3)]
    program.wasi("clock_time_get", "iqi", 0, 0, moments[0])
    sleeping(program, HOUR_NS)
    program.wasi("clock_time_get", "iqi", 0, 0, moments[1])
    sleeping(program, 2 * HOUR_NS)
    program.wasi("clock_time_get", "iqi", 0, 0, moments[2])
    assert suspended(execute, program, Host(sleeps_done=1)).sleeps_done == 1
    reply = execute(program, Host(sleeps_done=2))
    first, second, third = (int.from_bytes(reply.buffer(at, 8), "little") for at in moments)
    assert reply.results[1] == reply.results[3] == 0
    assert HOUR_NS <= second - first < HOUR_NS + 1_000_000
    assert 2 * HOUR_NS <= third - second < 2 * HOUR_NS + 1_000_000


def test_a_wait_after_sleeps_tells_how_many_lie_behind(execute):
    program = opening(1)
    sleeping(program, 1000)
    sleeping(program, 3_000_000)
    awaiting(program, 1)
    assert suspended(execute, program, Host()).sleeps_done == 2


def test_a_sleep_beyond_any_date_is_the_time_left_in_the_run(execute):
    program = Program()
    sleeping(program, (1 << 64) - 1)
    waits = suspended(execute, program, Host(timeout_ms=10_000))
    assert waits.sleep_until_unix_ns <= time.time_ns() + 10_000_000_000


def test_a_wait_beyond_the_time_of_the_run_is_no_suspension(execute):
    program = opening(1)
    awaiting(program, 1)
    with pytest.raises(TimedOut):
        execute(program, Host(timeout_ms=100, suspend_after_ms=10_000))


def test_a_cancelled_guest_hears_it_at_its_await_and_may_go_on_to_its_end(execute):
    program = opening(1)
    awaiting(program, 1)
    program.env("switch_modes", 1)
    program.env("log", *program.put(b"cleaned up"))
    host = Host(stops="not wanted", timeout_ms=60_000, suspend_after_ms=0)
    with pytest.raises(Cancelled, match="not wanted"):
        execute(program, host)
    assert host.lines == [(1, "cleaned up")]


def test_a_cancelled_guest_that_goes_on_is_ended_after_its_grace(execute):
    program = opening(1)
    awaiting(program, 1)
    program.raw("(loop (br 0))")
    host = Host(stops="not wanted", timeout_ms=60_000, suspend_after_ms=0)
    with pytest.raises(Cancelled, match="not wanted"):
        execute(program, host, cancel_grace_ms=60)


def test_a_kill_after_a_cancel_shortens_the_grace_to_nothing(execute):
    program = opening(1)
    awaiting(program, 1)
    program.env("switch_modes", 1)
    program.env("log", *program.put(b"cleaning up"))
    program.raw("(loop (br 0))")
    host = Host(stops="not wanted", timeout_ms=60_000, suspend_after_ms=0)
    host.log = lambda _mode, _line: host.stop("kill it", 0)
    with pytest.raises(Cancelled, match="not wanted"):
        execute(program, host, cancel_grace_ms=60_000)


def test_a_sleep_ends_when_the_run_is_cancelled(execute):
    program = opening(1)
    sleeping(program, HOUR_NS)
    host = Host(stops="not wanted", timeout_ms=60_000, suspend_after_ms=0)
    with pytest.raises(Cancelled, match="not wanted"):
        execute(program, host)
