"""The first, second, third … call to the disk fails, until a whole run meets no failure, as SQLite is tested.

Beside ``test_disk_faults.py`` this fails the calls of all files of the host, its audit log among them.
"""

import itertools
import tempfile
from pathlib import Path

import pytest

from tests.faults.figures import record
from tests.faults.scale import NIGHTLY
from tests.faults.small_runs import GREET, SmallRuns
from tests.faults.syscalls import Injection
from tests.faults.workspace_storm import quiet_daemon

DEMANDED_RECOVERY_S = 5
CALLS = ("fsync,fdatasync", "pwrite64")
ERRORS = ("EIO", "ENOSPC")
NUMBER_MAX = 200 if NIGHTLY else 8
"""In a night the loop ends by itself, when a whole run has fewer calls than that."""


@pytest.fixture(scope="module")
def runs():
    with tempfile.TemporaryDirectory(prefix="sr-") as directory:
        made = SmallRuns(quiet_daemon(Path(directory)).start())
        with made.daemon.channel() as api:
            api.register(GREET, "greet")
        yield made
        made.daemon.kill()


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("calls", CALLS)
@pytest.mark.timeout(0)
def test_no_call_that_fails_makes_a_false_acknowledgement(runs, calls, error):
    failures = whole = 0
    before = len(runs.acknowledged)
    with runs.daemon.channel() as api:
        for number in itertools.count(1):
            # With all that follow it until there is an answer, and then alone, somewhere in a whole run.
            for once in (False, True):
                with Injection(runs.daemon.process.pid, calls, error, number, once=once) as injection:
                    runs.execute(api) if once else runs.start(api)
                    failed = injection.end()
                failures += failed
                runs.wait_until_it_works(api)
            whole = number
            if not failed or number == NUMBER_MAX:
                break
    found, untyped = runs.settle(), runs.untyped()
    runs.daemon.start()
    ended = "a whole run passed" if not failed else "stopped there"
    record(
        "D4",
        f"{error} of {calls} number 1 to {whole}, {ended}",
        demanded="no false acknowledgement, typed errors, works within 5 s",
        measured=f"{failures} failed, {runs.kept(found)}, {len(untyped)} untyped, {runs.slowest_s:.1f} s",
        met=not found and not untyped and runs.slowest_s <= DEMANDED_RECOVERY_S,
    )
    assert failures > 0, "the tool failed nothing"
    assert len(runs.acknowledged) >= before
    assert (found, untyped) == ({}, [])
