"""Small runs against a host whose disk or database is in trouble, and what must hold of them afterwards."""

import sqlite3
import time
from pathlib import Path

import grpc

from strongroom.engine.runids import new_run_id
from strongroom.pb.strongroom.v1 import run_pb2
from tests.faults.history import Verdict, judge_runs

__all__ = ["GREET", "TYPED", "SmallRuns"]

GREET = Path(__file__).resolve().parents[2] / "daemon" / "strongroom" / "app" / "samples" / "greet.wasm"
RECOVERY_S = 20
TYPED = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED}


class SmallRuns:
    """Starts of ``greet``, with what the host acknowledged and what it refused. ``slowest_s`` is its worst recovery."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.acknowledged, self.refusals = [], []
        self.slowest_s = 0.0

    def start(self, api, timeout_s=2):
        """Start a run; whether it was acknowledged."""
        return self._ask(api.runs.Start, lambda request: request, timeout_s)

    def execute(self, api, timeout_s=10):
        """Start a run and wait for its end; whether there was one."""
        return self._ask(api.runs.Execute, lambda request: run_pb2.ExecuteRequest(start=request), timeout_s)

    def _ask(self, method, wrapped, timeout_s):
        run_id = new_run_id()
        request = run_pb2.StartRequest(workflow="greet", run_id=run_id, json=b'{"who": "x"}')
        try:
            method(wrapped(request), timeout=timeout_s)
        except grpc.RpcError as error:
            self.refusals.append(error)
            return False
        self.acknowledged.append(run_id)
        return True

    def wait_until_it_works(self, api):
        """One whole run, as soon as the host does it again, and how long that took."""
        began_s = time.monotonic()
        while (refusal := _attempt(api)) is not None:
            assert refusal.code() in TYPED, refusal.details()
            assert time.monotonic() < began_s + RECOVERY_S, f"the host does not recover: {refusal.details()}"
            time.sleep(0.05)
        self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)

    def untyped(self):
        """What was refused in words that a caller cannot act on."""
        return [f"{error.code()} {error.details()}" for error in self.refusals if error.code() not in TYPED]

    def settle(self):
        """What is wrong after a kill: everything acknowledged is there, ends once, and the file is sound."""
        self.daemon.kill()
        self.daemon.start()
        found = self.judge()
        assert self.daemon.stop() == 0
        with sqlite3.connect(self.daemon.state / "strongroom.db") as database:
            integrity = database.execute("pragma integrity_check").fetchall()
        return found if integrity == [("ok",)] else {**found, "integrity": integrity}

    def judge(self):
        """What is wrong with what was acknowledged, once all of it has ended."""
        verdict = Verdict()
        with self.daemon.channel() as api:
            for run_id in self.acknowledged:
                request = run_pb2.StartRequest(workflow="greet", run_id=run_id, json=b'{"who": "x"}')
                api.runs.Execute(run_pb2.ExecuteRequest(start=request), timeout=30)
            judge_runs(api, self.acknowledged, verdict)
        found = verdict.problems()
        if verdict.finals["completed"] != len(self.acknowledged):
            found["not completed"] = verdict.text()
        return found

    def kept(self, found):
        """The figure of ``settle`` or ``judge`` in words."""
        return str(found) if found else f"{len(self.acknowledged)} acknowledged, all kept"


def _attempt(api):
    """One whole run, or why there was none."""
    try:
        assert api.execute("greet", b'{"who": "x"}', timeout=5).result.string_value == "hello, x"
    except grpc.RpcError as error:
        return error
    return None
