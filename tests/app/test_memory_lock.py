"""The host cannot make memory executable, its runners can, and what is in force is what is said."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom.app.hardening import Kernel
from tests.fakes.pool_program import PoolProgram

ROOT = Path(__file__).parents[2]
NOTHING = {"written and executed": "Permission denied", "written": "refused"}
ALL = {"written and executed": "executable", "written": "executable"}

pytestmark = pytest.mark.skipif(bool(Kernel().knows()), reason="this kernel has no PR_SET_MDWE, Linux 6.3 has")


def host(directory, kernel, *pool_socket):
    """What a process says that locked itself so, see ``tests.fakes.locked_host``."""
    command = [sys.executable, "-m", "tests.fakes.locked_host", str(directory), kernel, *map(str, pool_socket)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("kernel", "way", "made"),
    [
        ("real", "locked by itself", NOTHING),
        ("before 6.6", "locked, runners from a process started before", NOTHING),
        ("before 6.3", "not locked: this kernel has no lock for it, Linux 6.3 has (Invalid argument)", ALL),
    ],
)
def test_guests_run_whatever_the_kernel_can_lock_and_the_host_says_which(tmp_path, kernel, way, made):
    found = host(tmp_path, kernel)
    assert (found["way"], found["made"], found["ran"]) == (way, made, "config")
    assert "seccomp" in found["protections"]


def test_plugins_have_runners_started_where_the_lock_is_theirs_too(tmp_path):
    assert host(tmp_path / "a", "real")["pool_socket"] == ""
    path = Path(host(tmp_path / "b", "before 6.6")["pool_socket"])
    assert path == tmp_path / "b" / "run" / "runners" / "pool.sock"
    assert not path.exists(), "it is gone with the host"


@pytest.mark.parametrize("kernel", ["real", "before 6.6", "of the unit"])
def test_with_a_pool_of_another_unit_the_host_is_locked_and_starts_nothing(tmp_path, kernel):
    program = PoolProgram(tmp_path / "pool.sock")
    found = host(tmp_path, kernel, program.path)
    assert (found["way"], found["made"], found["ran"]) == ("two units", NOTHING, "config")
    assert found["pool_socket"] == str(program.path)
    program.close()


def test_a_pool_does_not_make_up_for_a_lock_that_is_missing(tmp_path):
    program = PoolProgram(tmp_path / "pool.sock")
    assert host(tmp_path, "before 6.3", program.path)["way"].startswith("not locked: this kernel has no lock")
    program.close()


def test_a_lock_that_the_kernel_does_not_keep_is_not_believed(tmp_path):
    assert host(tmp_path, "forgetful")["way"] == "not locked: the kernel accepts the lock and does not keep it"


def test_a_host_whose_unit_is_locked_does_not_start_runners_that_could_execute_nothing(tmp_path):
    assert host(tmp_path, "of the unit")["refused"].startswith("SR-GUEST-038 ")


def test_a_path_too_long_for_a_socket_costs_plugins_their_runners_and_nobody_else(tmp_path):
    deep = tmp_path / ("d" * 100)
    found = host(deep, "before 6.6")
    assert (found["way"], found["ran"], found["pool_socket"]) == (
        "locked, runners from a process started before",
        "config",
        "",
    )
