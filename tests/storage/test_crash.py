"""What was acknowledged is there after kill -9, whole, and nothing else is half there."""

import subprocess
import sys
from pathlib import Path

import pytest

from strongroom.storage.database import Database
from tests.fakes.rows import run_row

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("acknowledged", [1, 40, 700], ids=["at the first run", "early", "in full flight"])
def test_every_acknowledged_run_survives_a_kill(url, backend, acknowledged):
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.storage.crash_child", url], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        told = [int(child.stdout.readline()) for _ in range(acknowledged)]
    finally:
        child.kill()
        rest, _ = child.communicate()
    # A last line may be cut; a number is acknowledged once its line is complete.
    told += [int(line) for line in rest.split("\n")[:-1]]

    database = Database.open(url)
    if backend == "sqlite":
        assert database.read(lambda conn: conn.exec_driver_sql("PRAGMA integrity_check").scalar()) == "ok"
    queries = ("SELECT run_id FROM runs", "SELECT run_id FROM run_events")
    stored, journals = database.read(
        lambda conn: [{row[0] for row in conn.exec_driver_sql(query)} for query in queries]
    )
    database.close()
    assert {run_row(number).run_id for number in told} <= stored
    assert stored == journals
