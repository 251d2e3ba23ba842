"""A host as in its unit: it may make no memory executable, nor may what it starts; another unit starts runners."""

import json
import shutil
import sys

import pytest

from strongroom.app.hardening import Kernel
from tests.fakes.live_daemon import LiveDaemon
from tests.fakes.pool_program import PoolProgram
from tests.fakes.program import PROGRAM
from tests.scenarios.conftest import short_directory
from tests.scenarios.test_confidential import answered_status, executed, registered
from tests.scenarios.test_crashes import SAMPLES

pytestmark = pytest.mark.skipif(bool(Kernel().knows()), reason="this kernel has no PR_SET_MDWE, Linux 6.3 has")

# What MemoryDenyWriteExecute=yes comes to: the program is started by a process that has refused it to all after it.
UNIT = (
    "import ctypes, os, sys; assert ctypes.CDLL(None).prctl(65, *map(ctypes.c_ulong, (1, 0, 0, 0))) == 0;"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


@pytest.fixture(scope="module")
def units():
    state = short_directory()
    pool = PoolProgram(state / "pool.sock")
    daemon = LiveDaemon(
        state,
        ("--set", f"runners.pool_socket={pool.path}"),
        program=(sys.executable, "-c", UNIT, *PROGRAM[1:]),
        is_installed=True,
    )
    daemon.start()
    yield daemon, pool
    assert daemon.stop() == 0
    pool.close()
    shutil.rmtree(state, ignore_errors=True)


def test_a_confidential_run_gets_its_enclave_runner_from_there_and_status_names_the_way(units):
    daemon, _pool = units
    registered(daemon)
    assert daemon("secret", "set", "API_KEY", stdin=b"s3cret").code == 0
    run = executed(daemon)
    assert run.code == 0, run.err
    assert "present, 6 bytes" in json.dumps(run.json)
    status = answered_status(daemon)
    assert status["memory_lock"] == "two units"
    assert status["confidential_protections"][:2] == ["launcher-process", "started-by-strongroom-runner"]
    assert status["plugin_problems"] == []
    assert "memory:       two units" in daemon("status").out


def test_runs_of_both_kinds_go_on_after_the_pool_was_started_again(units):
    daemon, pool = units
    answer = daemon("workflow", "register", str(SAMPLES / "hello.wasm"), "--name", "plain")
    assert answer.code == 0, answer.err
    registered(daemon, name="secret")
    for _ in range(2):
        pool.kill()
        pool.start()
        for name in ("plain", "secret"):
            run = executed(daemon, name)
            assert run.code == 0, run.err
