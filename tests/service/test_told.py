"""What a service manager hears of a real host, from its start to its end, and of one that does not start."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.process_tree import descendants, told_of
from tests.fakes.program import environment
from tests.fakes.service_manager import ServiceManager
from tests.scenarios.conftest import short_directory

PROGRAM = Path(sys.executable).parent / "strongroomd"
WAIT_S = 60


@pytest.fixture
def manager(tmp_path):
    manager = ServiceManager(f"@strongroom-told-{os.getpid()}")
    yield manager
    manager.close()


@pytest.fixture
def start(manager):
    """Start a host as a service, in a directory that is made; its process."""
    begun, state = [], short_directory()

    def start(**more):
        (state / "etc").mkdir()
        (state / "etc" / "plugins.yaml").write_text("version: 1\nplugins: []\n")
        variables = {
            **{f"{name}_DIRECTORY": str(state / name.lower()) for name in ("STATE", "RUNTIME", "CACHE", "LOGS")},
            "CONFIGURATION_DIRECTORY": str(state / "etc"),
            "NOTIFY_SOCKET": manager.address,
            **more,
        }
        given = environment(state, **variables)
        del given["STRONGROOM_STATE_DIR"]
        begun.append(subprocess.Popen([PROGRAM], env=given, stderr=subprocess.DEVNULL))
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.wait(WAIT_S)
    shutil.rmtree(state)


@pytest.fixture
def keyring(tmp_path):
    path = tmp_path / "credentials" / "keyring"
    path.parent.mkdir()
    path.write_text("1:" + "s" * 43)
    path.chmod(0o400)
    return str(path.parent)


def test_a_host_says_when_it_is_ready_that_it_works_and_that_it_ends_and_no_child_can(manager, start, keyring):
    process = start(CREDENTIALS_DIRECTORY=keyring, WATCHDOG_USEC="600000", WATCHDOG_PID="")
    ready = manager.until("READY=1", WAIT_S)
    assert ready == ["READY=1", "STATUS=ready: running 0, draining 0, plugins 0/0"]
    assert manager.messages[0] == ["STATUS=starting"]
    for _ in range(3):
        assert manager.until("WATCHDOG=1", WAIT_S) == ["WATCHDOG=1"]
    begun = descendants(process.pid)
    assert begun, "its runners, and what starts them"
    for child in begun:
        assert b"NOTIFY_SOCKET" not in told_of(child, "environ")
    process.send_signal(signal.SIGHUP)
    assert manager.until("RELOADING=1", WAIT_S)[1].startswith("MONOTONIC_USEC=")
    assert manager.until("READY=1", WAIT_S)
    process.send_signal(signal.SIGTERM)
    assert manager.until("STOPPING=1", WAIT_S)
    assert process.wait(WAIT_S) == 0
    assert manager.lines("EXTEND_TIMEOUT_USEC=")
    assert manager.messages.index(ready) < manager.messages.index(["WATCHDOG=1"])


def test_a_host_that_does_not_start_says_why_and_its_code_is_no_success(manager, start, tmp_path):
    process = start(CREDENTIALS_DIRECTORY=str(tmp_path))
    assert manager.until("STATUS=not started", WAIT_S)[0].startswith("STATUS=not started: SR-KEYRING-002: ")
    assert process.wait(WAIT_S) == 78
    assert manager.lines("READY=1") == []
