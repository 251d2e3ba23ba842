"""The same run id, or the same event, finds the run that stands for as long as it is known, whatever changed since."""

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.catalog import Catalog
from strongroom.engine.history import History
from strongroom.engine.recorded import recorded
from strongroom.engine.retry import Retries
from strongroom.engine.runids import new_run_id
from strongroom.errors import Conflict, InvalidInput, LimitExceeded, NotFound, WrongState
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.storage import journal, runs, seen_events
from tests.fakes.capabilities import ScriptedCapability
from tests.fakes.scripted_guest import ACTION, METHOD, WAIT_S, adapted, call, text_of, trigger_payload
from tests.fakes.workflow_host import OWNER, subscriptions, value


def start(host, **wish):
    return host.engine.start(Start(owner=OWNER, workflow=wish.pop("workflow", "wf"), **({"json": b"1"} | wish)))


def paused(host, spec):
    Catalog(host.host).pause(OWNER, "wf")


def deleted(host, spec):
    Catalog(host.host).delete(OWNER, "wf", validate_only=False)


def registered_anew(host, spec):
    deleted(host, spec)
    host.module.on_subscribe = lambda request, helper: subscriptions("other-trigger@1.0.0")
    host.register(config=b"another config")


@pytest.mark.parametrize("change", [paused, deleted, registered_anew])
@pytest.mark.parametrize("form", ["json", "message"])
def test_a_run_id_finds_its_run_whatever_became_of_the_workflow(host, change, form):
    wish = {"run_id": new_run_id()} | ({} if form == "json" else {"message": trigger_payload()})
    spec = host.register().spec
    first, _ = start(host, **wish)
    ended, _ = host.engine.wait(first.run_id, WAIT_S)
    change(host, spec)
    assert start(host, **wish) == (ended, False)
    with pytest.raises((Conflict, WrongState, NotFound)):
        start(host, **(wish | {"json": b"2", "message": None}))
    assert host.module.executed == [first.execution_id]


@pytest.mark.parametrize("change", [paused, deleted, registered_anew])
def test_an_event_finds_its_run_whatever_became_of_the_workflow(host, change):
    spec = host.register().spec
    first, _ = start(host, event_id="evt")
    host.engine.wait(first.run_id, WAIT_S)
    change(host, spec)
    header, created = start(host, event_id="evt", workflow=spec.workflow_id)
    assert (header.run_id, created) == (first.run_id, False)


def test_a_run_id_that_is_too_old_for_a_new_run_still_finds_its_run(host, monkeypatch):
    host.register()
    run_id = new_run_id()
    first, _ = start(host, run_id=run_id)
    host.engine.wait(run_id, WAIT_S)
    monkeypatch.setattr("strongroom.engine.runids.AGE_MS_MAX", -1_000_000)
    again, created = start(host, run_id=run_id)
    assert (again.run_id, created) == (first.run_id, False)
    with pytest.raises(InvalidInput, match="outside the last 24 hours"):
        start(host, run_id=new_run_id())


def test_a_run_of_another_owner_or_workflow_is_not_handed_out(host):
    host.register()
    host.register(name="other", config=b"x")
    run_id = new_run_id()
    start(host, run_id=run_id)
    host.engine.wait(run_id, WAIT_S)
    with pytest.raises(Conflict):
        start(host, run_id=run_id, workflow="other")
    with pytest.raises(NotFound):
        host.engine.start(Start(owner="22" * 20, workflow="wf", run_id=run_id, json=b"1"))


def test_a_cron_run_that_is_started_by_hand_twice_is_one_run_although_the_time_went_on(host):
    host.module.on_subscribe = lambda request, helper: subscriptions("cron-trigger@1.0.0")
    host.register()
    run_id = new_run_id()
    first, _ = start(host, run_id=run_id, json=b"")
    again, created = start(host, run_id=run_id, json=b"")
    assert (again.run_id, created) == (first.run_id, False)


def accept(host, spec, event_id="evt", index=0):
    return host.engine.accept(spec, index, event_id, trigger_payload())


def test_an_event_of_a_trigger_is_accepted_once(host):
    spec = host.register().spec
    seen = []
    host.module.on_trigger = lambda request, helper: seen.append(request.trigger.payload) or value("done")
    first, created = accept(host, spec)
    host.engine.wait(first.run_id, WAIT_S)
    again, twice = accept(host, spec)
    assert (created, twice) == (True, False)
    assert again.run_id == first.run_id
    assert seen == [trigger_payload()]


def test_an_event_is_known_by_its_id_alone(host):
    spec = host.register().spec
    first, _ = accept(host, spec)
    other = trigger_payload()
    other.value = b"\x08\x02"
    again, created = host.engine.accept(spec, 0, "evt", other)
    assert (again.run_id, created) == (first.run_id, False)


def test_an_event_whose_run_was_purged_starts_nothing(host):
    spec = host.register().spec
    first, _ = accept(host, spec)
    host.engine.wait(first.run_id, WAIT_S)

    def purge(connection):
        seen_events.put(connection, spec.workflow_id, 0, "evt", run_id=first.run_id, expires_at=2**50)
        journal.delete(connection, first.run_id)
        assert runs.delete(connection, first.run_id)

    host.database.write(purge).result()
    gone, created = accept(host, spec)
    assert (gone.run_id, gone.status, created) == (first.run_id, "", False)
    assert len(host.module.executed) == 1
    assert len(host.engine.dispatcher) == 0
    assert accept(host, spec, "another")[1]


def test_an_event_for_a_paused_workflow_or_none_of_its_triggers_is_refused(host):
    spec = host.register().spec
    with pytest.raises(InvalidInput, match="has no trigger 3"):
        accept(host, spec, index=3)
    with pytest.raises(LimitExceeded):
        accept(host, spec, event_id="x" * 257)
    paused(host, spec)
    with pytest.raises(WrongState, match="was changed while"):
        accept(host, spec)
    with pytest.raises(WrongState, match="is paused"):
        accept(host, host.host.specs.get(spec.workflow_id))


def test_a_repeated_run_takes_over_steps_and_has_keys_of_its_own(host):
    capability = ScriptedCapability({METHOD: adapted("first")})
    host.capabilities.found[ACTION] = capability
    host.module.on_trigger = lambda request, helper: value(
        " ".join(text_of(helper.call_capability(call(number))) for number in (1, 2))
    )
    host.register()
    parent, _ = start(host)
    parent, _ = host.engine.wait(parent.run_id, WAIT_S)
    events = host.host.journals.read(parent)
    created = journal_pb2.RunCreated.FromString(events[0].content)
    created.parent_run_id, created.from_step = parent.run_id, "2"
    kept = [each for each in events if each.row.correlation_id == "1"]
    capability.answers[METHOD] = adapted("second")
    run_id = new_run_id()
    spec = host.host.specs.get(parent.workflow_id)
    header, is_new = host.engine.admission.repeat(spec, parent, created, kept, run_id=run_id)
    assert (is_new, header.parent_run_id, header.head_index) == (True, parent.run_id, 2)
    header, outcome = host.engine.wait(run_id, WAIT_S)
    assert outcome.result == value("first second")
    assert header.execution_id != parent.execution_id
    again = recorded(host.host.journals.read(header))
    assert again.created.parent_run_id == parent.run_id
    assert host.engine.admission.repeat(spec, parent, created, kept, run_id=run_id) == (header, False)
    created.from_step = "1"
    with pytest.raises(Conflict):
        host.engine.admission.repeat(spec, parent, created, [], run_id=run_id)


def test_a_run_of_a_workflow_that_is_gone_or_paused_is_not_repeated(host):
    spec = host.register().spec
    parent, _ = start(host)
    parent, _ = host.engine.wait(parent.run_id, WAIT_S)
    retries = Retries(host.host, History(host.host.journals), host.engine.admission)
    paused(host, spec)
    with pytest.raises(WrongState, match="is paused"):
        retries.retry(parent.run_id, "", new_run_id())
    deleted(host, spec)
    with pytest.raises(NotFound, match="was deleted"):
        retries.retry(parent.run_id, "", new_run_id())
