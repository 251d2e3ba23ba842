"""The start of a run is on record before anybody hears of it; what cannot be recorded is not executed."""

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.runids import new_run_id
from strongroom.errors import Conflict, Unavailable
from tests.fakes.audit_book import AuditBook
from tests.fakes.workflow_host import OWNER


@pytest.fixture
def book(host):
    host.host.audit = AuditBook()
    return host.host.audit


def wish(**fields):
    return Start(owner=OWNER, workflow="wf", json=b'"c0ffee"', **fields)


def test_a_start_is_recorded_with_the_names_of_run_and_workflow_and_nothing_of_its_input(host, book):
    workflow = host.register().spec.workflow_id
    header, _ = host.engine.start(wish())
    (record,) = book.records
    assert (record.action, record.subject, record.owner) == ("run.start", header.run_id, OWNER)
    assert record.facts == {"workflow_id": workflow, "workflow": "wf", "module": "local"}
    assert "c0ffee" not in repr(record)


def test_a_start_that_finds_its_run_says_so_behind_its_record(host, book):
    host.register()
    run_id = new_run_id()
    host.engine.start(wish(run_id=run_id))
    host.engine.wait(run_id, 10)
    again, created = host.engine.start(wish(run_id=run_id))
    assert (again.run_id, created) == (run_id, False)
    assert [each[2] for each in book.told()] == ["done", "done", "SR-STORE-022"]


def test_a_start_that_is_refused_by_the_database_says_so_behind_its_record(host, book):
    host.register()
    run_id = new_run_id()
    host.engine.start(wish(run_id=run_id))
    host.engine.wait(run_id, 10)
    with pytest.raises(Conflict):
        host.engine.start(Start(owner=OWNER, workflow="wf", json=b"2", run_id=run_id))
    assert [each[0] for each in book.told()] == ["run.start"] * len(book.records)
    assert book.records[-1].outcome.startswith("SR-")


def test_no_run_is_begun_while_the_log_takes_nothing(host, book):
    host.register()
    book.fails = True
    with pytest.raises(Unavailable) as refused:
        host.engine.start(wish())
    assert refused.value.code == "SR-AUDIT-010"
    assert host.host.journals.database.read(lambda c: c.exec_driver_sql("SELECT count(*) FROM runs").scalar()) == 0


def test_a_run_whose_record_fails_beside_its_commit_is_ended_before_its_guest_is_executed(host, book):
    host.register()
    book.check = lambda: None
    book.fails = True
    with pytest.raises(Unavailable):
        host.engine.start(wish())
    run_id, status = host.host.journals.database.read(
        lambda c: c.exec_driver_sql("SELECT run_id, status FROM runs").one()
    )
    assert status == "cancelled"
    assert host.module.executed == []
    assert run_id not in host.engine.dispatcher


def test_what_was_accepted_stays_accepted_while_the_log_takes_nothing(host, book):
    host.register()
    run_id = new_run_id()
    host.engine.start(wish(run_id=run_id))
    book.fails = True
    again, created = host.engine.start(wish(run_id=run_id))
    assert (again.run_id, created) == (run_id, False)


def test_a_run_goes_on_where_what_cannot_be_recorded_is_done_all_the_same(host, book):
    host.register()
    book.fails, book.degrades = True, True
    header, _ = host.engine.start(wish())
    assert host.engine.wait(header.run_id, 10)[0].status == "completed"
