"""kill -9 under load, again and again: the promises that the host makes, in figures."""

import tempfile
from pathlib import Path

import pytest

from tests.fakes.postgres import running_postgres, wheel
from tests.faults.figures import record
from tests.faults.scale import NIGHTLY, SCALE
from tests.faults.storm import Storm

LOAD_S = 0.4


def judge(storm, cycles, where):
    """Kill that often, record what came of it, and what is wrong."""
    storm.register()
    for _ in range(cycles):
        storm.cycle(LOAD_S)
    verdict = storm.judge()
    why = storm.why(verdict.not_completed)
    assert storm.daemon.stop() == 0
    what = f"{cycles} kill -9, {len(storm.clients)} clients, {where}"
    demanded = "0 lost, 0 ended twice, 0 acted twice"
    record("D1", what, demanded=demanded, measured=verdict.text(), met=not verdict.problems())
    assert not verdict.problems(), verdict.problems()
    assert verdict.finals["completed"] == verdict.acknowledged > cycles, why
    assert verdict.steps_accepted > 0


@pytest.mark.timeout(0)
def test_kills_under_load_lose_nothing_and_end_nothing_twice():
    with tempfile.TemporaryDirectory(prefix="sr-") as directory:
        storm = Storm(Path(directory), clients=SCALE.kill_clients, seed=20)
        judge(storm, SCALE.kill_cycles, "SQLite")
        assert storm.integrity() == "ok"


if NIGHTLY:

    @pytest.mark.timeout(0)
    def test_kills_of_a_host_whose_database_is_elsewhere_lose_nothing_either():
        with tempfile.TemporaryDirectory(prefix="sr-") as directory, running_postgres(wheel()) as server:
            url = server.create_database()
            storm = Storm(Path(directory), clients=SCALE.kill_clients, seed=21, url=url)
            judge(storm, SCALE.kill_cycles_elsewhere, "PostgreSQL")
