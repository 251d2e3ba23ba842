"""Records of workflows that change while somebody holds them: nothing that was overtaken comes back."""

import threading

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.catalog import Catalog
from strongroom.engine.history import History
from strongroom.engine.retry import Retries
from strongroom.engine.runids import new_run_id
from strongroom.engine.specs import Specs
from strongroom.errors import Conflict, NotFound, Refused, WrongState
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.storage import journal, runs
from tests.fakes.workflow_host import OWNER, WASM, value

WAIT_S = 60
CONFIDENTIAL = b'{"confidential": true}'
SECTION = b"\x00\x02\x01a"
"""A custom section, which may end a binary as well as begin a config."""


@pytest.fixture
def catalog(host):
    return Catalog(host.host)


@pytest.fixture
def retries(host):
    return Retries(host.host, History(host.host.journals), host.engine.admission)


def ended_run(host):
    run, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    return host.engine.wait(run.run_id, WAIT_S)[0]


def in_between(monkeypatch, place, name, what):
    """Have ``what`` done once, between what ``name`` read and what it goes on with."""
    real = getattr(place, name)

    def read(self, *arguments, **named):
        found = real(self, *arguments, **named)
        monkeypatch.setattr(place, name, real)
        what()
        return found

    monkeypatch.setattr(place, name, read)


def test_a_workflow_that_became_confidential_while_it_was_being_paused_stays_so(host, catalog, monkeypatch):
    identity = host.register().spec.workflow_id

    def registered_anew():
        catalog.delete(OWNER, identity, validate_only=False)
        host.register(attributes=CONFIDENTIAL)

    in_between(monkeypatch, Specs, "only", registered_anew)
    assert catalog.pause(OWNER, identity).attributes.confidential
    found = host.host.specs.get(identity)
    assert found.attributes.confidential, "the record of before would have its runs in the clear"
    assert found.row.status == "paused"


def test_a_workflow_that_was_deleted_while_it_was_being_paused_is_gone(host, catalog, monkeypatch):
    identity = host.register().spec.workflow_id
    in_between(monkeypatch, Specs, "only", lambda: catalog.delete(OWNER, identity, validate_only=False))
    with pytest.raises(NotFound) as caught:
        catalog.pause(OWNER, identity)
    assert caught.value.code == "SR-WF-001"
    assert host.host.specs.get(identity) is None


def test_a_record_that_was_overtaken_is_not_written(host, catalog):
    spec = host.register().spec
    catalog.pause(OWNER, spec.workflow_id)
    with pytest.raises(Conflict) as caught:
        host.host.specs.set_status(spec, "active")
    assert caught.value.code == "SR-WF-021"


def test_many_who_pause_and_activate_at_once_all_get_an_answer(host, catalog):
    identity, failures = host.register().spec.workflow_id, []

    def change(how):
        for _ in range(5):
            try:
                how(OWNER, identity)
            except Exception as error:
                # So many changes at once may be too many for one of them, which is then told.
                if getattr(error, "code", "") != "SR-WF-021":
                    failures.append(error)

    threads = [threading.Thread(target=change, args=(how,)) for how in (catalog.pause, catalog.activate) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert not failures
    assert host.host.specs.get(identity).row.status in {"active", "paused"}


@pytest.mark.parametrize("other", [{"binary": WASM, "config": SECTION + b"c"}, {"binary": WASM + SECTION * 2}])
def test_another_binary_with_the_same_id_is_not_taken_for_the_one_that_stands(host, other):
    spec = host.register(binary=WASM + SECTION, config=b"c" if "config" in other else SECTION).spec
    with pytest.raises(Conflict) as caught:
        host.register(**other)
    assert (caught.value.code, caught.value.details["workflow_id"]) == ("SR-WF-022", spec.workflow_id)
    assert host.register(binary=WASM + SECTION, config=spec.config).created is False


def paused(host, catalog, run):
    catalog.pause(OWNER, run.workflow_id)


def deleted(host, catalog, run):
    catalog.delete(OWNER, run.workflow_id, validate_only=False)


def elsewhere(host, catalog, run):
    deleted(host, catalog, run)
    host.register(attributes=CONFIDENTIAL)


def purged(host, catalog, run):
    def job(connection):
        assert runs.delete(connection, run.run_id)
        journal.delete(connection, run.run_id)

    host.database.write(job).result()


@pytest.mark.parametrize("meanwhile", [paused, deleted, elsewhere, purged])
@pytest.mark.parametrize("from_step", ["", "2"])
def test_a_repeated_run_is_found_again_whatever_became_of_what_it_repeats(
    host, catalog, retries, calling, meanwhile, from_step
):
    run, new = ended_run(host), new_run_id()
    first = retries.retry(run.run_id, from_step, new)
    host.engine.wait(new, WAIT_S)
    meanwhile(host, catalog, run)
    again = retries.retry(run.run_id, from_step, new)
    assert (again.header.run_id, again.created, again.steps_kept) == (new, False, first.steps_kept)
    assert again.steps_kept == (1 if from_step else 0)
    for others in ((run.run_id, "1", new), (run.run_id, from_step, new_run_id()), (new_run_id(), from_step, new)):
        with pytest.raises(Refused):
            retries.retry(*others)


@pytest.fixture
def calling(host):
    """A workflow whose guest makes two steps."""

    def trigger(request, helper):
        for number in (1, 2):
            helper.call_capability(sdk_pb2.CapabilityRequest(id="x@1.0.0", method="Do", callback_id=number))
        return value("done")

    host.module.on_trigger = trigger
    host.register()


def test_what_is_repeated_runs_under_the_record_that_it_was_compared_with(host, catalog, monkeypatch):
    host.register(attributes=CONFIDENTIAL)
    run = ended_run(host)
    retries = Retries(host.host, History(host.host.journals), host.engine.admission)

    def registered_plain():
        catalog.delete(OWNER, run.workflow_id, validate_only=False)
        host.register()

    in_between(monkeypatch, Retries, "_taken_over", registered_plain)
    with pytest.raises(WrongState) as caught:
        retries.retry(run.run_id, "", "")
    assert caught.value.code == "SR-RUN-021", "the input of a confidential run must not be executed in the clear"
