"""Runners that do not start, die early, or break their contract; and how the launcher keeps its spares."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from strongroom.guest.frames import Frames
from strongroom.plugin import CapabilityError, Unavailable
from strongroom.plugin.messages import capabilities_pb2, enclave_pb2, sdk_pb2
from strongroom_confidential_workflows import session
from strongroom_confidential_workflows.cancellation import Cancellation
from strongroom_confidential_workflows.launcher import Launcher
from strongroom_confidential_workflows.relay import Relay
from strongroom_confidential_workflows.request import ConfidentialExecution
from strongroom_confidential_workflows.runner_process import RunnerProcess
from strongroom_confidential_workflows.session import Session
from tests.fakes.enclave_host import RecordingRegistry, request_for, subscribing, triggered

LOG = logging.getLogger("launcher-under-test")


@pytest.fixture
def launch():
    started = []

    def make(**arguments):
        started.append(Launcher(LOG, **({"spares": 0} | arguments)))
        started[-1].start()
        return started[-1]

    yield make
    for launcher in started:
        launcher.close()


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_runner_that_cannot_start_gives_its_last_words(launch):
    launcher = launch(spawn=lambda: RunnerProcess("strongroom_confidential_workflows.no_such_module"))
    with pytest.raises(Unavailable, match=r"it exited with code 1: .*no_such_module"):
        launcher.take(20)


def test_a_program_that_cannot_be_started_is_an_error_and_not_a_hang(launch):
    def fails():
        raise FileNotFoundError(2, "No such file or directory")

    with pytest.raises(Unavailable, match="no enclave runner could be started: No such file"):
        launch(spawn=fails).take(20)


def test_a_taker_that_runs_out_of_time_is_told(launch):
    release = threading.Event()

    def slow():
        assert release.wait(30)
        return RunnerProcess()

    launcher = launch(spawn=slow)
    with pytest.raises(Unavailable, match="no enclave runner was ready in time"):
        launcher.take(0.01)
    release.set()


def test_a_spare_is_ready_before_it_is_wanted_and_is_replaced(launch):
    launcher = launch(spares=1)
    first = launcher.take(20)
    second = launcher.take(20)
    assert first.pid != second.pid
    launcher.end(first)
    launcher.end(second)
    assert not is_running(first.pid)


def test_a_spare_that_died_while_it_waited_is_not_handed_out(launch):
    launcher = launch(spares=1)
    spare = launcher._ready.get(timeout=20)
    os.kill(spare.pid, signal.SIGKILL)
    spare.wait(20)
    launcher._ready.put(spare)
    taken = launcher.take(20)
    assert taken is not spare
    assert taken.is_alive()


def test_closing_ends_spares_and_starts_no_more(launch):
    launcher = launch(spares=2)
    taken = launcher.take(20)
    pids = {runner.pid for runner in launcher._living}
    launcher.close()
    assert taken.pid in pids
    assert not any(is_running(pid) for pid in pids)


def test_a_runner_gets_no_environment_and_nothing_secret_in_its_arguments(launch):
    runner = launch().take(20)
    arguments = (f"/proc/{runner.pid}/cmdline", f"/proc/{runner.pid}/environ")
    with open(arguments[0], "rb") as file:  # noqa: PTH123 - a file of the kernel
        command = file.read().split(b"\0")
    assert command[1:4] == [b"-I", b"-m", b"strongroom_confidential_workflows.enclave"]
    assert len([part for part in command[4:] if part]) == 1
    try:
        with open(arguments[1], "rb") as file:  # noqa: PTH123
            assert file.read() == b"LC_ALL=C.UTF-8\0"
    except PermissionError:
        pass  # closed to this user, which is better still


class ScriptedRunner:
    """The other end of a session, played by the test."""

    def __init__(self):
        ours, theirs = socket.socketpair()
        self.frames = Frames(ours)
        self.enclave = Frames(theirs)

    def say(self, **fields):
        self.enclave.send(enclave_pb2.FromEnclave(**fields).SerializeToString())

    def cancel(self, reason):
        pytest.fail("nobody cancelled")

    def end(self):
        return "exited with code 0"


@pytest.fixture
def scripted():
    runner = ScriptedRunner()
    yield runner
    runner.frames.close()
    runner.enclave.close()


def run(runner, *, registry=None, seconds=20.0, calls_allowed=True):
    metadata = capabilities_pb2.RequestMetadata(workflow_owner="ab" * 20)
    request = request_for("ab" * 32, triggered() if calls_allowed else subscribing(), owner="")
    execution = ConfidentialExecution.from_wire(request, metadata=metadata)
    relay = Relay(registry or RecordingRegistry(), metadata, execution)
    return Session(runner, relay, Cancellation(""), deadline=time.monotonic() + seconds).run(enclave_pb2.Start())


def refusal(runner, **arguments):
    with pytest.raises(CapabilityError) as caught:
        run(runner, **arguments)
    return caught.value.name, caught.value.message


def test_a_runner_that_says_garbage_is_refused(scripted):
    scripted.enclave.send(b"\xff\xff\xff")
    assert refusal(scripted) == (
        "Internal",
        "the enclave runner broke its contract: it sent a frame that is not a message",
    )


@pytest.mark.parametrize("fields", [{}, {"ready": enclave_pb2.Ready(pid=1)}], ids=["empty", "ready twice"])
def test_a_message_that_has_no_place_is_refused(scripted, fields):
    scripted.say(**fields)
    assert refusal(scripted)[1] == (
        "the enclave runner broke its contract: it sent a message that has no place in an execution"
    )


def test_a_runner_that_leaves_without_an_outcome_is_noticed(scripted):
    scripted.enclave.close()
    assert refusal(scripted) == ("Aborted", "the enclave runner died: it exited with code 0")


def test_a_runner_that_says_nothing_is_given_up_after_the_deadline(scripted, monkeypatch):
    monkeypatch.setattr(session, "KILL_GRACE_S", 0.05)
    assert refusal(scripted, seconds=0.05)[0] == "DeadlineExceeded"


def test_a_runner_that_calls_for_ever_is_stopped(scripted, monkeypatch):
    monkeypatch.setattr(session, "CALLS_MAX", 3)
    for number in range(4):
        scripted.say(capability_call=sdk_pb2.CapabilityRequest(id="none@1.0.0", callback_id=number))
    assert refusal(scripted) == ("LimitExceeded", "calls of one execution: more than 3")


@pytest.mark.parametrize(
    "capability_id",
    [
        "vault@1.0.0",
        "VAULT@2.0.0",
        "vault:label:x@1.0.0",
        "confidential-workflows@1.0.0-alpha",
        "confidential-workflows",
    ],
)
def test_a_system_capability_is_refused_even_when_the_runner_does_not_refuse_it(scripted, capability_id):
    registry = RecordingRegistry()
    registry.add(capability_id, lambda call: pytest.fail("it was called"))
    scripted.say(capability_call=sdk_pb2.CapabilityRequest(id=capability_id, callback_id=7))
    answering = threading.Thread(target=lambda: _answer_then_finish(scripted))
    answering.start()
    run(scripted, registry=registry)
    answering.join(20)
    assert "cannot be called by a workflow" in scripted.answer.error
    assert registry.calls == []


def test_a_call_during_subscribe_is_refused_even_when_the_runner_does_not_refuse_it(scripted):
    scripted.say(capability_call=sdk_pb2.CapabilityRequest(id="basic-test-action@1.0.0", callback_id=7))
    answering = threading.Thread(target=lambda: _answer_then_finish(scripted))
    answering.start()
    run(scripted, calls_allowed=False)
    answering.join(20)
    assert scripted.answer.error == "capability calls cannot be made during this execution"


def _answer_then_finish(scripted):
    while True:
        message = enclave_pb2.ToEnclave.FromString(scripted.enclave.receive(20))
        if message.WhichOneof("message") == "capability_answer":
            scripted.answer = sdk_pb2.CapabilityResponse.FromString(message.capability_answer.response)
            scripted.say(finished=enclave_pb2.Finished(outcome=enclave_pb2.OUTCOME_RESULT))
            return


def test_a_runner_imports_a_closed_set_of_modules():
    """What is imported is trusted: no server, storage, keyring or registry, and nothing that is discovered."""
    program = (
        "import sys; import strongroom_confidential_workflows.enclave.__main__; "
        "print(*sorted({m.split('.')[0] for m in sys.modules if '.' not in m or m.startswith('strongroom.')})); "
        "print(*sorted({m.split('.')[1] for m in sys.modules if m.startswith('strongroom.')}))"
    )
    printed = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True).stdout
    top, ours = (set(line.split()) for line in printed.splitlines())
    assert ours == {"crypto", "errors", "guest", "modules", "pb", "plugin"}
    assert top.isdisjoint({"grpc", "sqlalchemy", "alembic", "pydantic", "yaml", "typer", "http", "asyncio", "pip"})
