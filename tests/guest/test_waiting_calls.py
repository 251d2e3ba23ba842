"""Calls that wait: for a slot, for an answer, for the end of the run.

Source: contracts/cre-guest.md sections 6, 7, 11 and 19.
"""

import threading

import pytest

from strongroom.errors import Cancelled, TimedOut
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.guest.one_call import Host, awaited, capability, run
from tests.guest.program import Program


def test_the_call_beyond_the_slots_waits_inside_the_import():
    opened, release, most = threading.Semaphore(0), threading.Event(), [0, 0]
    lock = threading.Lock()

    def answer(request):
        with lock:
            most[0] += 1
            most[1] = max(most)
        opened.release()
        release.wait(10)
        with lock:
            most[0] -= 1
        return sdk_pb2.CapabilityResponse(error="done")

    program = Program()
    error = program.buffer(64)
    for call_id in range(12):
        program.env("call_capability", *program.message(capability(call_id)), error, 64)

    def let_go():
        for _ in range(3):
            opened.acquire(timeout=60)
        release.set()

    threading.Thread(target=let_go).start()
    assert run(program, Host(answer), calls_in_flight_max=3).results == [0] * 12
    assert most[1] <= 3


def test_a_cancelled_run_leaves_its_await():
    host = Host(timeout_ms=60_000)
    cancelled = threading.Event()

    def answer(request):
        host.stop("the user said so")
        cancelled.wait(10)
        return sdk_pb2.CapabilityResponse()

    host._answer = answer
    program = Program()
    error = program.buffer(128)
    program.env("call_capability", *program.message(capability(1)), error, 128)
    program.env("await_capabilities", *program.message(awaited(1)), error, 128)
    program.raw("unreachable")
    with pytest.raises(Cancelled, match="the user said so"):
        run(program, host)
    cancelled.set()


def test_an_await_ends_with_the_time_of_the_run():
    release = threading.Event()
    program = Program()
    error = program.buffer(128)
    program.env("call_capability", *program.message(capability(1)), error, 128)
    program.env("await_capabilities", *program.message(awaited(1)), error, 128)
    program.raw("unreachable")

    def hang(request):
        release.wait(10)
        return sdk_pb2.CapabilityResponse()

    with pytest.raises(TimedOut, match="50 ms") as caught:
        run(program, Host(hang, timeout_ms=50))
    assert caught.value.details["setting"] == "limits.run_timeout_ms"
    release.set()


@pytest.mark.parametrize("name", ["call_capability", "get_secrets"])
def test_a_call_that_waits_for_a_slot_until_the_time_is_over_is_not_made(name):
    release, heard = threading.Event(), []

    class Hanging(Host):
        def call_capability(self, request):
            heard.append(request.callback_id)
            release.wait(10)
            return sdk_pb2.CapabilityResponse()

        get_secrets = call_capability

    program = Program()
    error = program.buffer(128)
    program.env("call_capability", *program.message(capability(1)), error, 128)
    second = capability(2) if name == "call_capability" else sdk_pb2.GetSecretsRequest(callback_id=2)
    program.env(name, *program.message(second), error, 128)
    with pytest.raises(TimedOut, match="50 ms"):
        run(program, Hanging(timeout_ms=50), calls_in_flight_max=1)
    release.set()
    assert heard == [1]


class Stopping(Host):
    """A host that cancels the run when it gets a call; what the guest hears of it shows in its log."""

    def __init__(self):
        super().__init__(timeout_ms=60_000)
        self.ended = threading.Event()

    def _stop(self):
        self.stop("the user said so")
        self.ended.wait(10)

    def call_capability(self, request):
        self._stop()
        return sdk_pb2.CapabilityResponse()

    def get_secrets(self, request):
        self._stop()
        return sdk_pb2.SecretResponses()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("await_capabilities", "failed to wait for capability response 1 : the user said so"),
        ("await_secrets", "failed to wait for capability response 1 : the user said so"),
        ("call_capability", "error calling callCapAsync: the user said so"),
        ("get_secrets", "error calling getSecretsAsync: the user said so"),
    ],
)
def test_a_cancel_is_told_to_the_import_that_it_interrupts(name, text):
    program, host = Program(), Stopping()
    error = program.buffer(128)
    starts = "get_secrets" if "secrets" in name else "call_capability"
    messages = {
        "call_capability": capability,
        "get_secrets": lambda call_id: sdk_pb2.GetSecretsRequest(callback_id=call_id),
    }
    program.env(starts, *program.message(messages[starts](1)), error, 128)
    blocked = messages[starts](2) if name == starts else awaited(1)
    program.env(name, *program.message(blocked), error, 128)
    program.env("switch_modes", 1)
    program.env("log", error, len(text))
    with pytest.raises(Cancelled, match="the user said so"):
        run(program, host, calls_in_flight_max=1)
    assert host.lines == [(1, text)]
    host.ended.set()


def test_a_slot_is_free_again_when_its_call_has_ended_awaited_or_not():
    program, error = Program(), None
    error = program.buffer(64)
    for call_id in range(50):
        program.env("call_capability", *program.message(capability(call_id)), error, 64)
    assert run(program, Host(), calls_in_flight_max=1).results == [0] * 50
