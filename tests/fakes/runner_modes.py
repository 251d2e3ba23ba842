"""Runners of both local launchers, the real ones and those that report on themselves, for the tests of their jail."""

import contextlib
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from strongroom_confidential_workflows.launchers import bubblewrap
from strongroom_confidential_workflows.launchers.process import runner_command
from strongroom_confidential_workflows.messages import encode
from strongroom_confidential_workflows.providers.choice import device_of
from strongroom_confidential_workflows.runner_process import RunnerProcess

INSIDE = Path(__file__).with_name("inside_runner.py")
REAL = ["-m", "strongroom_confidential_workflows.enclave"]


@cache
def refusal():
    """Why bubblewrap cannot be used here; empty when it can."""
    program = shutil.which("bwrap")
    if program is None:
        return "bubblewrap is not installed: apt-get install -y bubblewrap"
    command = [program, *bubblewrap.ISOLATION, "--ro-bind", "/", "/", "/bin/true"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return f"this machine refuses namespaces: {done.stderr.strip()}" if done.returncode else ""


def needs_bubblewrap():
    """Skip with the reason where bubblewrap cannot be used."""
    if why := refusal():
        pytest.skip(why)


def command_of(launcher, mode, configuration, *descriptors):
    """How a runner is started; with a mode of ``inside_runner`` that program instead of the real one."""
    if launcher == bubblewrap.NAME:
        needs_bubblewrap()
        device = device_of(configuration.evidence_kind, configuration.device)
        command = bubblewrap.wrapped(bubblewrap.found_program(), device, *descriptors)
    else:
        command = runner_command(*descriptors)
    if mode:
        at = command.index("-m")
        assert command[at - 1 : at + 2] == ["-I", *REAL]
        command[at : at + 2] = ["-c", INSIDE.read_text(), mode]
    assert command.count(sys.executable) == 1
    return command


def started(launcher, rig, mode=""):
    """A runner that is ready, and what it said; whoever asks closes it."""
    configuration = rig.settings.configure()
    runner = RunnerProcess(
        lambda descriptor: command_of(launcher, mode, configuration, descriptor), encode(configuration)
    )
    try:
        return runner, runner.wait_ready(30)
    except BaseException:
        runner.close()
        raise


def descendants_of(pid):
    """The process, what it started, what that started: bubblewrap stands twice above a runner."""
    found, parents = [], {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    wanted = [pid]
    while wanted:
        found += wanted
        wanted = [child for child, parent in parents.items() if parent in wanted]
    return found
