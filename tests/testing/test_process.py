"""What stays of the runners of a test process: nothing, however it ends."""

import os
import select
import subprocess
import sys
from pathlib import Path

from tests.guests.build import guest

ROOT = Path(__file__).resolve().parent.parent.parent
USE = f"""
import os, sys, time, multiprocessing
from pathlib import Path
from strongroom.testing import run_guest, sdk_pb

WASM = Path({str(guest("config"))!r}).read_bytes()

def run():
    return run_guest(WASM, sdk_pb.ExecuteRequest(config=b"x", trigger={{}})).result.value.bytes_value

assert run() == b"x"
children = Path(f"/proc/self/task/{{os.getpid()}}/children").parent.parent
pids = " ".join(p for task in children.glob("*/children") for p in task.read_text().split())
print(pids, flush=True)
"""


def start(tmp_path, script):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", USE + script],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def gone(pids):
    """Whether each of the processes has ended; one that is just ending is waited for."""
    for pid in map(int, pids.split()):
        try:
            watched = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        with os.fdopen(watched, closefd=True):
            ended, _, _ = select.select([watched], [], [], 10)
        if not ended:
            return False
    return True


def test_a_process_that_ends_leaves_no_runner_and_no_file(tmp_path):
    process = start(tmp_path, "")
    said, problems = process.communicate(timeout=60)
    assert (process.returncode, problems) == (0, "")
    assert said.split(), "it had runners"
    assert gone(said)
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_is_killed_leaves_no_runner(tmp_path):
    process = start(tmp_path, "time.sleep(60)")
    said = process.stdout.readline()
    assert said.split()
    process.kill()
    process.communicate(timeout=60)
    assert gone(said)
    assert list(tmp_path.iterdir()) == []


def test_a_forked_child_has_runners_of_its_own_and_leaves_those_of_its_parent(tmp_path):
    script = """
child = os.fork()
if child == 0:
    os._exit(0 if run() == b"x" else 1)
assert os.waitpid(child, 0)[1] == 0
assert run() == b"x"
worker = multiprocessing.get_context("fork").Process(target=run)
worker.start()
worker.join()
assert worker.exitcode == 0
assert run() == b"x"
"""
    process = start(tmp_path, script)
    said, problems = process.communicate(timeout=60)
    assert (process.returncode, problems) == (0, "")
    assert gone(said)
    assert list(tmp_path.iterdir()) == []
