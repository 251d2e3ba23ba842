"""A real disk of eight megabytes fills up under a host, and is freed again."""

import json
import shutil
import subprocess
import sys
import tempfile

import pytest

from tests.fakes.program import DEADLINE_S
from tests.faults.figures import record
from tests.guests.build import ROOT

DEMANDED_RECOVERY_S = 5
UNSHARE = ("unshare", "--map-root-user", "--mount")


def why_not():
    if shutil.which(UNSHARE[0]) is None:
        return "there is no unshare here"
    probe = subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, text=True)
    return "" if probe.returncode == 0 else f"no disk can be mounted here: {probe.stderr.strip()}"


def test_a_full_disk_refuses_what_is_new_ends_what_was_accepted_and_goes_on_by_itself():
    if reason := why_not():
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="sr-") as directory:
        command = [*UNSHARE, sys.executable, "-m", "tests.faults.low_disk", directory]
        told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=2 * DEADLINE_S)
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout.splitlines()[-1])
    record(
        "D4",
        "a disk of 8m that is low, then full, then free again",
        demanded=f"works within {DEMANDED_RECOVERY_S} s",
        measured=f"{found['recovered_s']:.1f} s",
        met=found["recovered_s"] <= DEMANDED_RECOVERY_S,
    )
    for refused in (found["refused"], found["registration"], found["full"]):
        assert refused[0] == "RESOURCE_EXHAUSTED", refused
        assert "there is no room for" in refused[1]
        assert "bytes are free in" in refused[1]
    assert found["ended"] == "RUN_STATUS_CANCELLED", "what was accepted ends"
    assert set(found["kept"]) == {"RUN_STATUS_COMPLETED"}, "nothing that was acknowledged is lost"
    assert (found["verified"], found["exit"]) == (0, 0)
    assert sum("accepts nothing new" in line for line in found["log"]) == 1, found["log"]
    assert sum("there is room again" in line for line in found["log"]) == 1, found["log"]
