"""A journal that an append was lost from takes nothing more, keeps nobody waiting, and loses no run."""

import logging
import threading

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.event_types import STEP_CREATED, TIME_READ
from strongroom.engine.handles import RunHandle
from strongroom.engine.recorded import recorded
from strongroom.errors import StorageFault
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from tests.fakes.scripted_guest import WAIT_S, until
from tests.fakes.workflow_host import OWNER, Gate, value


def start(host, on_trigger):
    host.module.on_trigger = on_trigger
    host.register()
    return host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))[0].run_id


def executing(host):
    host.gate = Gate()
    run_id = start(host, host.gate)
    assert host.gate.entered.wait(WAIT_S)
    return run_id


@pytest.fixture
def busy(host):
    """Keep the database's writer busy, so that what may wait is not written yet."""
    begun, release = threading.Event(), threading.Event()

    def begin():
        host.database.write(lambda connection: (begun.set(), release.wait(WAIT_S)))
        assert begun.wait(WAIT_S)

    begin.release = release
    yield begin
    release.set()


def test_a_time_that_was_taken_back_for_a_refused_append_is_lost_and_nobody_waits_for_it(host, disk, busy):
    run_id = executing(host)
    journal = host.engine.dispatcher.get(run_id).held_journal()
    host.database.write(lambda connection: None).result()
    busy()
    journal.note(TIME_READ, "t0", journal_pb2.TimeRead(unix_ns=1).SerializeToString(), may_wait=True)
    disk(lambda: journal.note(STEP_CREATED, "2", b""), "refuses")
    with pytest.raises(StorageFault, match="the journal of a run was not written"):
        journal.settle_times()
    with pytest.raises(StorageFault, match="the journal of a run was not written"):
        journal.read_back()
    busy.release.set()
    host.gate.release.set()
    assert host.engine.wait(run_id, WAIT_S)[0].status == "completed"


def test_nothing_builds_on_an_append_that_nobody_waited_for_and_that_failed(host, monkeypatch):
    run_id = executing(host)
    journal = host.engine.dispatcher.get(run_id).held_journal()

    def fault(*args, **rest):
        raise StorageFault("SR-STORE-001", "the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr("strongroom.engine.run_journal.rows.replace", fault)
        stored = journal.note(TIME_READ, "t0", b"", may_wait=True)
        assert stored.exception(WAIT_S) is not None
        until(lambda: journal.closed)
    with pytest.raises(StorageFault, match="the journal of a run was not written"):
        journal.note(STEP_CREATED, "2", b"")
    host.gate.release.set()
    assert host.engine.wait(run_id, WAIT_S)[0].status == "completed"


def test_a_time_that_was_lost_is_written_before_the_end_also_when_somebody_opened_the_next_journal(host, monkeypatch):
    begun, go, seen, end = (threading.Event() for _ in range(4))

    def guest(request, helper):
        begun.set()
        assert go.wait(WAIT_S)
        moment = helper.now_ns(1)
        seen.set()
        assert end.wait(WAIT_S)
        return value(str(moment))

    run_id = start(host, guest)
    assert begun.wait(WAIT_S)
    handle = host.engine.dispatcher.get(run_id)
    host.database.write(lambda connection: None).result()

    def fault(*args, **rest):
        raise StorageFault("SR-STORE-001", "the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr("strongroom.engine.run_journal.rows.replace", fault)
        go.set()
        assert seen.wait(WAIT_S)
        until(lambda: handle.held_journal().closed)
    assert handle.opened(host.host.journals) is not handle.held_journal()
    end.set()
    header, outcome = host.engine.wait(run_id, WAIT_S)
    assert outcome.result == value(str(recorded(host.host.journals.read(header)).times[""][0]))
    assert len(host.module.executed) == 1, "a guest that has ended is not executed again"


@pytest.mark.parametrize("place", ["read", "_store"])
def test_a_failure_that_nobody_thought_of_is_logged_and_the_run_is_tried_again(host, monkeypatch, caplog, place):
    owner = RunHandle if place == "read" else host.engine._executor
    real, failed = getattr(owner, place), []

    def failing(*args):
        if not failed:
            failed.append(place)
            raise RuntimeError("nobody thought of this")
        return real(*args)

    monkeypatch.setattr(owner, place, failing)
    monkeypatch.setattr("strongroom.engine.running.RETRY_S", 0.01)
    with caplog.at_level(logging.ERROR):
        run_id = start(host, lambda request, helper: value("done"))
        assert host.engine.wait(run_id, WAIT_S)[0].status == "completed"
    assert failed == [place]
    assert any("failed unexpectedly" in record.getMessage() for record in caplog.records)
