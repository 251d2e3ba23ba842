"""Disk full and I/O errors under a real daemon: never a false acknowledgement, never corruption, recovery by itself."""

import errno
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import grpc
import pytest

from strongroom.engine.runids import new_run_id
from strongroom.pb.strongroom.v1 import run_pb2
from tests.faults.disk import BadDisk
from tests.faults.history import Verdict, judge_runs
from tests.faults.scale import SCALE
from tests.faults.workspace_storm import quiet_daemon

SAMPLES = Path(__file__).resolve().parents[2] / "daemon" / "strongroom" / "app" / "samples"
RECOVERY_S = 20
OPERATIONS_OF_A_START = 40
"""About as many as a start makes on the disk; one that is to fail after that many may find the start done."""
TYPED = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED}


@pytest.fixture
def state():
    with tempfile.TemporaryDirectory(prefix="sr-") as directory:
        yield Path(directory)


def daemon_on(disk, state):
    return quiet_daemon(state, variables=disk.variables)


def start(api, run_id):
    """Whether the host acknowledged the run, or the refusal."""
    request = run_pb2.StartRequest(workflow="greet", run_id=run_id, json=b'{"who": "x"}')
    try:
        api.runs.Start(request, timeout=2)
    except grpc.RpcError as error:
        return error
    return None


def attempt(api):
    """One whole run, or why there was none."""
    try:
        assert api.execute("greet", b'{"who": "x"}', timeout=5).result.string_value == "hello, x"
    except grpc.RpcError as error:
        return error
    return None


def wait_until_it_works(api):
    """One whole run, as soon as the host does it again."""
    end = time.monotonic() + RECOVERY_S
    while (refusal := attempt(api)) is not None:
        assert refusal.code() in TYPED, refusal.details()
        assert time.monotonic() < end, f"the host does not recover: {refusal.details()}"
        time.sleep(0.05)


def test_the_bad_disk_fails_what_it_is_told_to_and_forgets_what_was_not_synced(state):
    disk = BadDisk(state, shadow=True)
    program = (
        "import sqlite3, sys\n"
        "d = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "d.execute('pragma journal_mode=wal'); d.execute('pragma synchronous=' + sys.argv[2])\n"
        "d.execute('create table if not exists t (n)')\n"
        "for n in range(20): d.execute('insert into t values (?)', (n,))\n"
        "import os; os._exit(0)\n"
    )

    def write(synchronous):
        done = subprocess.run(
            [sys.executable, "-c", program, str(state / "strongroom.db"), synchronous],
            env=disk.variables,
            capture_output=True,
            check=False,
        )
        return done.stderr.decode()

    def rows():
        with sqlite3.connect(state / "strongroom.db") as database:
            return database.execute("select count(*) from t").fetchone()[0]

    assert write("full") == ""
    disk.lose_power(state)
    assert rows() == 20
    assert write("off") == ""
    disk.lose_power(state)
    assert rows() < 40
    disk.fail(errno.ENOSPC, after=3)
    assert "full" in write("full")
    assert disk.failed > 0


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["disk full", "input and output error"])
@pytest.mark.timeout(0)
def test_whichever_operation_fails_nothing_is_acknowledged_that_is_not_kept(state, error, figure):
    disk = BadDisk(state)
    daemon = daemon_on(disk, state).start()
    acknowledged, refusals = [], []
    with daemon.channel() as api:
        api.register(SAMPLES / "greet.wasm", "greet")
        for after in range(SCALE.disk_operations):
            run_id = new_run_id()
            # Every other time the disk stays bad until the answer is there, as a full one does; and in each round
            # over the operations the other way round.
            round_number, operation = divmod(after, OPERATIONS_OF_A_START)
            disk.fail(error, after=operation, once=(operation + round_number) % 2 == 0)
            refusal = start(api, run_id)
            if refusal is None:
                acknowledged.append(run_id)
            else:
                refusals.append(refusal)
            disk.heal()
            if after % 8 == 7:
                wait_until_it_works(api)
        wait_until_it_works(api)
    name = errno.errorcode[error]
    figure(f"{name} at {SCALE.disk_operations} operations", "0 false answers", f"{disk.failed} failed, 0 false answers")
    assert disk.failed >= SCALE.disk_operations / 2
    assert {refusal.code() for refusal in refusals} <= TYPED, [refusal.details() for refusal in refusals]
    settle(daemon, acknowledged)


def settle(daemon, acknowledged):
    """After a kill everything acknowledged is there, ends once, and the file is sound."""
    daemon.kill()
    daemon.start()
    verdict = Verdict()
    with daemon.channel() as api:
        for run_id in acknowledged:
            request = run_pb2.StartRequest(workflow="greet", run_id=run_id, json=b'{"who": "x"}')
            api.runs.Execute(run_pb2.ExecuteRequest(start=request), timeout=30)
        judge_runs(api, acknowledged, verdict)
    assert not verdict.problems(), verdict.text()
    assert verdict.finals["completed"] == len(acknowledged), verdict.text()
    assert daemon.stop() == 0
    with sqlite3.connect(daemon.state / "strongroom.db") as database:
        assert database.execute("pragma integrity_check").fetchall() == [("ok",)]


@pytest.mark.timeout(0)
def test_after_power_cuts_that_drop_what_was_not_synced_everything_acknowledged_is_there(state, figure):
    disk = BadDisk(state, shadow=True)
    daemon = daemon_on(disk, state).start()
    with daemon.channel() as api:
        api.register(SAMPLES / "greet.wasm", "greet")
    acknowledged = []
    for cut in range(SCALE.power_cuts):
        with daemon.channel() as api:
            for _ in range(10 + cut % 7):
                run_id = new_run_id()
                assert start(api, run_id) is None
                acknowledged.append(run_id)
        daemon.kill()
        disk.lose_power(state)
        daemon.start()
    settle(daemon, acknowledged)
    figure(f"{SCALE.power_cuts} power cuts", "0 lost, file sound", f"{len(acknowledged)} acknowledged, 0 lost, sound")
