"""Runs that are old enough to go, their journals, and the memory of their events."""

import pytest
from sqlalchemy import text

from strongroom.storage import journal, runs, seen_events
from strongroom.storage.database import Database
from strongroom.storage.engines import parse_url, writer_engine
from tests.fakes.rows import event_row, run_row
from tests.storage.test_schema import migrate


def add(database, *rows):
    for row in rows:
        database.write(lambda conn, row=row: runs.insert(conn, row)).result()


def ended(number, **changes):
    values = {"status": "completed", "created_at": number, "finished_at": number + 10}
    return run_row(number, **(values | changes))


def before(database, ms, limit=10, **filters):
    return database.read(lambda conn: runs.finished_before(conn, ms, limit, **filters))


def test_runs_that_ended_long_ago_come_oldest_first_in_pages(database):
    rows = [ended(number) for number in range(1, 8)]
    add(database, *rows[::-1])
    seen, after = [], None
    while page := before(database, 16, limit=2, after=after):
        seen += page
        after = page[-1].created_at, page[-1].run_id
    assert seen == rows[:5], "those that ended at 16 or later stay"


def test_runs_that_have_not_ended_stay_however_old_they_are(database):
    add(database, *[run_row(n, status=s, created_at=1) for n, s in enumerate(("pending", "running", "waiting"))])
    assert before(database, 2**50) == []
    assert not database.write(lambda conn: runs.delete(conn, run_row(0).run_id)).result()
    assert database.read(lambda conn: runs.get(conn, run_row(0).run_id)) is not None


def test_old_runs_are_found_by_workflow(database):
    add(database, ended(1), ended(2, workflow_id="w2"))
    assert before(database, 100, workflow_id="w2") == [ended(2, workflow_id="w2")]


def test_a_run_goes_with_its_journal_and_leaves_others_alone(database):
    add(database, ended(1), ended(2))
    for row in (ended(1), ended(2)):
        for index in range(3):
            event = event_row(row, index)
            database.write(lambda conn, event=event: journal.append(conn, event)).result()
    gone = ended(1).run_id
    assert database.write(lambda conn: (journal.delete(conn, gone), runs.delete(conn, gone))).result() == (3, True)
    assert not database.write(lambda conn: runs.delete(conn, gone)).result()
    assert database.read(lambda conn: runs.events(conn, gone, start=0, limit=9)) == []
    assert len(database.read(lambda conn: runs.events(conn, ended(2).run_id, start=0, limit=9))) == 3


def test_unfinished_runs_come_in_pages(database):
    rows = [run_row(number, created_at=5 + number // 2) for number in range(5)]
    add(database, *rows, run_row(9, status="completed"))
    seen, after = [], None
    while page := database.read(lambda conn, a=after: runs.unfinished_page(conn, after=a, limit=2)):
        seen += page
        after = page[-1].created_at, page[-1].run_id
    assert seen == rows


def test_the_columns_of_waiting_and_repeated_runs_are_kept(database):
    row = run_row(1, status="waiting", wake_at=2**53, parent_run_id="wrun_parent")
    add(database, row)
    assert database.read(lambda conn: runs.get(conn, row.run_id)) == row
    awake = run_row(1, status="running", parent_run_id="wrun_parent")
    database.write(lambda conn: runs.replace(conn, awake)).result()
    assert database.read(lambda conn: runs.get(conn, row.run_id)) == awake


def seen(database, event_id, index=0):
    return database.read(lambda conn: seen_events.run_of(conn, "w", index, event_id))


def test_an_event_is_remembered_until_its_time_is_over(database):
    for event_id, expires_at in (("early", 10), ("late", 20)):
        database.write(
            lambda conn, e=event_id, x=expires_at: seen_events.put(conn, "w", 0, e, run_id=f"run {e}", expires_at=x)
        ).result()
    assert (seen(database, "early"), seen(database, "late")) == ("run early", "run late")
    assert seen(database, "early", index=1) is None
    assert database.write(lambda conn: seen_events.forget_expired(conn, 10)).result() == 1
    assert (seen(database, "early"), seen(database, "late")) == (None, "run late")


def test_remembering_an_event_again_keeps_it_for_longer(database):
    for expires_at in (10, 30):
        database.write(lambda conn, x=expires_at: seen_events.put(conn, "w", 0, "e", run_id="r", expires_at=x)).result()
    assert database.write(lambda conn: seen_events.forget_expired(conn, 20)).result() == 0


@pytest.mark.parametrize("column", ["parent_run_id", "wake_at", "assurance"])
def test_runs_from_before_have_empty_columns_that_no_mac_counts(empty_url, column):
    migrate(empty_url, "0002")
    engine = writer_engine(parse_url(empty_url))
    values = run_row(1).columns() | {"mac": b"m"}
    for later in ("parent_run_id", "wake_at", "assurance"):
        del values[later]
    names = ", ".join(values)
    with engine.connect() as connection, connection.begin():
        # The names are this test's own columns.
        statement = f"INSERT INTO runs ({names}) VALUES ({', '.join(':' + name for name in values)})"
        connection.execute(text(statement), values)
    engine.dispose()
    database = Database.open(empty_url)
    row = database.read(lambda conn: runs.get(conn, run_row(1).run_id))
    assert row == run_row(1, mac=b"m")
    assert row.columns()[column] in (None, ""), "the MAC of a row leaves out what is empty"
    database.close()
