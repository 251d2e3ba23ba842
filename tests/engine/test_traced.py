"""A run keeps its trace in its journal: whoever executes it later writes into the same one."""

import pytest

from strongroom.engine.admission import Start
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.telemetry import tracing
from strongroom.telemetry.trace_context import checked
from tests.engine.test_waiting_restarts import restarted, start
from tests.fakes.otlp_receiver import collecting
from tests.fakes.scripted_guest import ACTION, WAIT_S, Holding, one_step, sleeper, waits
from tests.fakes.workflow_host import OWNER, value


@pytest.fixture
def collector(monkeypatch):
    with collecting() as (made, address):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        assert tracing.configure({"OTEL_EXPORTER_OTLP_ENDPOINT": address})
        yield made
        tracing.shut_down()


def created(host, run_id):
    journals = host.engine._host.journals
    return journal_pb2.RunCreated.FromString(journals.page(journals.get(run_id), 0, 1)[0].content)


def test_a_run_that_is_taken_up_after_a_restart_goes_on_in_its_trace(host, collector):
    run_id = start(host, sleeper(0.05))
    waits(host, run_id)
    after = restarted(host, sleeper(0.05))
    after.engine.resume()
    assert after.engine.wait(run_id, WAIT_S)[1].result == value("slept 1")
    kept = created(after, run_id).traceparent
    after.close()
    tracing.shut_down()
    (accepted,) = [each for each in collector.spans if each.name == "run.accept"]
    executions = [each for each in collector.spans if each.name == "run.execute"]
    assert kept.split("-")[1:3] == [accepted.trace_id, accepted.span_id]
    assert [each.attributes["strongroom.outcome"] for each in executions] == ["suspended", "completed"]
    for each in executions:
        assert (each.trace_id, each.parent_id, each.failed) == (accepted.trace_id, accepted.span_id, False)
        assert each.attributes["strongroom.run.id"] == run_id


def test_a_call_that_comes_on_another_thread_belongs_to_the_execution(host, collector):
    capability, seen = Holding(), []
    execute = capability.execute

    def looking(request, *, timeout_s):
        seen.append(tracing.current())
        return execute(request, timeout_s=timeout_s)

    capability.execute = looking
    capability.released.set()
    host.capabilities.found[ACTION] = capability
    run_id = start(host, one_step)
    host.engine.wait(run_id, WAIT_S)
    tracing.shut_down()
    (execution,) = [each for each in collector.spans if each.name == "run.execute"]
    assert seen[0].split("-")[1:3] == [execution.trace_id, execution.span_id]


def test_a_run_that_was_accepted_while_no_traces_were_made_has_none_and_one_of_its_own_later(host, monkeypatch):
    run_id = start(host, sleeper(0.05))
    waits(host, run_id)
    assert created(host, run_id).traceparent == ""
    with collecting() as (collector, address):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        assert tracing.configure({"OTEL_EXPORTER_OTLP_ENDPOINT": address})
        after = restarted(host, sleeper(0.05))
        after.engine.resume()
        assert after.engine.wait(run_id, WAIT_S)[1].result == value("slept 1")
        after.close()
        tracing.shut_down()
        assert [each.name for each in collector.spans] == ["run.execute"]
        assert collector.spans[0].parent_id == ""


def test_what_is_kept_is_a_traceparent_and_is_sealed(host, collector):
    host.module.on_trigger = sleeper(0.01)
    host.register()
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    host.engine.wait(header.run_id, WAIT_S)
    kept = created(host, header.run_id).traceparent
    assert checked(kept) == kept != ""
    journals = host.engine._host.journals
    assert kept.encode() not in journals.page(journals.get(header.run_id), 0, 1)[0].row.sealed
