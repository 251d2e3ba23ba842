"""``run_started`` is stored with what follows it, or soon; nothing of a run depends on which."""

import threading

import pytest
from sqlalchemy import event

from strongroom.engine.admission import Start
from strongroom.storage import runs, writer
from tests.fakes.workflow_host import OWNER, WorkflowHost, value

WAIT_S = 30


@pytest.fixture
def patient(host, monkeypatch):
    """A host whose database holds back for long what may wait."""
    monkeypatch.setattr(writer, "JOIN_S", 60)
    host.register()
    return host


def start(host):
    header, _created = host.engine.start(Start(owner=OWNER, workflow="wf"))
    return header.run_id


def event_types(host, run_id):
    return [row.event_type for row in host.database.read(lambda conn: runs.events(conn, run_id, start=0, limit=9))]


def test_a_short_run_takes_two_commits_and_its_journal_holds_all_three_events(patient):
    commits = []
    event.listen(patient.database._writing, "commit", commits.append)
    run_id = start(patient)
    patient.engine.wait(run_id, WAIT_S)
    assert len(commits) == 2, "one before the run is accepted, one before its end is told"
    assert event_types(patient, run_id) == ["run_created", "run_started", "run_completed"]
    header = patient.engine.get(run_id)
    assert (header.status, header.head_index, header.backend) == ("completed", 2, "local")
    assert len(patient.host.journals.read(header)) == 3, "every event is authentic"


def test_a_run_that_goes_on_is_shown_as_running_with_the_next_commit(patient):
    begun, go = threading.Event(), threading.Event()
    patient.module.on_trigger = lambda request, helper: begun.set() or (go.wait(WAIT_S) and value("done"))
    run_id = start(patient)
    assert begun.wait(WAIT_S)
    patient.database.write(lambda conn: None).result(WAIT_S)
    header = patient.engine.get(run_id)
    assert (header.status, header.head_index) == ("running", 1)
    go.set()
    patient.engine.wait(run_id, WAIT_S)
    assert event_types(patient, run_id) == ["run_created", "run_started", "run_completed"]
    assert len(patient.host.journals.read(patient.engine.get(run_id))) == 3


def test_a_run_that_is_cut_off_before_it_was_stored_as_started_is_executed_again(patient):
    begun, go = threading.Event(), threading.Event()
    patient.module.on_trigger = lambda request, helper: begun.set() or (go.wait(WAIT_S) and value("too late"))
    run_id = start(patient)
    assert begun.wait(WAIT_S)
    patient.engine.dispatcher.close()
    assert patient.engine.dispatcher.get(run_id).journal._waiting.stored.cancel(), "the crash takes it along"
    assert event_types(patient, run_id) == ["run_created"]
    after = WorkflowHost(patient.database)
    assert after.engine.resume() == 1
    _header, outcome = after.engine.wait(run_id, WAIT_S)
    assert outcome.result == value("done")
    go.set()
    patient.engine.dispatcher.drain(WAIT_S)
    assert event_types(patient, run_id) == ["run_created", "run_started", "run_completed"]
    after.close()
