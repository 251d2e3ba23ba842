"""Waiting runs outlive their host: they wait on, or are woken, and what they had sent keeps its key."""

import time

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.limits import EngineLimits
from strongroom.storage import runs
from tests.fakes.scripted_guest import ACTION, WAIT_S, Holding, one_step, sleeper, until, waits
from tests.fakes.workflow_host import OWNER, WorkflowHost, value


def start(host, on_trigger):
    host.module.on_trigger = on_trigger
    host.register()
    return host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))[0].run_id


def restarted(host, on_trigger, capability=None):
    host.cut_off()
    after = WorkflowHost(host.database)
    after.module.on_trigger = on_trigger
    if capability is not None:
        after.capabilities.found[ACTION] = capability
    return after


def test_a_sleeping_run_sleeps_on_and_goes_on_behind_its_sleep(host):
    run_id = start(host, sleeper(0.3))
    waits(host, run_id)
    wake_at = host.engine.get(run_id).wake_at
    after = restarted(host, sleeper(0.3))
    assert after.engine.resume() == 1
    assert after.module.executed == [], "it sleeps"
    header, outcome = after.engine.wait(run_id, WAIT_S)
    assert outcome.result == value("slept 1")
    assert header.finished_at >= wake_at
    after.close()


def test_a_run_whose_sleep_ended_while_the_host_was_down_goes_on_at_once(host):
    run_id = start(host, sleeper(0.05))
    waits(host, run_id)
    host.cut_off()
    until(lambda: time.time() * 1000 > host.engine.get(run_id).wake_at)
    after = restarted(host, sleeper(0.05))
    after.engine.resume()
    assert after.engine.wait(run_id, WAIT_S)[1].result == value("slept 1")
    after.close()


@pytest.mark.parametrize("once", [False, True], ids=["at least once", "at most once"])
def test_an_unanswered_step_of_a_waiting_run_is_sent_again_under_its_key_or_not_at_all(host, once):
    lost, again = Holding(), Holding()
    host.capabilities.found[ACTION] = lost
    host.capabilities.once |= {ACTION} if once else set()
    run_id = start(host, one_step)
    waits(host, run_id)
    after = restarted(host, one_step, again)
    after.capabilities.once |= host.capabilities.once
    again.released.set()
    assert after.engine.resume() == 1
    _, outcome = after.engine.wait(run_id, WAIT_S)
    if once:
        assert "OUTCOME_UNKNOWN" in outcome.result.value.string_value
        assert again.references == []
    else:
        assert outcome.result == value("answer 1")
        assert again.keys == lost.keys
    lost.released.set()
    after.close()


def test_an_answer_that_comes_to_a_host_that_lost_the_run_changes_nothing(host):
    late, again = Holding(), Holding()
    host.capabilities.found[ACTION] = late
    run_id = start(host, one_step)
    waits(host, run_id)
    handle = host.engine.dispatcher.get(run_id)
    after = restarted(host, one_step, again)
    again.released.set()
    after.engine.resume()
    header, _ = after.engine.wait(run_id, WAIT_S)
    late.released.set()
    until(lambda: len(handle.calls) == 0)
    assert after.engine.get(run_id) == header
    after.host.journals.read(header)
    after.close()


def test_time_without_a_host_does_not_count_for_a_run_that_sleeps(host):
    began_s = time.monotonic()
    run_id = start(host, sleeper(0.2))
    waits(host, run_id)
    after = restarted(host, sleeper(0.2))
    spent = []
    after.module.on_trigger = lambda request, helper: spent.append(helper.timeout_ms) or value("ok")
    time.sleep(0.25)
    after.engine.resume()
    after.engine.wait(run_id, WAIT_S)
    used, all_ms = after.host.limits.run_timeout_ms - spent[0], (time.monotonic() - began_s) * 1000
    assert 0 <= used <= all_ms - 250, "the quarter of a second without a host is not in it"
    after.close()


def test_a_start_reads_headers_in_pages_and_no_journal(host, monkeypatch):
    monkeypatch.setattr("strongroom.engine.engine.HEADERS", 2)
    host.register()
    for workers in host.engine.dispatcher._workers.values():
        workers.shutdown()
    ids = [host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))[0].run_id for _ in range(5)]
    after = restarted(host, lambda request, helper: value("done"))
    read = []
    monkeypatch.setattr(type(after.host.journals), "read", lambda self, header: read.append(header) or [])
    after.engine.dispatcher.drain(0)  # it wakes nobody
    assert after.engine.resume() == 5
    assert read == []
    assert after.engine.unstarted(host.engine.get(ids[0]).workflow_id) == 5
    assert sorted(ids) == sorted(after.engine.dispatcher._asleep)
    after.close()


def test_runs_are_taken_up_in_the_order_in_which_they_were_accepted(host):
    host.register()
    for workers in host.engine.dispatcher._workers.values():
        workers.shutdown()
    ids = [host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))[0] for _ in range(5)]
    host.cut_off()
    after = WorkflowHost(host.database, limits=EngineLimits(runs_in_flight_max=1))
    after.engine.resume()
    for header in ids:
        after.engine.wait(header.run_id, WAIT_S)
    expected = sorted(ids, key=lambda header: (header.created_at, header.run_id))
    assert after.module.executed == [header.execution_id for header in expected]
    assert after.database.read(lambda conn: runs.unfinished_page(conn, after=None, limit=9)) == []
    after.close()
