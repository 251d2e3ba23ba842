"""What was acknowledged is there after anything was killed, and the next run works."""

import os
import signal
import threading
import time
from pathlib import Path

import grpc
import pytest

from strongroom.engine.runids import new_run_id
from strongroom.pb.strongroom.v1 import run_pb2, status_pb2, workflow_pb2
from tests.fakes.live_daemon import LiveDaemon, strongroom
from tests.fakes.manifests import shipped_with
from tests.fakes.process_tree import descendants, told_of
from tests.guests.build import guest

CONFIDENTIAL = b'{"confidential": true}'
SAMPLES = Path(__file__).resolve().parents[2] / "daemon" / "strongroom" / "app" / "samples"


BUSY_TICKS = 40
"""Hundredths of a second of computing that no runner takes for its start."""


@pytest.fixture
def confidential(daemon):
    """A daemon of the test's own whose only plugins are the confidential backend and the vault; not started yet."""
    daemon.options = shipped_with(daemon.state, "confidential-workflows", "vault")
    return daemon


def wait_for(condition, what, timeout_s=60):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"waited too long for {what}"
        time.sleep(0.02)


def test_after_kill_9_of_the_daemon_everything_acknowledged_is_there(confidential):
    confidential.start()
    acknowledged, stop = {}, threading.Event()
    with confidential.channel() as api:
        api.register(SAMPLES / "greet.wasm", "local")
        api.register(SAMPLES / "greet.wasm", "hidden", CONFIDENTIAL, config=b"c")

    def load(workflow):
        with confidential.channel() as api:
            while not stop.is_set():
                run_id = new_run_id()
                try:
                    api.runs.Start(
                        run_pb2.StartRequest(workflow=workflow, run_id=run_id, json=b'{"who": "x"}'), timeout=5
                    )
                except grpc.RpcError:
                    return
                acknowledged[run_id] = workflow
                # A run in an enclave is a process of its own, and the machine has to end all that are accepted.
                stop.wait(0.1 if workflow == "hidden" else 0.01)

    clients = [threading.Thread(target=load, args=(name,)) for name in ("local", "local", "hidden")]
    for client in clients:
        client.start()
    wait_for(
        lambda: len(acknowledged) > 20 and set(acknowledged.values()) == {"local", "hidden"},
        "twenty accepted runs of both kinds",
    )
    confidential.kill()
    stop.set()
    for client in clients:
        client.join()

    confidential.start()
    with confidential.channel() as api:
        names = {w.name for w in api.workflows.List(workflow_pb2.WorkflowServiceListRequest(), timeout=10).workflows}
        assert names == {"local", "hidden"}

        def status(run_id):
            return api.runs.Get(run_pb2.RunServiceGetRequest(run_id=run_id), timeout=10).run.status

        for run_id in acknowledged:
            wait_for(lambda r=run_id: status(r) == run_pb2.RUN_STATUS_COMPLETED, f"run {run_id} to complete", 60)
        assert api.execute("local", b'{"who": "next"}').result.string_value == "hello, next"


def test_after_kill_9_of_a_runner_its_run_fails_with_a_reason_and_the_next_works(small):
    small.start()
    with small.channel() as api:
        api.register(guest("loop"), "loop")
        api.register(SAMPLES / "greet.wasm", "greet")
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(api.execute("loop")))
        waiting.start()
        wait_for(lambda: runners(small.process.pid, busy=True), "a busy runner")
        for pid in runners(small.process.pid, busy=True):
            os.kill(pid, signal.SIGKILL)
        waiting.join(30)
        assert answers[0].run.status == run_pb2.RUN_STATUS_FAILED
        assert "runner" in answers[0].error
        assert api.execute("greet", b'{"who": "next"}').result.string_value == "hello, next"


def runners(pid, *, busy):
    found = []
    for child in descendants(pid):
        command, times = told_of(child, "cmdline"), told_of(child, "stat").rpartition(b")")[2].split()[11:13]
        if b"strongroom.guest.runner" in command and (not busy or sum(map(int, times)) > BUSY_TICKS):
            found.append(child)
    return found


@pytest.mark.parametrize("plugin", ["confidential-workflows", "vault"])
def test_after_kill_9_of_a_plugin_it_comes_back_and_the_next_run_works(confidential, plugin):
    confidential.start()
    with confidential.channel() as api:
        api.register(SAMPLES / "greet.wasm", "hidden", CONFIDENTIAL)
        before = api.plugin(plugin)
        os.kill(before.pid, signal.SIGKILL)
        wait_for(
            lambda: api.plugin(plugin).restarts > before.restarts and api.plugin(plugin).state == "ready", "a restart"
        )
        assert api.execute("hidden", b'{"who": "next"}').result.string_value == "hello, next"


def test_a_second_daemon_on_the_same_state_is_refused_and_the_first_goes_on(small):
    small.start()
    second = strongroom(small.state, "dev", "--state-dir", str(small.state))
    assert second.code == 69
    assert f"another strongroom daemon (process {small.process.pid}) uses {small.state}" in second.err
    assert small("status").code == 0


def test_a_second_host_on_the_same_database_is_refused_until_the_first_is_gone(small):
    small.start()
    other = small.state / "other"
    other.mkdir(mode=0o700)
    variables = {
        "STRONGROOM_DATABASE_URL": f"sqlite:///{small.state}/strongroom.db",
        "STRONGROOM_KEYRING_FILE": str(small.state / "keyring"),
    }
    second = strongroom(other, "dev", "--state-dir", str(other), **variables)
    assert second.code == 69
    assert f"another strongroom host (strongroom process {small.process.pid} on " in second.err
    assert small("status").code == 0
    small.kill()
    after = LiveDaemon(other, small.options, variables=variables).start()
    assert after("status").code == 0
    assert after.stop() == 0


def test_a_second_host_on_the_same_socket_is_refused_and_the_first_is_still_reached(small):
    small.start()
    other = small.state / "other"
    second = strongroom(small.state, "dev", "--state-dir", str(other), "--socket", str(small.socket), *small.options)
    assert second.code == 78
    assert f"somebody serves on the socket {small.socket} already" in second.err
    assert small("status").code == 0


def test_a_run_that_sleeps_shows_the_end_of_its_time_and_has_no_more_of_it_after_a_restart(small):
    small.options += ("--set", "limits.run_timeout_ms=100000")
    small.start()
    with small.channel() as api:
        api.register(guest("sleep-long"), "sleeps", config=b"600000000000")
        run_id = api.runs.Start(run_pb2.StartRequest(workflow="sleeps", json=b"{}"), timeout=30).run.run_id

    def shown():
        with small.channel() as api:
            return api.runs.Get(run_pb2.RunServiceGetRequest(run_id=run_id), timeout=30).run

    wait_for(lambda: shown().status == run_pb2.RUN_STATUS_WAITING, "a sleep")
    before = shown()
    assert before.wake_time.ToMilliseconds() == before.start_time.ToMilliseconds() + 100_000
    for end in (small.stop, small.kill):
        ended_ms = time.time() * 1000
        end()
        small.start()
        down_ms = time.time() * 1000 - ended_ms
        later_ms = shown().wake_time.ToMilliseconds() - before.wake_time.ToMilliseconds()
        # A host that is killed was seen alive at its start for the last time, which is a moment before.
        assert 0 < later_ms < down_ms + 10_000, "only the time without a host is added"
        before = shown()


def test_a_socket_path_that_is_too_long_names_the_limit(state):
    deep = state / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    answer = strongroom(state, "dev", "--state-dir", str(deep))
    assert answer.code == 78
    assert "107" in answer.err
    assert "do:" in answer.err


def test_a_foreign_keyring_is_refused_by_key_id_and_nothing_is_written(small):
    small.start()
    assert small.stop() == 0
    keyring = small.state / "keyring"
    keyring.write_text("1:" + "x" * 43 + "\n")
    before = (small.state / "strongroom.db").read_bytes()
    answer = strongroom(small.state, "dev", "--state-dir", str(small.state))
    assert answer.code == 78
    assert "the keyring does not fit the database: it needs key k1-" in answer.err
    assert (small.state / "strongroom.db").read_bytes() == before


def test_sigterm_lets_a_run_that_somebody_waits_for_end_before_the_daemon_does(small):
    small.start()
    with small.channel() as api:
        api.register(guest("sleep-long"), "sleep", config=b"1000000000")
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(api.execute("sleep")))
        waiting.start()
        request = status_pb2.StatusServiceGetRequest()
        wait_for(lambda: api.status.Get(request, timeout=5).runs["waiting"] == 1, "the run to wait")
        assert small.stop() == 0
        waiting.join(10)
        assert answers[0].run.status == run_pb2.RUN_STATUS_COMPLETED


def test_serve_makes_no_keys(state):
    answer = strongroom(state, "serve", "--state-dir", str(state), "--set", f"keyring_file={state}/keyring")
    assert answer.code == 78
    assert "there is no keyring at" in answer.err
    assert not (state / "keyring").exists()


def test_daemons_do_not_leave_processes_behind(confidential):
    confidential.start()
    children = descendants(confidential.process.pid)
    assert children
    confidential.kill()
    wait_for(lambda: not [pid for pid in children if Path(f"/proc/{pid}").exists()], "children to end with the daemon")
