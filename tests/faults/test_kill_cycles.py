"""kill -9 under load, again and again: the promises that the host makes, in figures."""

import tempfile
from pathlib import Path

import pytest

from tests.faults.scale import SCALE
from tests.faults.storm import Storm

LOAD_S = 0.4


@pytest.mark.timeout(0)
def test_kills_under_load_lose_nothing_and_end_nothing_twice(figure):
    with tempfile.TemporaryDirectory(prefix="sr-") as directory:
        storm = Storm(Path(directory), clients=SCALE.kill_clients, seed=20)
        storm.register()
        for _ in range(SCALE.kill_cycles):
            storm.cycle(LOAD_S)
        verdict, integrity = storm.finish()
    figure(f"{SCALE.kill_cycles} kill -9, {SCALE.kill_clients} clients", "0 lost, 0 twice", verdict.text())
    assert not verdict.problems(), verdict.problems()
    assert integrity == "ok"
    assert verdict.finals["completed"] == verdict.acknowledged > SCALE.kill_cycles
    assert verdict.steps_accepted > 0
