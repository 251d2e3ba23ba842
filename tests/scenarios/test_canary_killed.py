"""Processes that have a secret, or stand next to it, are killed in the middle of a run: no file is left of it.

The host was started where core files are allowed. That none is left is its own doing.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import grpc
import pytest

from strongroom.pb.strongroom.v1 import run_pb2
from tests.fakes.canary_host import DAEMON, RUNNER, VAULT, CanaryHost, cores_allowed
from tests.fakes.process_memory import core_bytes_max
from tests.scenarios.test_crashes import wait_for
from tools.build_guests import Guest, build

PLUGIN = "plugin confidential-workflows"
CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    binary = tmp_path_factory.mktemp("guest") / "canary.wasm"
    build(Guest(name="canary", source="tests/scenarios/canary.c"), binary)
    places = [Path(tempfile.mkdtemp(prefix="sr-")) for _ in range(2)]
    made = CanaryHost(*places, separate=False)
    try:
        yield made.start(binary)
    finally:
        made.end()
        for place in (*places, made.records):
            shutil.rmtree(place, ignore_errors=True)


def cores_in(directory):
    return {path for path in Path(directory).glob("*core*") if path.is_file()}


def left_behind(host, directories, before):
    """Everything of the secret that is in a file, and core files that were not there ``before``."""
    cores = {path for directory in directories for path in cores_in(directory)} - before
    return [hit for place in host.places for hit in host.canary.found_below(place)] + sorted(map(str, cores))


def killed(pid, number):
    """Send a signal; false when nobody is there. The engine of a guest survives the first that is no fault of its."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


def test_control_a_process_that_allows_it_leaves_a_core_file(tmp_path):
    pattern = CORE_PATTERN.read_text().strip()
    if pattern.startswith(("|", "/")):
        pytest.skip(f"control of core files: this machine sends them elsewhere ({pattern})")
    with cores_allowed():
        subprocess.run([sys.executable, "-c", "import os; os.abort()"], cwd=tmp_path, check=False)
    if not cores_in(tmp_path):
        pytest.skip("control of core files: this machine lets nobody leave one")
    assert cores_in(tmp_path)


def test_no_process_of_a_host_may_leave_a_core_file(host):
    """A runner is there for sure while a run is under way; of others that start or end there may be any number."""
    host.begin()
    processes = {DAEMON: [host.daemon.process.pid]} | {name: host.pids(name) for name in (PLUGIN, VAULT, RUNNER)}
    most = {name: {core_bytes_max(pid) for pid in pids} - {None} for name, pids in processes.items()}
    assert host.ended().run.status == run_pb2.RUN_STATUS_COMPLETED
    assert most == {name: {("0", "0")} for name in (DAEMON, PLUGIN, VAULT, RUNNER)}


def test_control_a_guest_that_gives_its_secret_away_is_found_out(host, tmp_path):
    """From here on daemon and plugin hold it too, which makes those that are killed below worth killing."""
    build(Guest(name="telling", source="tests/scenarios/canary.c", defines=("TELLS",)), tmp_path / "telling.wasm")
    host.register(tmp_path / "telling.wasm", "telling")
    assert host.canary.found_below(host.records) == []
    host.begin("telling")
    try:
        found = {process.name for process in host.look() if process.secret}
    except PermissionError:
        found = None
    assert host.ended().run.status == run_pb2.RUN_STATUS_COMPLETED
    records = {Path(hit).name.partition(".")[0] for hit in host.canary.found_below(host.records)}
    assert [name for name in records if name.startswith("plugin")], "on a socket where a plugin serves"
    assert [name for name in records if name.startswith("host")], "on a socket where the host serves a plugin"
    if found is None:
        pytest.skip("control of memory: only root may read that of processes that hide theirs")
    assert {DAEMON, PLUGIN, "plugin gate", RUNNER} <= found


@pytest.mark.parametrize(
    ("name", "number"),
    [
        (RUNNER, signal.SIGKILL),
        (RUNNER, signal.SIGSEGV),
        (RUNNER, signal.SIGABRT),
        (PLUGIN, signal.SIGSEGV),
        (PLUGIN, signal.SIGABRT),
        (VAULT, signal.SIGABRT),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_nothing_is_left_of_a_secret_when_a_process_is_killed_in_mid_run(host, name, number):
    host.begin()
    runner = host.runner()
    pid = runner if name == RUNNER else host.pids(name)[0]
    directories = [Path(f"/proc/{pid}/cwd").readlink(), host.state, host.work, host.work / "tmp"]
    before = {path for directory in directories for path in cores_in(directory)}
    wait_for(lambda: not killed(pid, number), f"the end of the {name}")
    if name == PLUGIN:
        wait_for(lambda: not Path(f"/proc/{runner}").exists(), "the end of its runner")
    assert left_behind(host, directories, before) == []
    answer = host.ended()
    if name == RUNNER:
        assert answer.run.status == run_pb2.RUN_STATUS_FAILED
        assert "the enclave runner died" in answer.error
    assert left_behind(host, directories, before) == [], "also when the host has dealt with it"
    assert host.canary.found_in(host.logs.encode() + answer.SerializeToString()) == []
    plugin = {PLUGIN: "confidential-workflows", VAULT: "vault"}.get(name)
    with host.daemon.channel() as api:
        wait_for(lambda: plugin is None or api.plugin(plugin).state == "ready", "the plugin's return")


def test_nothing_is_left_of_a_secret_when_the_daemon_is_killed_in_mid_run(host):
    host.begin()
    runner, directories = host.runner(), [host.state, host.work, host.work / "tmp"]
    host.daemon.process.send_signal(signal.SIGABRT)
    host.daemon.process.wait(20)
    wait_for(lambda: not Path(f"/proc/{runner}").exists(), "the runner to end with it")
    assert isinstance(host.ended(), grpc.RpcError)
    assert left_behind(host, directories, set()) == []
