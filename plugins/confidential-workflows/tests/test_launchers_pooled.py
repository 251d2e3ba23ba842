"""Enclave runners that ``strongroom-runner`` starts: configured over a socket of their own, ended by hanging up."""

import os
import signal
import subprocess
import sys

import pytest

from strongroom.app.hardening import INHERITED, Kernel
from strongroom.guest.starter.pool_client import ENCLAVE
from strongroom.plugin import CapabilityError, Misconfigured, Unavailable
from strongroom_confidential_workflows.cancellation import Cancellation
from strongroom_confidential_workflows.launchers.choice import check_launcher, open_starter
from strongroom_confidential_workflows.launchers.pooled import PooledRunner
from strongroom_confidential_workflows.session import Session
from tests.fakes.pool_program import WAIT_S, PoolInThread
from tests.fakes.runner_rig import RunnerRig


@pytest.fixture
def pool(tmp_path):
    made = PoolInThread(tmp_path / "pool.sock")
    yield made
    made.close()


@pytest.fixture
def start(pool, tmp_path):
    """Start runners of the launcher ``process`` there."""
    settings = RunnerRig(tmp_path).settings
    started = []

    def one():
        started.append(open_starter("process", settings.configure, pool_socket=str(pool.path)).start())
        return started[-1]

    yield one
    for runner in started:
        runner.close()


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_seals_itself_as_any_other_and_is_gone_when_it_is_hung_up_on(start):
    runner = start()
    ready = runner.wait_ready(WAIT_S)
    assert ready.pid == runner.pid
    assert "seccomp" in ready.protections
    assert runner.is_alive()
    runner.kill()
    assert not runner.is_alive()
    assert not is_running(runner.pid)
    assert runner.end() == "was killed by signal 9"


def test_a_spare_that_is_cancelled_ends_by_itself(start):
    runner = start()
    runner.wait_ready(WAIT_S)
    runner.cancel("not needed")
    runner.wait(WAIT_S)
    assert runner.end() == "exited with code 0"


def test_one_that_cannot_be_set_up_gives_its_last_words(pool):
    runner = PooledRunner(pool.pool(ENCLAVE).start(), b"\xff")
    with pytest.raises(Unavailable, match="no enclave runner could be started: it exited with code 76") as refused:
        runner.wait_ready(WAIT_S)
    assert refused.value.code == "SR-ENCL-010"
    runner.close()


def test_one_whose_device_is_missing_says_which(pool, tmp_path):
    settings = RunnerRig(tmp_path, evidence={"kind": "tpm2", "device": str(tmp_path / "none"), "pcrs": [0]}).settings
    runner = open_starter("process", settings.configure, pool_socket=str(pool.path)).start()
    with pytest.raises(Unavailable, match=rf"exited with code 78: SR-EVID-002 .*{tmp_path}/none"):
        runner.wait_ready(WAIT_S)
    runner.close()


def test_one_that_is_killed_says_by_what_and_is_not_tried_again(start):
    runner = start()
    runner.wait_ready(WAIT_S)
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait(WAIT_S)
    assert (runner.end(), runner.is_lost) == ("was killed by signal 9", False)


def test_what_ends_with_the_pool_may_be_tried_again(tmp_path):
    pool = PoolInThread(tmp_path / "other.sock")
    settings = RunnerRig(tmp_path).settings
    runner = open_starter("process", settings.configure, pool_socket=str(pool.path)).start()
    runner.wait_ready(WAIT_S)
    pool.close()
    assert (runner.end(), runner.is_lost) == ("ended with strongroom-runner", True)
    session = Session.__new__(Session)
    session._runner, session._deadline, session._cancellation = runner, float("inf"), Cancellation("")
    with pytest.raises(CapabilityError, match="ended with strongroom-runner") as caught:
        session._receive()
    assert (caught.value.origin, caught.value.name) == ("System", "Unavailable")
    runner.close()
    with pytest.raises(Unavailable, match="the program that starts runners is away"):
        open_starter("process", settings.configure, pool_socket=str(pool.path)).start()


@pytest.mark.parametrize(
    ("name", "socket", "said"),
    [
        ("bubblewrap", "/run/pool.sock", "pool_socket belongs to launcher process"),
        ("external", "/run/pool.sock", "pool_socket belongs to launcher process"),
        ("process", "pool.sock", "pool_socket must be an absolute path"),
        ("process", 7, "pool_socket belongs to"),
    ],
)
def test_a_pool_is_for_processes_and_has_a_path(name, socket, said):
    address = "unix:/run/x" if name == "external" else ""
    with pytest.raises(ValueError, match=said):
        check_launcher(name, address, socket)


@pytest.mark.skipif(bool(Kernel().knows()), reason="this kernel has no PR_SET_MDWE, Linux 6.3 has")
@pytest.mark.parametrize("name", ["process", "bubblewrap"])
def test_in_a_locked_unit_runners_of_its_own_are_refused_with_what_to_set(name):
    code = (
        "import sys\n"
        "from strongroom.app.hardening import Kernel\n"
        "from strongroom_confidential_workflows.launchers.choice import open_starter\n"
        f"assert not Kernel().refuse({INHERITED})\n"
        f"open_starter({name!r}, None)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert Misconfigured.__name__ in done.stderr
    assert "may make no memory executable" in done.stderr
