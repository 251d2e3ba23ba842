"""SIGTERM with runs of every kind in flight, and clients that start them and wait for them.

Nothing is lost, and nobody hears an error but of what was never accepted.
"""

import itertools
import json
import shutil
import threading
import time
from collections import Counter

import grpc
import pytest

from strongroom.engine.runids import new_run_id
from strongroom.pb.strongroom.v1 import run_pb2, status_pb2
from tests.fakes.live_daemon import LiveDaemon
from tests.fakes.scripted_guest import until
from tests.faults.figures import record
from tests.faults.scale import much
from tests.guests.build import guest
from tests.scenarios.conftest import short_directory
from tests.scenarios.test_stopping import CONFIDENTIAL, manifest

RUNS = much(20, 200)
S = 120
STEP_MS = 700
DRAIN_MS = 1_000
AWAY_S = much(5, 40)
"""How long somebody at a terminal waits, for their run to begin behind all others and then for the host to be back."""
STOP_S = 120
"""What a service manager gives this host, five seconds of which are to be left."""
HOUR_NS = b"3600000000000"
FINAL = {run_pb2.RUN_STATUS_COMPLETED, run_pb2.RUN_STATUS_FAILED}
OPTIONS = (
    *("--log-level", "warning", "--set", f"limits.drain_timeout_ms={DRAIN_MS}"),
    *("--set", "limits.run_timeout_ms=7200000", "--set", "limits.runners_max=4"),
)


class Clients:
    """Those of one host: what each run came to, as they heard it."""

    def __init__(self, host):
        self._host = host
        self.accepted = {}
        self.heard = Counter()
        self.errors = []
        self.refused = []
        self._over = threading.Event()
        self.threads = []

    def wait(self, workflow):
        """One that waits for the end of its run."""
        run_id = new_run_id()
        self.accepted[run_id] = workflow
        self._begin(lambda api: self._execute(api, workflow, run_id))

    def start(self, workflow):
        """One that starts a run and goes away."""
        with self._host.channel() as api:
            run = api.runs.Start(run_pb2.StartRequest(workflow=workflow, json=b"{}"), timeout=S).run
        self.accepted[run.run_id] = workflow

    def go_on_starting(self, workflow):
        """One that starts runs until it is told that the host stops."""
        self._begin(lambda api: self._start_on(api, workflow))

    def ended(self):
        """Wait for all of them."""
        for thread in self.threads:
            thread.join(S)
            assert not thread.is_alive(), "a client still waits"

    def _begin(self, work):
        def run():
            with self._host.channel() as api:
                work(api)

        self.threads.append(threading.Thread(target=run))
        self.threads[-1].start()

    def _execute(self, api, workflow, run_id):
        try:
            answer = api.execute(workflow, timeout=S, run_id=run_id)
        except grpc.RpcError as error:
            self.errors.append((workflow, error.code().name, error.details()))
            return
        self.heard[workflow, run_pb2.RunStatus.Name(answer.run.status).removeprefix("RUN_STATUS_")] += 1
        if answer.error:
            self.errors.append((workflow, "failed", answer.error))

    def _start_on(self, api, workflow):
        for _ in itertools.count():
            run_id = new_run_id()
            try:
                api.runs.Start(run_pb2.StartRequest(workflow=workflow, json=b"{}", run_id=run_id), timeout=S)
            except grpc.RpcError as error:
                self.refused.append((run_id, error.code()))
                return
            self.accepted[run_id] = workflow
            threading.Event().wait(0.02)


@pytest.fixture
def host():
    state = short_directory()
    made = LiveDaemon(state, ("--plugins-file", str(manifest(state, STEP_MS)), *OPTIONS))
    yield made.start()
    if made.process.poll() is None:
        made.kill()
    shutil.rmtree(state, ignore_errors=True)


def status_of(api, run_id):
    return api.runs.Get(run_pb2.RunServiceGetRequest(run_id=run_id), timeout=S).run.status


def waits(api, run_id):
    """Whether the run was accepted and waits."""
    try:
        return status_of(api, run_id) == run_pb2.RUN_STATUS_WAITING
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        return False


@pytest.mark.timeout(0)
def test_a_stop_with_runs_in_flight_loses_none_and_tells_nobody_of_an_error(host):
    with host.channel() as api:
        api.register(guest("sequential-calls"), "calls", config=b"4")
        api.register(guest("sleep-long"), "sleeps", config=HOUR_NS)
        api.register(guest("sequential-calls"), "hidden", CONFIDENTIAL, config=b"1")
        clients = Clients(host)
        for number, workflow in zip(range(RUNS), itertools.cycle(("calls", "sleeps", "hidden", "calls"))):
            (clients.wait if number % 8 < 4 else clients.start)(workflow)
        until(lambda: sum(counted(api)[each] for each in ("running", "waiting", "pending", "completed")) >= RUNS)
        until(lambda: counted(api)["waiting"] > 0 and counted(api)["running"] > 0)
        clients.go_on_starting("calls")
        at_terminal, theirs = [], new_run_id()
        words = ("run", "execute", "sleeps", "--timeout", str(AWAY_S), "--run-id", theirs, "--json")
        person = threading.Thread(target=lambda: at_terminal.append(host(*words)))
        person.start()
        until(lambda: waits(api, theirs))
        began_s = time.monotonic()
        assert host.stop() == 0
        stop_s = time.monotonic() - began_s
        clients.ended()
        person.join(S)
    assert clients.errors == []
    assert {code for _, code in clients.refused} <= {grpc.StatusCode.UNAVAILABLE}, "before it was accepted, and so said"
    assert clients.heard["sleeps", "WAITING"] > 0, "who waits for a run that sleeps is told so"

    (told,) = at_terminal
    assert told.code == 75, told
    error = json.loads(told.err[told.err.index("{") :])["error"]
    assert error["code"] == "SR-CLI-200"
    assert error["fix"] == f"it goes on: strongroom run get {error['details']['run_id']}"
    assert "the host is going down" in told.err

    manifest(host.state, 0)
    host.start()
    with host.channel() as api:
        for run_id, workflow in clients.accepted.items():
            if workflow == "sleeps":
                assert status_of(api, run_id) == run_pb2.RUN_STATUS_WAITING
            else:
                until(lambda run_id=run_id: status_of(api, run_id) in FINAL)
                assert status_of(api, run_id) == run_pb2.RUN_STATUS_COMPLETED, workflow
        for run_id, _ in clients.refused:
            with pytest.raises(grpc.RpcError) as missing:
                status_of(api, run_id)
            assert missing.value.code() is grpc.StatusCode.NOT_FOUND, "what was refused was not accepted"
    record(
        "O1",
        f"SIGTERM with {RUNS} runs in flight and {len(clients.threads)} clients that wait",
        demanded=f"0 lost, no error after acceptance, exit within {STOP_S - 5} s",
        measured=f"0 of {len(clients.accepted)} lost, no error, {stop_s:.1f} s with a drain of {DRAIN_MS} ms",
        met=stop_s <= STOP_S - 5,
    )
    host.stop()


def counted(api):
    return api.status.Get(status_pb2.StatusServiceGetRequest(), timeout=S).runs
