"""kill -9 under load, twenty times: the promises that the host makes, in figures."""

import tempfile
from pathlib import Path

from tests.faults.storm import Storm

CYCLES = 20
CLIENTS = 8
LOAD_S = 0.5


def test_twenty_kills_under_load_lose_nothing_and_end_nothing_twice(capsys):
    with tempfile.TemporaryDirectory(prefix="sr-") as directory:
        storm = Storm(Path(directory), clients=CLIENTS, seed=20)
        storm.register()
        for _ in range(CYCLES):
            storm.cycle(LOAD_S)
        verdict, integrity = storm.finish()
    with capsys.disabled():
        print(f"\n{CYCLES} kill -9 under {CLIENTS} clients: {verdict.text()}")
    assert not verdict.problems(), verdict.problems()
    assert integrity == "ok"
    assert verdict.finals["completed"] == verdict.acknowledged > CYCLES
    assert verdict.steps_accepted > 0
