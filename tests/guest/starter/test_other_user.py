"""A pool as its unit has it: another user, other mounts, nothing of the host's to see. Guests run there as well."""

import os
import shutil
import subprocess
from pathlib import Path
from shlex import quote

import pytest

from strongroom.errors import GuestFault
from strongroom.guest.cache import CompiledCache
from strongroom.guest.limits import GuestLimits
from strongroom.guest.pool import RunnerPool
from strongroom.guest.starter.doors import listening_at
from strongroom.guest.starter.pool_client import Pool, at_path
from tests.fakes.open_folders import PROGRAM_PLACES, closed_above
from tests.fakes.pool_program import PROGRAM, WAIT_S
from tests.guest.running import execute, text_of
from tests.guest.starter.test_program import ACTIVATED

NOBODY = 65534
ROOT = Path(__file__).resolve().parents[3]

HIDDEN = (Path("/root"), Path("/tmp"))
"""What a unit does not see."""


def as_a_unit():
    """A script that does by hand what DynamicUser, PrivateTmp, ProtectHome and ProtectSystem=strict do.

    What the program consists of stays where it is, whoever may enter the folders above: they are made anew.
    """
    hidden = {*HIDDEN, *(folder for path in PROGRAM_PLACES for folder in closed_above(path))}
    hidden = [folder for folder in hidden if hidden.isdisjoint(folder.parents)]
    inside = [path for path in PROGRAM_PLACES if any(each in path.parents for each in hidden)]
    back = {path: f"/mnt/{number}" for number, path in enumerate(inside)}
    lines = ["set -e", "umask 022", "cd /", "mount -t tmpfs -o mode=755 tmpfs /mnt"]
    lines += [f"mkdir {place} && mount --rbind {quote(str(path))} {place}" for path, place in back.items()]
    lines += [f"mount -t tmpfs -o mode=755 tmpfs {quote(str(folder))}" for folder in hidden]
    lines += [
        f"mkdir -p {quote(str(path))} && mount --rbind {place} {quote(str(path))}" for path, place in back.items()
    ]
    lines += ["chmod 1777 /tmp", "mount -o remount,bind,ro /"]
    user = f"--reuid {NOBODY} --regid {NOBODY} --clear-groups"
    return "\n".join([*lines, f'exec setpriv {user} --no-new-privs --bounding-set=-all -- "$@"'])


@pytest.fixture
def unit(tmp_path):
    """The socket of a pool that is started so."""
    needed = [program for program in ("unshare", "setpriv", "mount") if shutil.which(program) is None]
    if os.geteuid() != 0 or needed:
        pytest.skip(f"to start a process as another user takes root{' and ' if needed else ''}{', '.join(needed)}")
    unshare = shutil.which("unshare")
    probe = subprocess.run([unshare, "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True)
    if probe.returncode:
        pytest.skip(f"this machine refuses mount namespaces: {probe.stderr.decode().strip()}")
    path = tmp_path / "pool.sock"
    with listening_at(path) as listening:
        number = listening.fileno()
        process = subprocess.Popen(
            [*ACTIVATED, str(number), unshare, "--mount", "/bin/sh", "-c", as_a_unit(), "sh", *PROGRAM],
            env={"PATH": os.environ["PATH"]},
            pass_fds=[number],
        )
        yield path
        process.terminate()
        assert process.wait(WAIT_S) == 0


@pytest.mark.parametrize("in_memory", [False, True], ids=["from a file without a name", "from sealed memory"])
def test_a_guest_runs_in_it_and_its_code_comes_as_a_descriptor(unit, tmp_path, mac_key, monkeypatch, in_memory):
    cache = CompiledCache(tmp_path / "cache", mac_key)
    if in_memory:
        cache._open.close()
    else:
        assert cache.code_directory is not None, "this file system has no files without a name"
    pool = RunnerPool(runners_max=1, cache=cache, limits=GuestLimits(), start=Pool(at_path(unit)).start)
    try:
        assert text_of(execute(pool, "config")) == b"config"
        [runner] = pool._fleet._idle
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{runner.pid}/status").read_text().splitlines())
        assert status["Uid"].split() == [str(NOBODY)] * 4
        assert status["CapEff"] == "0" * 16
        assert Path(f"/proc/{runner.pid}/ns/mnt").readlink() != Path("/proc/self/ns/mnt").readlink()
        assert {"seccomp", "no-new-privs", "dies-with-parent"} <= set(runner.ready.protections)
        assert any(name.startswith("landlock") for name in runner.ready.protections)
        pid = runner.pid
        runner.kill()
        assert runner._process.wait(WAIT_S) == -9
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        with pytest.raises(GuestFault):
            execute(pool, "trap")
        assert text_of(execute(pool, "config")) == b"config"
    finally:
        pool.close()
