"""Random modules: whatever they hold, the process that executes them lives and goes on in bounded time."""

import contextlib
import random
import subprocess
import sys

import pytest

from strongroom.errors import GuestFault, InvalidInput, TimedOut
from tests.faults.figures import record
from tests.faults.scale import much
from tests.guests.build import ROOT
from tests.guests.host import PretendedHost
from tests.guests.random_modules import damaged
from tests.guests.test_hostile_runs import EVENT

MODULES = much(200, 10_000)
BATCH = 50
EACH_S = 0.4
"""Compiling and running one of them, at most and on a busy machine."""


@pytest.mark.parametrize("seed", range(0, MODULES, BATCH))
def test_random_modules_crash_nothing(seed):
    done = subprocess.run(
        [sys.executable, "-m", "tests.guests.random_modules", str(seed), str(BATCH)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=BATCH * EACH_S + 60,
        check=False,
    )
    survived = (done.returncode, done.stderr) == (0, "")
    # One line for all of them: the last one speaks for those before it.
    if seed + BATCH >= MODULES or not survived:
        what, measured = f"random modules up to number {seed + BATCH}", "0 crashes" if survived else done.stderr[-200:]
        record("I1", what, demanded="0 crashes of the host", measured=measured, met=survived)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f" {BATCH}\n")


def test_a_host_survives_damaged_modules_in_its_runners(in_a_runner):
    for seed in range(1, 13, 2):
        dice = random.Random(seed)  # noqa: S311 - the same seed must give the same module
        with contextlib.suppress(GuestFault, InvalidInput, TimedOut):
            in_a_runner(damaged(dice), EVENT, PretendedHost(timeout_ms=200))
