"""Runs that stand although storing them was told to have failed: executed when the database is back, and stoppable."""

from concurrent.futures import Future

import pytest
from sqlalchemy import text

from strongroom.engine import unsure
from strongroom.engine.admission import Start
from strongroom.engine.catalog import Catalog
from strongroom.engine.journal import Journals
from strongroom.engine.run_journal import RunJournal
from strongroom.engine.unsure import Unsure
from strongroom.errors import StorageFault, Tampered, Unavailable, WrongState
from strongroom.storage import runs
from tests.fakes.scripted_guest import WAIT_S, until
from tests.fakes.workflow_host import OWNER

AWAY = Unavailable("SR-STORE-002", "the database cannot be reached")


@pytest.fixture
def away(host, monkeypatch):
    """The database commits a new run, and goes away before it says so; then reads fail until the test lets them."""
    begin, get, back = RunJournal.begin, Journals.get, []

    def lost(self, *arguments, **named):
        begin(self, *arguments, **named).result()
        answer = Future()
        answer.set_exception(AWAY)
        return answer

    def unread(self, run_id):
        if not back:
            raise AWAY
        return get(self, run_id)

    host.register()
    monkeypatch.setattr(unsure, "LOOK_S", 0.01)
    with monkeypatch.context() as gone:
        gone.setattr(RunJournal, "begin", lost)
        monkeypatch.setattr(Journals, "get", unread)
        with pytest.raises(Unavailable):
            host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    return back


def the_run(host):
    return host.database.read(lambda connection: runs.page(connection, limit=2))[0]


def test_it_is_executed_once_the_database_answers(host, away):
    run = the_run(host)
    assert (run.status, host.module.executed) == ("pending", [])
    away.append("back")
    until(lambda: the_run(host).status == "completed")
    assert host.module.executed == [run.execution_id]
    assert not host.engine.admission._unsure._is_looking
    assert Catalog(host.host).delete(OWNER, "wf", validate_only=False, drain_s=WAIT_S) == run.workflow_id


@pytest.mark.parametrize("verb", ["cancel", "kill"])
def test_it_is_stopped_without_being_executed(host, away, verb, monkeypatch):
    host.engine.admission._unsure._runs.clear()
    until(lambda: not host.engine.admission._unsure._is_looking or not host.engine.admission._unsure._runs)
    away.append("back")
    run = the_run(host)
    stop = {
        "cancel": lambda: host.engine.cancel(run.run_id, "no", WAIT_S),
        "kill": lambda: host.engine.kill(run.run_id, "no"),
    }
    assert stop[verb]().status == "cancelled"
    assert the_run(host).status == "cancelled"
    assert host.module.executed == []


def test_a_run_whose_journal_was_damaged_can_be_killed_and_its_workflow_deleted(host, monkeypatch):
    host.register()
    monkeypatch.setattr(host.engine.dispatcher, "submit", lambda handle: None)
    run, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    host.engine.dispatcher.release(host.engine.dispatcher.get(run.run_id))
    host.database.write(lambda c: c.execute(text("UPDATE run_events SET sealed = :x"), {"x": b"damaged" * 10})).result()
    assert host.engine.resume() == 1
    until(lambda: run.run_id not in host.engine.dispatcher)
    assert the_run(host).status == "pending", "nothing of it is believed, so it is not executed"
    with pytest.raises(WrongState, match="1 unfinished runs"):
        Catalog(host.host).delete(OWNER, "wf", validate_only=False)
    assert host.engine.kill(run.run_id, "damaged").status == "cancelled"
    assert Catalog(host.host).delete(OWNER, "wf", validate_only=False) == run.workflow_id
    assert host.module.executed == []


def test_what_failed_for_certain_is_not_looked_for():
    looked = []
    watch = Unsure(looked.append, lambda: False)
    for error in (WrongState("SR-RUN-021", "changed"), ValueError()):
        watch.note("wrun_1", error)
    assert (watch._runs, looked) == ([], [])


def test_a_run_that_is_not_authentic_keeps_no_other_waiting(caplog):
    looked = []

    def take_up(run_id):
        if run_id == "wrun_1":
            raise Tampered("run wrun_1")
        looked.append(run_id)

    watch = Unsure(take_up, lambda: False)
    watch.note("wrun_1", StorageFault("SR-STORE-001", "refused"))
    watch.note("wrun_2", AWAY)
    until(lambda: not watch._is_looking)
    assert looked == ["wrun_2"]
    assert "a run is not taken up" in caplog.text


def test_a_storm_of_starts_is_remembered_up_to_a_limit(monkeypatch):
    monkeypatch.setattr(unsure, "RUNS_MAX", 3)
    watch = Unsure(lambda run_id: None, lambda: True)
    watch._is_looking = True
    for number in range(5):
        watch.note(f"wrun_{number}", AWAY)
    assert len(watch._runs) == 3
