"""kill -9 at every named point between a scheduled second and its confirmed run: each second is one run."""

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.fakes.ticking import EVERY_SECOND, ticking_daemon, wait_for_events, without_gaps
from tests.faults.trigger_points import POINTS, PROGRAM
from tests.guests.build import guest

DIES_S = 30
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def ticking():
    state = Path(tempfile.mkdtemp(prefix="sr-"))
    daemon = ticking_daemon(state)
    yield daemon
    if daemon.process.poll() is None:
        daemon.kill()
    shutil.rmtree(state, ignore_errors=True)


@pytest.mark.parametrize("name", POINTS)
def test_kill_9_at(ticking, name):
    shipped = ticking.program
    ticking.program = PROGRAM
    # The third passage: the schedule is registered by then, and has fired.
    ticking.variables |= {"STRONGROOM_FAILPOINT": f"{name}:kill:3", "PYTHONPATH": str(ROOT)}
    ticking.start()
    with ticking.channel() as api:
        api.register(guest("scheduled"), "ticks", config=EVERY_SECOND)
    assert ticking.process.wait(DIES_S) == -9, "the point was not passed"
    ticking.program = shipped
    ticking.variables.clear()
    ticking.start()
    with ticking.channel() as api:
        found = wait_for_events(api, 4)
        assert without_gaps(found), found
    assert ticking.stop() == 0
