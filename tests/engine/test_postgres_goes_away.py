"""A PostgreSQL that is stopped in the middle of a run: nothing is lost, repeated, or waits for a restart."""

import pytest

from strongroom.engine.admission import Start
from strongroom.errors import StorageFault, Unavailable
from strongroom.storage.database import Database
from tests.fakes.postgres import running_postgres, wheel
from tests.fakes.workflow_host import OWNER, Gate, WorkflowHost, value

WAIT_S = 60


def test_a_run_whose_database_was_away_at_its_end_completes_when_it_is_back(monkeypatch):
    monkeypatch.setattr("strongroom.engine.running.RETRY_S", 0.05)
    with running_postgres(wheel()) as server:
        database = Database.open(server.create_database())
        host = WorkflowHost(database)
        host.register()
        gate = Gate()
        host.module.on_trigger = gate
        header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
        assert gate.entered.wait(WAIT_S)
        server.stop()
        gate.release.set()
        with pytest.raises((Unavailable, StorageFault)):
            host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
        server.start()
        finished, outcome = host.engine.wait(header.run_id, WAIT_S)
        assert finished.status == "completed"
        assert outcome.result == value("released")
        assert len(host.module.executed) == 1
        assert host.engine.get(header.run_id).status == "completed"
        host.close()
        database.close()
