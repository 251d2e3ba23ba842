"""A run that was accepted as confidential runs so or not at all, whatever happens to its workflow meanwhile."""

import threading

import pytest
from sqlalchemy import text

from strongroom.engine.admission import Start
from strongroom.engine.catalog import Catalog
from strongroom.engine.limits import EngineLimits
from strongroom.engine.runids import new_run_id
from strongroom.engine.running import Dispatcher
from strongroom.errors import NotFound, StorageFault, Unavailable, WrongState
from strongroom.storage import specs
from strongroom.storage.writer import Writer
from tests.fakes.workflow_host import OWNER, Gate, ScriptedModule, WorkflowHost, subscriptions, value

WAIT_S = 60
CONFIDENTIAL = b'{"confidential": true}'


class KindRouter:
    """Modules that answer with the kind that the attributes ask for."""

    def module(self, workflow, attributes, wasm, *, name=""):
        kind = "confidential" if attributes.confidential else "local"
        return ScriptedModule(
            on_trigger=lambda request, helper: value(kind),
            on_subscribe=lambda request, helper: subscriptions("http-trigger@1.0.0-alpha"),
        )


@pytest.fixture
def kinds(host):
    host.host.router = KindRouter()
    return host


def start(host, **wish):
    return host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1", **wish))


def test_a_workflow_with_an_unfinished_run_cannot_be_deleted_even_when_nobody_executes_it(host):
    host.register(attributes=CONFIDENTIAL)
    for workers in host.engine.dispatcher._workers.values():
        workers.shutdown()
    start(host)
    host.cut_off()
    after = WorkflowHost(host.database)
    with pytest.raises(WrongState, match="1 unfinished runs"):
        Catalog(after.host).delete(OWNER, "wf", validate_only=False)


def test_a_run_whose_workflow_is_registered_otherwise_by_now_fails_and_is_not_executed(kinds):
    done = kinds.register(attributes=CONFIDENTIAL)
    for workers in kinds.engine.dispatcher._workers.values():
        workers.shutdown()
    header, _ = start(kinds)
    kinds.cut_off()
    # Behind the back of the rule that keeps a workflow while runs of it are unfinished.
    kinds.database.write(lambda c: specs.delete(c, done.spec.workflow_id)).result()
    after = WorkflowHost(kinds.database)
    after.host.router = KindRouter()
    assert after.register(attributes=b"").spec.workflow_id == done.spec.workflow_id
    after.engine.resume()
    finished, outcome = after.engine.wait(header.run_id, WAIT_S)
    assert (finished.status, finished.error_code) == ("failed", "SR-RUN-020")
    assert finished.backend == ""
    assert outcome.result is None
    after.close()


def test_a_run_is_not_accepted_for_a_workflow_that_is_deleted_or_paused_meanwhile(kinds, monkeypatch):
    spec = kinds.register(attributes=CONFIDENTIAL).spec
    reserve = Dispatcher.reserve

    def pause_first(self, handle, *more):
        kinds.host.specs.set_status(spec, "paused")
        return reserve(self, handle, *more)

    monkeypatch.setattr(Dispatcher, "reserve", pause_first)
    with pytest.raises(WrongState, match="was changed while this run was being accepted"):
        start(kinds)
    assert len(kinds.engine.dispatcher) == 0


def test_a_module_never_serves_a_record_with_other_attributes(kinds):
    plain = kinds.register(attributes=b"").spec
    Catalog(kinds.host).delete(OWNER, "wf", validate_only=False)
    hidden = kinds.register(attributes=CONFIDENTIAL).spec
    assert plain.workflow_id == hidden.workflow_id
    # A worker that still holds the old record asks for its module after the new one was registered.
    kinds.host.module(plain)
    header, _ = start(kinds)
    assert kinds.engine.wait(header.run_id, WAIT_S)[1].result == value("confidential")


def test_a_tampered_record_is_deleted_by_its_id_and_can_be_registered_again(host):
    workflow_id = host.register().spec.workflow_id
    host.database.write(lambda c: c.execute(text("UPDATE workflow_specs SET workflow_tag = 'x'")) and None).result()
    assert Catalog(host.host).delete(OWNER, workflow_id, validate_only=False) == workflow_id
    assert host.register().created


def test_another_owners_workflow_is_not_found_by_its_id(host):
    workflow_id = host.register().spec.workflow_id
    with pytest.raises(NotFound):
        host.host.specs.find("22" * 20, workflow_id)


@pytest.mark.parametrize("error", ["unavailable", "storage fault"])
@pytest.mark.parametrize("times", [1, 3])
def test_a_database_that_goes_away_at_the_end_of_a_run_loses_and_repeats_nothing(host, monkeypatch, error, times):
    monkeypatch.setattr("strongroom.engine.running.RETRY_S", 0.01)
    host.register()
    gate = Gate()
    host.module.on_trigger = gate
    header, _ = start(host)
    assert gate.entered.wait(WAIT_S)
    host.database.write(lambda c: None).result()
    submit, failures = Writer.submit, []

    def failing(self, job, *, may_wait=False):
        if len(failures) < times:
            failures.append(job)
            if error == "unavailable":
                raise Unavailable("SR-STORE-002", "the database cannot be reached")
            return submit(self, _fault, may_wait=may_wait)
        return submit(self, job, may_wait=may_wait)

    monkeypatch.setattr(Writer, "submit", failing)
    gate.release.set()
    finished, outcome = host.engine.wait(header.run_id, WAIT_S)
    assert len(failures) == times
    assert finished.status == "completed"
    assert outcome.result == value("released")
    assert len(host.module.executed) == 1, "the guest had ended; only the write was missing"


def _fault(connection):
    raise StorageFault("SR-STORE-001", "the database refused")


def test_the_same_run_id_in_parallel_is_one_run_for_everybody(host):
    host.register()
    for _ in range(10):
        run_id, answers, errors = new_run_id(), [], []
        together = threading.Barrier(8)

        def execute(run_id=run_id, answers=answers, errors=errors, together=together):
            together.wait(WAIT_S)
            try:
                header, _ = start(host, run_id=run_id)
                answers.append(host.engine.wait(header.run_id, WAIT_S)[1].result)
            except Exception as failure:
                errors.append(failure)

        threads = [threading.Thread(target=execute) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_S)
        assert not errors
        assert answers == [value("done")] * 8


def test_a_run_that_waits_for_a_worker_is_cancelled_at_once(database):
    host = WorkflowHost(database, limits=EngineLimits(runs_in_flight_max=1))
    gate = Gate()
    host.module.on_trigger = gate
    host.register()
    start(host)
    assert gate.entered.wait(WAIT_S)
    queued, _ = start(host)
    assert host.engine.cancel(queued.run_id, "not needed", WAIT_S).status == "cancelled"
    assert len(host.module.executed) == 1
    gate.release.set()
    host.close()


def test_a_bug_in_a_worker_leaves_no_handle_behind(host, monkeypatch):
    host.register()
    monkeypatch.setattr(host.engine.dispatcher, "_execute", lambda handle: 1 / 0)
    start(host)
    assert host.engine.dispatcher.drain(WAIT_S)
