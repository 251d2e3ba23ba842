"""Plugins that are processes: what they offer, how they break, and what the host does then."""

import logging
import os
import re
import select
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, wrappers_pb2

from strongroom.errors import CapabilityError
from strongroom.pb.capabilities.v1 import capabilities_pb2_grpc
from strongroom.pb.strongroom.plugin.v1 import store_pb2, store_pb2_grpc
from strongroom.registry.limits import Supervision
from strongroom.settings.manifest import PluginEntry
from tests.fakes.memory_host import QUICK, WAIT_S, Eventually, MemoryHost, answer, request
from tests.fakes.scripted_guest import until
from tests.registry.conformance import HostConformance, number, registration, text

FAKES = Path(__file__).resolve().parent.parent / "fakes"
PROBE = ("python", str(FAKES / "probe_plugin.py"))


def probe(*words: str, **changes: Any) -> PluginEntry:
    return PluginEntry(**{"name": "probe", "command": (*PROBE, *words), "config": {}, **changes})


def broken(word: str) -> PluginEntry:
    return PluginEntry(name="broken", command=("python", str(FAKES / "broken_process.py"), word), config={})


class TestProcess(HostConformance):
    def entry(self, **changes: Any) -> PluginEntry:
        return probe(**changes)


class TestForeignProcess(HostConformance):
    """A process that knows nothing of our token, as a binary of the reference node would."""

    def entry(self, **changes: Any) -> PluginEntry:
        return probe("foreign", **changes)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("exits", "plugin exited before we could connect.*exit status 3"),
        ("closes", "plugin exited before we could connect"),
        ("panics", "plugin exited before we could connect.*exit status 2"),
        ("garbage", "Unrecognized remote plugin message"),
        ("noise", r"Unrecognized remote plugin message: starting up\.\.\."),
        ("hangs", "timeout while waiting for plugin to start"),
        ("core", "incompatible core API version with plugin. Plugin version: 2, Core version: 1"),
        ("nowhere", "health check failed"),
        ("huge", "bytes without an end of line: the limit is 4096"),
    ],
)
def test_a_process_that_does_not_shake_hands_is_failed_with_the_reason(tmp_path, word, reason):
    # Only what never comes is waited for briefly.
    brief = {"hangs": {"handshake_s": 1.0, "stop_s": 0.2}, "nowhere": {"health_timeout_s": 0.5}}
    times = replace(QUICK, **brief.get(word, {}))
    with MemoryHost(tmp_path, broken(word), supervision=times) as host:
        state = host.plugins.states()[0]
        assert (state.state, state.pid, state.capabilities) == ("failed", 0, ())
        with pytest.raises(AssertionError, match=f"(?s){reason}"):
            raise AssertionError(state.last_error)


def test_a_command_that_does_not_exist_is_a_failed_plugin(tmp_path):
    with MemoryHost(tmp_path, PluginEntry(name="gone", command=("/no/such/program",), config={})) as host:
        assert "/no/such/program cannot be started" in host.plugins.states()[0].last_error


def test_a_program_of_another_language_is_started_too(tmp_path):
    shell = tmp_path / "plugin.sh"
    shell.write_text(f"#!/bin/sh\nexec {sys.executable} {PROBE[1]} foreign\n")
    shell.chmod(0o700)
    entry = PluginEntry(name="probe", command=(str(shell),), config={})
    with MemoryHost(tmp_path / "run", entry) as host:
        assert host.plugins.states()[0].state == "ready"


def test_a_process_dies_with_its_host(tmp_path):
    script = (
        "import sys, pathlib\n"
        "from tests.registry.test_process_plugin import MemoryHost, PluginEntry\n"
        "entry = PluginEntry(name='sleeper', command=('/bin/sleep', '600'), config={})\n"
        "host = MemoryHost(pathlib.Path(sys.argv[1]), entry)\n"
        "import threading, time\n"
        "threading.Thread(target=host.plugins.start, daemon=True).start()\n"
        "while not (pid := host.plugins.states()[0].pid): time.sleep(0.01)\n"
        "while b'leash' in pathlib.Path(f'/proc/{pid}/cmdline').read_bytes(): time.sleep(0.01)\n"
        "print(pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    import subprocess

    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, cwd=FAKES.parent.parent
    ) as host:
        assert host.stdout is not None
        pidfd = os.pidfd_open(int(host.stdout.readline()))
        host.kill()
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        assert poll.poll(WAIT_S * 1000), "the plugin outlived its host"
        os.close(pidfd)


def test_a_plain_server_of_the_capabilities_package_is_a_plugin(tmp_path):
    with MemoryHost(tmp_path, broken("plain")) as host:
        state = host.plugins.states()[0]
        assert (state.state, state.capabilities) == ("ready", ("plain@1.0.0",))
        assert answer(host.call("plain@1.0.0", "x", text("hello")), wrappers_pb2.StringValue()).value == "hello"
        with pytest.raises(CapabilityError, match="error executing capability request"):
            host.call("plain@1.0.0", "die", text(""))
        host.saw("ready", times=2)
        assert answer(host.call("plain@1.0.0", "x", text("again")), wrappers_pb2.StringValue()).value == "again"


@pytest.mark.parametrize("method", ["die", "freeze"])
def test_a_process_that_breaks_in_a_call_fails_the_call_and_comes_back(tmp_path, method):
    quick = Supervision(health_every_s=0.2, health_timeout_s=2.0, backoff_min_s=0.01, backoff_max_s=0.05, stop_s=0.5)
    with MemoryHost(tmp_path, probe(), supervision=quick) as host:
        before = host.plugins.states()[0]
        handle, told = host.registry.get_executable("probe@1.0.0"), Eventually()
        host.registry.get_trigger("probe@1.0.0").register(registration("w-0"), told, timeout_s=WAIT_S)
        with pytest.raises(CapabilityError) as caught:
            handle.execute(request(method, text("")), timeout_s=WAIT_S)
        assert (caught.value.visibility, caught.value.origin, caught.value.name) == ("Public", "System", "Unavailable")
        restarting = host.saw("restarting")
        assert restarting.last_error
        after = host.saw("ready", times=2)
        assert (after.restarts, after.pid != before.pid) == (1, True)
        echoed = handle.execute(request("whoami", text("")), timeout_s=WAIT_S)
        assert answer(echoed, wrappers_pb2.StringValue()).value.startswith("probe dev")
        told.wait(lambda t: "restored" in t.notes)
        host.call("probe@1.0.0", "send", text("w-0=e1"))
        told.wait(lambda t: len(t.events) == 1)


def test_a_killed_process_comes_back(tmp_path):
    with MemoryHost(tmp_path, probe()) as host:
        os.kill(host.plugins.states()[0].pid, signal.SIGKILL)
        host.saw("restarting")
        assert host.registry.get("probe@1.0.0").plugin == "probe"
        host.saw("ready", times=2)
        assert host.registry.get("probe@1.0.0").available


def test_a_process_that_keeps_dying_is_a_crash_loop(tmp_path):
    with MemoryHost(tmp_path, probe(config={"die_after_ms": 300})) as host:
        state = host.saw("failed")
        assert state.last_error.startswith(f"crash loop: {QUICK.crashes_max} crashes within 300 s")
        assert state.restarts == QUICK.crashes_max - 1
        assert not host.registry.get("probe@1.0.0").available


def test_a_plugin_in_a_crash_loop_says_when_it_is_tried_again_and_comes_back_when_its_cause_is_gone(tmp_path):
    flag = tmp_path / "corrected"
    shell = tmp_path / "plugin.sh"
    shell.write_text(f"#!/bin/sh\n[ -e {flag} ] || exit 7\nexec {sys.executable} {PROBE[1]} foreign\n")
    shell.chmod(0o700)
    entry = PluginEntry(name="probe", command=(str(shell),), config={})
    flag.touch()
    with MemoryHost(tmp_path / "run", entry, supervision=replace(QUICK, given_up_s=0.2)) as host:
        handle = host.registry.get_executable("probe@1.0.0")
        flag.unlink()
        os.kill(host.plugins.states()[0].pid, signal.SIGKILL)
        failed = host.saw("failed")
        assert failed.last_error.startswith(f"crash loop: {QUICK.crashes_max} crashes within 300 s; correct what")
        assert re.search(r"tried again at \d\d:\d\d:\d\d UTC and every 0.2 s: .*exit status 7", failed.last_error)
        with pytest.raises(CapabilityError, match="capability unavailable"):
            handle.execute(request("whoami", text("")), timeout_s=WAIT_S)
        # Each try that fails is one more crash, and one is enough now.
        host.saw("failed", times=3)
        flag.touch()
        after = host.saw("ready", times=2)
        assert "tried again" not in after.last_error
        assert answer(handle.execute(request("whoami", text("")), timeout_s=WAIT_S), wrappers_pb2.StringValue()).value
        before = sum(told.state == "failed" for told in host.history)
        os.kill(after.pid, signal.SIGKILL)
        host.saw("failed", times=before + 1)


def test_a_plugin_that_did_not_start_is_tried_again_too(tmp_path):
    shell, flag = tmp_path / "plugin.sh", tmp_path / "corrected"
    shell.write_text(f"#!/bin/sh\n[ -e {flag} ] || exit 7\nexec {sys.executable} {PROBE[1]} foreign\n")
    shell.chmod(0o700)
    entry = PluginEntry(name="probe", command=(str(shell),), config={}, provides=("probe@1.0.0",))
    with MemoryHost(tmp_path / "run", entry, supervision=replace(QUICK, given_up_s=0.2)) as host:
        assert host.plugins.states()[0].last_error.startswith("it did not start; correct what follows")
        away = host.registry.away("probe@1.0.0")
        assert away is not None
        assert away.message.startswith("capability unavailable: plugin probe is failed")
        assert host.registry.away("other@1.0.0") is None
        flag.touch()
        host.saw("ready")
        assert host.registry.away("probe@1.0.0") is None
        assert host.registry.get("probe@1.0.0").available


def test_a_flood_of_output_stops_nothing_and_is_cut(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    with MemoryHost(tmp_path, probe()) as host:
        assert answer(host.call("probe@1.0.0", "flood", number(100_000)), wrappers_pb2.StringValue()).value == "flooded"
        # It is read by a thread of its own.
        until(lambda: " flood" in caplog.text)
    lines = sum(r.name == "strongroom.plugins.probe" and " flood" in r.getMessage() for r in caplog.records)
    assert 0 < lines < 200_000
    caplog.clear()


def test_the_last_words_of_a_process_are_in_the_log_as_errors(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)

    def panic():
        return [r.levelno for r in caplog.records if "all is lost" in r.getMessage() or "goroutine" in r.getMessage()]

    with MemoryHost(tmp_path, broken("panics")):
        until(lambda: len(panic()) >= 2)
    assert panic() == [logging.ERROR, logging.ERROR]


def test_a_process_gets_an_environment_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("STRONGROOM_SECRET_OF_THE_DAEMON", "canary")
    with MemoryHost(tmp_path, probe()) as host:
        found = answer(host.call("probe@1.0.0", "environment", text("")), wrappers_pb2.StringValue()).value
    names = {line.partition("=")[0] for line in found.splitlines()}
    assert "canary" not in found
    assert {"PLUGIN_PROTOCOL_VERSIONS", "CL_PROMETHEUS_PORT", "PLUGIN_UNIX_SOCKET_DIR"} <= names
    assert "STRONGROOM_PLUGIN_TOKEN" not in names
    assert int(next(v for n, _, v in (x.partition("=") for x in found.splitlines()) if n == "CL_PROMETHEUS_PORT"))


def test_a_stopped_host_leaves_no_process_and_no_directory(tmp_path):
    with MemoryHost(tmp_path, probe()) as host:
        pid = host.plugins.states()[0].pid
        directories = list(tmp_path.iterdir())
        assert [d.stat().st_mode & 0o777 for d in directories] == [0o700] * len(directories)
    assert not Path(f"/proc/{pid}").exists()
    assert list(tmp_path.iterdir()) == []


def test_nobody_else_of_the_same_user_gets_into_the_sockets():
    # A short path: where the directory of a test has a long one, sockets lie elsewhere.
    with tempfile.TemporaryDirectory(prefix="sr-") as directory, MemoryHost(Path(directory), probe()) as host:
        host.stores["probe"].put("key", b"value")
        sockets = sorted(Path(directory).glob("probe-*/*"))
        assert len(sockets) == 3  # the host's, the plugin's, and its capability's
        for path in sockets:
            with grpc.insecure_channel(f"unix:{path}") as channel:
                for method, message in (
                    (store_pb2_grpc.StoreServiceStub(channel).Get, store_pb2.GetRequest(key="key")),
                    (capabilities_pb2_grpc.StandardCapabilitiesStub(channel).Infos, empty_pb2.Empty()),
                    (capabilities_pb2_grpc.BaseCapabilityStub(channel).Info, empty_pb2.Empty()),
                ):
                    with pytest.raises(grpc.RpcError) as caught:
                        method(message, timeout=WAIT_S)
                    codes = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED}
                    assert caught.value.code() in codes


def test_a_long_runtime_directory_is_no_obstacle(tmp_path):
    long = tmp_path / ("x" * 100)
    with MemoryHost(long, probe()) as host:
        assert host.plugins.states()[0].state == "ready"


def test_a_host_stops_while_a_plugin_is_still_starting(tmp_path):
    import threading

    host = MemoryHost(tmp_path, broken("hangs"))
    starter = threading.Thread(target=host.plugins.start)
    starter.start()
    host.plugins.stop()
    starter.join(WAIT_S)
    assert not starter.is_alive()


def test_started_by_hand_it_says_what_it_is():
    import subprocess

    done = subprocess.run([sys.executable, PROBE[1]], capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("This binary is a plugin. These are not meant to be executed directly.\n")
