"""Runners that do not start; how the launcher keeps its spares; and what a runner is made of."""

import logging
import os
import signal
import subprocess
import sys
import threading

import pytest

from strongroom.plugin import Unavailable
from strongroom_confidential_workflows.launcher import Launcher
from strongroom_confidential_workflows.runner_process import RunnerProcess

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
