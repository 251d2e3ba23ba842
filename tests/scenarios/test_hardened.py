"""Processes that hold keys leave no core file, make files for their user alone, and say to the kernel that nobody of
their user may look into them."""

import subprocess
import sys
from pathlib import Path

import pytest

# What each process of ours does first, and what the kernel then says: PR_GET_DUMPABLE, from linux/prctl.h, is 3.
PROGRAM = """
import ctypes
import os
from strongroom.{module} import {function}
os.umask(0)
{function}()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), oct(os.umask(0)))
"""


@pytest.mark.parametrize(
    ("module", "function"),
    [("app.hardening", "harden"), ("plugin.serve.hardening", "harden"), ("plugin.serve.hardening", "hide")],
    ids=["the daemon", "a plugin", "a vault apart"],
)
def test_a_process_that_holds_keys_hides_its_memory_from_others_of_its_user(module, function):
    command = [sys.executable, "-c", PROGRAM.format(module=module, function=function)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "0 0o77\n"


def test_daemon_and_plugins_leave_no_core_file(shared):
    with shared.channel() as api:
        pids = [shared.process.pid, *(api.plugin(name).pid for name in ("vault", "confidential-workflows"))]
    for pid in pids:
        (limit,) = [line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if "core file" in line]
        assert limit.split()[4:6] == ["0", "0"]
