"""One thread writes, in groups, and survives whatever happens to a group."""

import threading
from concurrent.futures import CancelledError, wait

import pytest
from sqlalchemy import event

from strongroom.errors import Conflict, Internal, StorageFault, Unavailable
from strongroom.storage import meta, runs, writer
from strongroom.storage.database import Database
from strongroom.storage.engines import parse_url, reader_engine, writer_engine
from tests.fakes.failing_sqlite import FailingConnection
from tests.fakes.rows import event_row, run_row


class Held:
    """Keeps the writer busy with one job, so that what is queued meanwhile becomes one batch."""

    def __init__(self, database):
        self.database = database
        self.entered, self.go = threading.Event(), threading.Event()

    def __enter__(self):
        self.future = self.database.write(lambda _conn: (self.entered.set(), self.go.wait(30)))
        assert self.entered.wait(30)
        return self

    def __exit__(self, *_error):
        self.go.set()
        self.future.result(30)


def put(name, value="v"):
    return lambda conn: meta.set(conn, name, value)


def names(database, *asked):
    return [database.read(lambda conn, name=name: meta.get(conn, name)) for name in asked]


def test_jobs_that_wait_together_share_one_commit(database):
    commits = []
    with Held(database):
        event.listen(database._writing, "commit", commits.append)
        futures = [database.write(put(f"n{number}")) for number in range(50)]
    for future in futures:
        future.result(30)
    assert len(commits) == 2, "one for the job that held the writer, one for the fifty"


def test_a_future_resolves_after_its_commit(database):
    seen = database.write(put("a")).add_done_callback
    read = threading.Event()
    values = []
    seen(lambda _future: (values.extend(names(database, "a")), read.set()))
    assert read.wait(30)
    assert values == ["v"]


def test_a_job_gives_its_result(database):
    assert database.write(lambda _conn: 42).result(30) == 42


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "in a batch"])
def test_a_failing_job_fails_alone_and_leaves_nothing(database, alone):
    def failing(conn):
        meta.set(conn, "failed", "v")
        raise ValueError("mine")

    if alone:
        bad = database.write(failing)
        good = [database.write(put("good1"))]
    else:
        with Held(database):
            good = [database.write(put("good1"))]
            bad = database.write(failing)
            good.append(database.write(put("good2")))
    with pytest.raises(ValueError, match="mine"):
        bad.result(30)
    wait(good, 30)
    assert names(database, "good1", "failed") == ["v", None]


def test_a_statement_that_the_database_refuses_fails_its_job_alone(database):
    with Held(database):
        bad = database.write(lambda conn: conn.exec_driver_sql("INSERT INTO meta (name) VALUES ('secret value')"))
        good = database.write(put("good"))
    good.result(30)
    with pytest.raises(StorageFault) as caught:
        bad.result(30)
    assert caught.value.code == "SR-STORE-001"
    assert caught.value.__cause__ is not None


def test_a_job_that_swallows_a_refusal_does_not_take_others_along(database):
    def swallowing(conn):
        with pytest.raises(Exception, match="meta"):
            conn.exec_driver_sql("INSERT INTO meta (name) VALUES ('n')")

    with Held(database):
        swallowed = database.write(swallowing)
        good = database.write(put("good"))
    good.result(30)
    wait([swallowed], 30)
    assert names(database, "good") == ["v"]


def test_two_runs_of_one_event_in_one_batch_give_one_conflict(database):
    with Held(database):
        first = database.write(lambda conn: runs.insert(conn, run_row(1)))
        second = database.write(lambda conn: runs.insert(conn, run_row(2, event_id=run_row(1).event_id)))
    first.result(30)
    with pytest.raises(Conflict):
        second.result(30)


def test_a_cancelled_future_is_not_run(database):
    with Held(database):
        cancelled = database.write(put("cancelled"))
        assert cancelled.cancel()
        good = database.write(put("good"))
    good.result(30)
    with pytest.raises(CancelledError):
        cancelled.result(30)
    assert names(database, "cancelled", "good") == [None, "v"]


def test_an_exit_in_a_job_is_its_own(database):
    def leaving(_conn):
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        database.write(leaving).result(30)
    database.write(put("good")).result(30)


def test_a_full_queue_is_refused_with_its_limit(database, monkeypatch):
    monkeypatch.setattr(writer, "QUEUE_JOBS_MAX", 2)
    with Held(database):
        queued = [database.write(put("a")), database.write(put("b"))]
        with pytest.raises(Unavailable) as caught:
            database.write(put("c"))
    assert caught.value.details["limit"] == 2
    wait(queued, 30)
    assert names(database, "a", "b", "c") == ["v", "v", None]


def test_closing_finishes_what_was_accepted_and_refuses_the_rest(url):
    database = Database.open(url)
    futures = [database.write(put(f"n{number}")) for number in range(600)]
    database.close()
    database.close()
    assert all(future.done() and future.exception() is None for future in futures)
    with pytest.raises(Unavailable, match="closed"):
        database.write(put("late"))
    again = Database.open(url)
    assert names(again, "n0", "n599", "late") == ["v", "v", None]
    again.close()


@pytest.fixture
def failing(tmp_path):
    """A database on a disk that fails while ``FailingConnection.failure`` is set."""
    parsed = parse_url(f"sqlite:///{tmp_path}/strongroom.db")
    Database.open(str(parsed)).close()
    database = Database(writer_engine(parsed, factory=FailingConnection), reader_engine(parsed))
    yield database
    FailingConnection.failure = ""
    database.close()


@pytest.mark.parametrize(
    ("failure", "code"),
    [("SQLITE_IOERR_FSYNC", "SR-STORE-001"), ("SQLITE_FULL", "SR-STORE-005"), ("SQLITE_BUSY", "SR-STORE-004")],
)
def test_a_failed_commit_fails_every_job_of_its_batch_and_the_next_batch_works(failing, failure, code):
    failing.write(put("before")).result(30)
    entered, go = threading.Event(), threading.Event()
    held = failing.write(lambda _conn: (entered.set(), go.wait(30)))
    assert entered.wait(30)
    lost = [failing.write(put(f"lost{number}")) for number in range(3)]
    FailingConnection.failure = failure
    go.set()
    for future in [held, *lost]:
        with pytest.raises((StorageFault, Unavailable)) as caught:
            future.result(30)
        assert caught.value.code == code
    FailingConnection.failure = ""
    failing.write(put("after")).result(30)
    assert names(failing, "before", "after", "lost0", "lost2") == ["v", "v", None, None]


@pytest.mark.parametrize("jobs", [1, 3], ids=["alone", "in a batch"])
def test_a_full_disk_is_survived_without_a_restart(failing, jobs):
    """``max_page_count`` makes SQLite itself run out of room, in the middle of a statement."""
    run = run_row(1)
    with Held(failing):
        pass
    failing.write(lambda conn: conn.exec_driver_sql("PRAGMA max_page_count=1")).result(30)
    entered, go = threading.Event(), threading.Event()
    held = failing.write(lambda _conn: (entered.set(), go.wait(30)))
    assert entered.wait(30)
    big = [
        failing.write(lambda conn, index=index: runs.append(conn, event_row(run, index, sealed=bytes(500_000))))
        for index in range(jobs)
    ]
    go.set()
    held.result(30)
    for future in big:
        with pytest.raises(StorageFault) as caught:
            future.result(30)
        assert caught.value.code == "SR-STORE-005"
    failing.write(lambda conn: conn.exec_driver_sql("PRAGMA max_page_count=1000000")).result(30)
    failing.write(lambda conn: runs.append(conn, event_row(run, 0, sealed=bytes(500_000)))).result(30)
    assert len(failing.read(lambda conn: runs.events(conn, run.run_id, start=0, limit=9))) == 1


def test_a_connection_that_cannot_be_opened_fails_the_batch_only(database, monkeypatch):
    connect = database._writer._connect
    monkeypatch.setattr(database._writer, "_connect", lambda: 1 / 0)
    with pytest.raises(Internal):
        database.write(put("a")).result(30)
    monkeypatch.setattr(database._writer, "_connect", connect)
    database.write(put("a")).result(30)
    assert names(database, "a") == ["v"]


@pytest.fixture
def patient(database, monkeypatch):
    """A database whose jobs that may wait do so until another one comes."""
    monkeypatch.setattr(writer, "JOIN_S", 60)
    return database


def test_a_job_that_may_wait_shares_the_commit_of_the_next_one(patient):
    patient.write(put("first")).result(30)
    commits = []
    event.listen(patient._writing, "commit", commits.append)
    waiting = patient.write(put("waiting"), may_wait=True)
    also = patient.write(put("also waiting"), may_wait=True)
    patient.write(put("now")).result(30)
    waiting.result(30)
    also.result(30)
    assert len(commits) == 1
    assert names(patient, "waiting", "also waiting", "now") == ["v", "v", "v"]


def test_a_job_that_may_wait_is_written_when_no_other_comes(database):
    database.write(put("waiting"), may_wait=True).result(30)
    assert names(database, "waiting") == ["v"]


def test_a_job_that_may_wait_can_be_cancelled_until_its_batch_begins(patient):
    waiting = patient.write(put("waiting"), may_wait=True)
    assert waiting.cancel()
    patient.write(put("now")).result(30)
    assert names(patient, "waiting", "now") == [None, "v"]


def test_closing_writes_what_waits(patient):
    waiting = patient.write(put("waiting"), may_wait=True)
    patient.close()
    assert waiting.result(0) is None
