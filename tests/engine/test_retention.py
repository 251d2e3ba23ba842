"""Old runs go, with their journals and never before their end; their events are remembered as long as it matters."""

import pytest
from google.protobuf import any_pb2

from strongroom.engine.journal import now_ms
from strongroom.engine.retention import HOUR_MS, Retention
from strongroom.engine.specs import Spec
from strongroom.errors import Unavailable
from strongroom.storage import journal as event_rows
from strongroom.storage import runs, seen_events
from tests.fakes.journalled import ended, logged, new_run

LATER = 721 * HOUR_MS
"""Just after the usual retention of 720 hours."""


def retention(host, ahead_ms=LATER):
    return Retention(host.host, clock_ms=lambda: now_ms() + ahead_ms)


def left(host):
    return sorted(row.run_id for row in host.database.read(lambda c: runs.page(c, limit=1000)))


def run(host, number, *, end=True, **changes):
    journal = new_run(host.host.journals, number, created_at=now_ms() - 1000 + number, **changes)
    logged(journal, "a line")
    if end:
        ended(journal)
    return journal.header


def test_a_run_goes_with_its_journal_when_its_time_is_over(host):
    header = run(host, 1)
    keeper = retention(host)
    assert retention(host, LATER - 3 * HOUR_MS).sweep().runs == 0
    assert left(host) == [header.run_id]
    assert keeper.sweep().runs == 1
    assert left(host) == []
    assert host.database.read(lambda c: event_rows.events(c, header.run_id, start=0, limit=10)) == []
    assert keeper.purged == 1
    assert keeper.oldest_ms() is None


def test_a_run_that_has_not_ended_stays_however_old_it_is(host):
    waiting = run(host, 1, end=False)
    run(host, 2)
    assert retention(host, 100 * LATER).sweep().runs == 1
    assert left(host) == [waiting.run_id]
    assert retention(host).oldest_ms() == waiting.created_at


def test_a_workflow_may_keep_its_runs_for_longer_or_shorter(host):
    short = host.register("short", attributes=b'{"retention_hours": 24}').spec.workflow_id
    long = host.register("long", attributes=b'{"retention_hours": 2000}').spec.workflow_id
    run(host, 1, workflow_id=short)
    stays = run(host, 2, workflow_id=long)
    usual = run(host, 3)
    assert retention(host, 25 * HOUR_MS).sweep().runs == 1
    assert left(host) == sorted([stays.run_id, usual.run_id])
    assert retention(host).sweep().runs == 1
    assert left(host) == [stays.run_id]
    assert retention(host, 2001 * HOUR_MS).sweep().runs == 1


def test_the_event_of_a_run_is_remembered_until_no_trigger_delivers_it_again(host):
    wf = host.register("short", attributes=b'{"retention_hours": 24}').spec.workflow_id
    header = run(host, 1, workflow_id=wf, event_id="tick-1")
    host.host.limits = type(host.host.limits)(event_memory_hours=48)
    assert retention(host, 25 * HOUR_MS).sweep().runs == 1

    def known():
        return host.database.read(lambda c: seen_events.run_of(c, wf, 0, "tick-1"))

    assert known() == header.run_id
    assert retention(host, 72 * HOUR_MS).sweep().events == 0
    assert known() == header.run_id
    assert retention(host, 74 * HOUR_MS).sweep().events == 1
    assert known() is None


def test_a_run_that_was_started_by_hand_leaves_nothing_behind(host):
    wf = host.register("short", attributes=b'{"retention_hours": 24}').spec.workflow_id
    run_id = f"wrun_{7:026d}"
    run(host, 7, workflow_id=wf, event_id=run_id)
    host.host.limits = type(host.host.limits)(event_memory_hours=48)
    assert retention(host, 25 * HOUR_MS).sweep().runs == 1
    assert host.database.read(lambda c: seen_events.run_of(c, wf, 0, run_id)) is None


def test_many_runs_go_in_small_transactions(host, monkeypatch):
    monkeypatch.setattr("strongroom.engine.retention.PAGE", 3)
    monkeypatch.setattr("strongroom.engine.retention.EVENTS_PER_WRITE_MAX", 8)
    for number in range(10):
        run(host, number)
    writes = []
    write = host.database.write
    monkeypatch.setattr(host.database, "write", lambda job, **rest: writes.append(job) or write(job, **rest))
    assert retention(host).sweep().runs == 10
    assert left(host) == []
    assert len(writes) == 6, "five of two runs each, and one for the events"


def test_a_header_that_was_changed_is_left_for_whoever_looks_into_it(host):
    header = run(host, 1)
    host.database.write(lambda c: c.exec_driver_sql("UPDATE runs SET error_code = 'SR-X'")).result()
    assert retention(host).sweep().runs == 0
    assert left(host) == [header.run_id]


def test_runs_of_a_workflow_whose_record_was_changed_stay(host):
    spec: Spec = host.register("short", attributes=b'{"retention_hours": 24}').spec
    run(host, 1, workflow_id=spec.workflow_id)
    host.database.write(lambda c: c.exec_driver_sql("UPDATE workflow_specs SET workflow_tag = 'x'")).result()
    assert retention(host).sweep().runs == 0


def test_a_database_that_is_away_is_no_end_of_it(host, monkeypatch, caplog):
    keeper = retention(host)

    def fail():
        keeper._stop.set()
        raise Unavailable("SR-STORE-002", "the database is not there")

    monkeypatch.setattr(keeper, "sweep", fail)
    keeper.start()
    keeper.close()
    assert "tried again" in caplog.text


@pytest.mark.parametrize("sweeps", [1, 2])
def test_a_second_sweep_finds_nothing(host, sweeps):
    run(host, 1)
    keeper = retention(host)
    assert [keeper.sweep().runs for _ in range(sweeps)] == [1, 0][:sweeps]


def test_an_event_that_is_delivered_again_after_its_run_is_gone_starts_nothing(host):
    spec = host.register("short", attributes=b'{"retention_hours": 24}').spec
    host.host.limits = type(host.host.limits)(event_memory_hours=48)
    header, created = host.engine.accept(spec, 0, "tick-1", any_pb2.Any())
    host.engine.wait(header.run_id, 10)
    assert created
    assert retention(host, 25 * HOUR_MS).sweep().runs == 1
    again, created = host.engine.accept(spec, 0, "tick-1", any_pb2.Any())
    assert (created, again.run_id) == (False, header.run_id)
    assert left(host) == []
    assert retention(host, 74 * HOUR_MS).sweep().events == 1
    assert host.engine.accept(spec, 0, "tick-1", any_pb2.Any())[1]
