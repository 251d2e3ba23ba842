"""kill -9 at every named point between a scheduled second and its confirmed run: each second is one run."""

import tempfile
from pathlib import Path

import pytest

from tests.fakes.ticking import EVERY_SECOND, events, ticking_daemon, wait_for_events, without_gaps
from tests.faults.failpoints import arm
from tests.faults.trigger_points import POINTS, PROGRAM
from tests.guests.build import guest

DIES_S = 30
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def ticking():
    """A daemon with all failpoints, and a schedule that has fired. It is killed at one after another."""
    with tempfile.TemporaryDirectory(prefix="sr-") as directory:
        daemon = ticking_daemon(Path(directory))
        daemon.program = PROGRAM
        daemon.variables |= {"STRONGROOM_FAILPOINTS": str(armed(daemon)), "PYTHONPATH": str(ROOT)}
        daemon.start()
        with daemon.channel() as api:
            api.register(guest("scheduled"), "ticks", config=EVERY_SECOND)
            wait_for_events(api, 1)
        yield daemon
        assert daemon.stop() == 0


def armed(daemon):
    return daemon.state / "armed"


@pytest.mark.parametrize("name", POINTS)
def test_kill_9_at(ticking, name):
    with ticking.channel() as api:
        before = events(api)
    arm(armed(ticking), name)
    try:
        assert ticking.process.wait(DIES_S) == -9, "the point was not passed"
    finally:
        armed(ticking).unlink()
    ticking.start()
    with ticking.channel() as api:
        # The second in which it was killed, and one of the new process at the least.
        found = wait_for_events(api, len(before) + 3)
    assert found[: len(before)] == before
    assert without_gaps(found), found
