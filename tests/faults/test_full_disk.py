"""A real disk that is full: starts are refused in words, and are accepted again soon after there is room."""

import tempfile
from pathlib import Path

import pytest

from tests.faults.figures import record
from tests.faults.scale import much
from tests.faults.small_disk import SmallDisk
from tests.faults.small_runs import GREET, SmallRuns

ROUNDS = much(2, 30)
DISK = "96m"
DEMANDED_RECOVERY_S = 5
STARTS_MAX = 2000
"""Far more than what is left of a page or two has room for."""


@pytest.fixture
def runs():
    with tempfile.TemporaryDirectory(prefix="sr-") as directory:
        daemon = SmallDisk.on(Path(directory), DISK)
        daemon.start()
        yield SmallRuns(daemon)
        daemon.stop()


@pytest.mark.timeout(0)
def test_a_full_disk_refuses_and_recovers_by_itself_and_loses_nothing(runs):
    daemon = runs.daemon
    with daemon.channel() as api:
        api.register(GREET, "greet")
        runs.wait_until_it_works(api)
        runs.slowest_s = 0.0
        for _ in range(ROUNDS):
            assert all(runs.start(api) for _ in range(10)), runs.refusals[-1].details()
            daemon.fill()
            refused = 0
            for _ in range(STARTS_MAX):
                refused += not runs.start(api, timeout_s=5)
                if refused >= 5:
                    break
            daemon.free()
            runs.wait_until_it_works(api)
    found, untyped = runs.judge(), runs.untyped()
    status = daemon.stop()
    codes = sorted({error.code().name for error in runs.refusals})
    record(
        "D4",
        f"a disk of {DISK} that is full {ROUNDS} times",
        demanded="no false acknowledgement, typed errors, works within 5 s",
        measured=f"{runs.kept(found)}, {len(runs.refusals)} refused ({', '.join(codes)}), {runs.slowest_s:.1f} s",
        met=not found and not untyped and status == 0 and runs.slowest_s <= DEMANDED_RECOVERY_S,
    )
    assert runs.refusals, "the disk was never full"
    assert (found, untyped, status) == ({}, [], 0)
