"""How executions end when something goes wrong: each with a reason, and with its runner gone."""

import os
import signal
import threading

import pytest
from google.protobuf import empty_pb2

from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import backend_pb2, basic_action_pb2
from strongroom_confidential_workflows.cancellation import Cancellation
from tests.fakes.enclave_host import EXECUTION, EnclaveHost, request_for, triggered
from tests.guests.build import wasm

ACTION = "basic-test-action@1.0.0"


@pytest.mark.parametrize(
    ("guest", "origin", "name"),
    [("trap", "User", "Aborted"), ("garbage", "User", "Aborted"), ("no-memory", "User", "InvalidArgument")],
)
def test_a_guest_that_breaks_its_contract_fails_with_a_reason(host, guest, origin, name):
    error = host.refusal(request_for(host.artifacts.add(wasm(guest)), triggered()))
    assert (error.origin, error.name) == (origin, name)
    assert error.message


def test_bytes_that_are_no_binary_are_refused(host):
    error = host.refusal(request_for(host.artifacts.add(b"not wasm"), triggered()))
    assert (error.origin, error.name) == ("User", "InvalidArgument")


def test_a_guest_that_loops_ends_at_the_deadline_and_its_runner_is_gone(host):
    error = host.refusal_in_the_middle(request_for(host.artifacts.add(wasm("loop")), triggered()))
    assert (error.origin, error.name) == ("User", "DeadlineExceeded")
    assert host.plugin._launcher._living == set()


def test_a_runner_that_dies_in_the_middle_gives_a_reason(host):
    def kill_the_runner(call):
        (runner,) = host.plugin._launcher._living
        os.kill(runner.pid, signal.SIGKILL)
        return basic_action_pb2.Outputs()

    host.registry.add(ACTION, kill_the_runner)
    error = host.refusal(request_for(host.artifacts.add(wasm("async-calls")), triggered()))
    assert (error.origin, error.name) == ("System", "Aborted")
    assert error.message == "the enclave runner died: it was killed by signal 9"


def test_one_execution_too_many_waits_for_a_slot_and_is_refused_at_its_deadline(vault):
    host = EnclaveHost(vault=vault, executions_max=1)
    inside, leave = threading.Event(), threading.Event()

    def waits(call):
        inside.set()
        assert leave.wait(30)
        return basic_action_pb2.Outputs(adapted_thing="x")

    host.registry.add(ACTION, waits)
    request = request_for(host.artifacts.add(wasm("async-calls")), triggered())
    results = []
    first = threading.Thread(target=lambda: results.append(host.run(request)))
    first.start()
    assert inside.wait(30)
    error = host.refusal(request, timeout_s=0.5)
    leave.set()
    first.join(30)
    host.run(request)
    host.close()
    assert (error.origin, error.name) == ("System", "ResourceExhausted")
    assert "executions_max" in error.message
    assert results[0].value.string_value == "xx"


@pytest.mark.parametrize("secrets", [["API_KEY"], []], ids=["with secrets", "without"])
def test_a_machine_without_the_device_of_its_kind_runs_nothing_and_names_the_device(vault, secrets):
    device = "/dev/no-such-tpm"
    host = EnclaveHost(vault=vault, evidence={"kind": "tpm2", "device": device, "pcrs": [0]})
    error = host.refusal(request_for(host.artifacts.add(wasm("hello")), triggered(), secrets=secrets))
    with pytest.raises(CapabilityError, match="SR-ATTEST-035"):
        host.call("Backend", empty_pb2.Empty())
    host.close()
    assert (error.origin, error.name) == ("System", "Unavailable")
    assert error.message.startswith("SR-ATTEST-035 the confidential backend is away (CONFIDENTIAL_BACKEND_UNAVAILABLE)")
    assert device in error.message
    assert not [method for method in vault.asked if "release" in method]


def test_a_runner_of_another_kind_than_the_configured_one_gets_no_execution(host, vault, hello):
    host.plugin._service._kind = "nitro"
    error = host.refusal(request_for(hello, triggered()))
    assert (error.origin, error.name) == ("System", "Unavailable")
    assert "its runners make evidence of kind 'insecure-software', not nitro" in error.message
    assert host.plugin._launcher._living == set()


@pytest.mark.parametrize("answers", [True, False], ids=["with an answer", "killed before it answered"])
def test_stopping_the_plugin_ends_its_executions_which_may_be_tried_again(vault, answers):
    host = EnclaveHost(vault=vault, spare_runners=1)
    inside, leave = threading.Event(), threading.Event()

    def waits(call):
        inside.set()
        assert leave.wait(30)
        return basic_action_pb2.Outputs()

    host.registry.add(ACTION, waits)
    errors = []
    request = request_for(host.artifacts.add(wasm("async-calls")), triggered())
    running = threading.Thread(target=lambda: errors.append(host.refusal(request)))
    running.start()
    assert inside.wait(30)
    if not answers:
        for runner in list(host.plugin._launcher._living):
            os.kill(runner.pid, signal.SIGSTOP)
    host.close()
    running.join(30)
    leave.set()
    assert (errors[0].origin, errors[0].name) == ("System", "Unavailable")
    assert "the execution was cut off: the plugin is stopping" in errors[0].message


def test_an_execution_that_waits_for_a_slot_when_the_plugin_stops_may_be_tried_again(vault):
    host = EnclaveHost(vault=vault, executions_max=1)
    inside, leave, errors = threading.Event(), threading.Event(), []

    def waits(call):
        inside.set()
        assert leave.wait(30)
        return basic_action_pb2.Outputs()

    host.registry.add(ACTION, waits)
    request = request_for(host.artifacts.add(wasm("async-calls")), triggered())
    calls = [threading.Thread(target=lambda: errors.append(host.refusal(request))) for _ in range(2)]
    calls[0].start()
    assert inside.wait(30)
    calls[1].start()
    while len(host.plugin._service._running) < 2:
        assert calls[1].is_alive()
    host.close()
    leave.set()
    for call in calls:
        call.join(30)
    assert [error.name for error in errors] == ["Unavailable", "Unavailable"]
    assert all("the plugin is stopping" in error.message for error in errors)


@pytest.mark.parametrize("guest", ["async-calls", "loop"])
def test_an_execution_that_is_cancelled_ends_with_the_reason(host, guest):
    inside, leave = threading.Event(), threading.Event()

    def waits(call):
        inside.set()
        assert leave.wait(30)
        return basic_action_pb2.Outputs()

    host.registry.add(ACTION, waits)
    errors = []
    request = request_for(host.artifacts.add(wasm(guest)), triggered())
    running = threading.Thread(target=lambda: errors.append(host.refusal(request)))
    running.start()
    if guest == "async-calls":
        assert inside.wait(30)
    others = [backend_pb2.CancelExecution(execution_id=text, reason="not this one") for text in ("", "00" * 32)]
    for other in others:
        host.call("Cancel", other)
    # A cancel that comes before the runner has the execution is kept for it, so any moment will do.
    while running.is_alive() and not errors:
        host.call("Cancel", backend_pb2.CancelExecution(execution_id=EXECUTION, reason="a person asked"))
        running.join(0.05)
    leave.set()
    assert (errors[0].origin, errors[0].name) == ("System", "Canceled")
    assert "a person asked" in errors[0].message


def test_cancelling_what_does_not_run_is_no_error(host):
    assert host.call("Cancel", backend_pb2.CancelExecution(execution_id=EXECUTION)).ByteSize() == 0


def test_a_cancellation_that_comes_early_is_kept_and_its_first_reason_stays():
    stopped = []
    cancellation = Cancellation(EXECUTION)
    cancellation.check()
    cancellation.cancel("first")
    cancellation.cancel("second")
    cancellation.on_cancel(stopped.append)
    assert stopped == ["first"]
    with pytest.raises(CapabilityError, match="the execution was cancelled: first"):
        cancellation.check()


def test_what_was_cut_off_is_not_cancelled_and_what_was_cancelled_before_stays_so():
    cut, cancelled = Cancellation(EXECUTION), Cancellation(EXECUTION)
    cut.cut_off("the plugin is stopping")
    cut.cancel("a person asked")
    cancelled.cancel("a person asked")
    cancelled.cut_off("the plugin is stopping")
    for each, name in ((cut, "Unavailable"), (cancelled, "Canceled")):
        with pytest.raises(CapabilityError) as raised:
            each.check()
        assert raised.value.name == name
