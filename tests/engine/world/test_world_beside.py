"""Runs that others execute, beside those of this host: kept, listed, stopped and removed, and never executed."""

import pytest
from ulid import ULID

from strongroom.engine.admission import Start
from strongroom.engine.ended import ended
from strongroom.engine.export import export_lines
from strongroom.engine.hook_desk import HookDesk
from strongroom.engine.journal import now_ms
from strongroom.engine.receipts import last_receipt
from strongroom.engine.replay import Replays
from strongroom.engine.retention import HOUR_MS, Retention
from strongroom.engine.retry import Retries
from strongroom.engine.rotation_runs import EndedRuns
from strongroom.engine.world.event_reader import event_id
from strongroom.errors import Conflict, NotFound, StrongroomError, Unavailable, WrongState
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from tests.fakes.audit_book import AuditBook
from tests.fakes.hook_guest import asleep, one_hook, started
from tests.fakes.journalled import new_run
from tests.fakes.workflow_host import OWNER
from tests.fakes.world_host import WorldHost

SECRETS = ("1:" + "s" * 43, "2:" + "t" * 43 + ",1:" + "s" * 43)


@pytest.fixture
def host(database):
    """A host of this test alone."""
    made = WorldHost(database)
    yield made
    made.close()


def stored(host, run_id):
    return [(e.row, e.content) for e in host.host.journals.read(host.host.journals.get(run_id))]


def test_a_host_that_starts_again_leaves_them_as_they_are(host):
    step, hook = f"step_{ULID()}", f"hook_{ULID()}"
    pending, running = host.begin(), host.begin("run_started", ("step_created", step), ("step_started", step))
    host.create(running, "hook_created", hook, token="t")
    before = [stored(host, run_id) for run_id in (pending, running)]
    host.cut_off()
    after = WorldHost(host.database)
    try:
        assert after.engine.resume() == 0
        assert after.engine.take_over() == 0
        assert len(after.engine.dispatcher) == 0
        assert [stored(after, run_id) for run_id in (pending, running)] == before
        assert after.create(running, "step_completed", step).step.state.status == "completed"
        assert after.world.hooks.get_by_token("t").view.hook_id == hook
    finally:
        after.close()


@pytest.mark.parametrize("how", ["cancel", "kill"])
def test_cancel_and_kill_end_them_by_their_own_event(host, how):
    run_id = host.begin("run_started")
    stop = host.engine.kill if how == "kill" else lambda run_id, reason: host.engine.cancel(run_id, reason, 1)
    header = stop(run_id, "no longer wanted")
    assert (header.status, header.module) == ("cancelled", "external")
    assert host.kinds(run_id) == ["run_created", "run_started", "run_cancelled"]
    assert ended(host.history, header).cancel_reason == "no longer wanted"
    assert stop(run_id, "once more").status == "cancelled"
    done = host.begin("run_completed")
    assert stop(done, "too late").status == "completed"
    assert ended(host.history, host.engine.get(done)).outcome is None


def test_they_are_listed_counted_exported_and_found_by_their_execution_id(host):
    going, done = host.begin(), host.begin("run_started", "run_completed")
    assert host.history.counts() == {"pending": 1, "completed": 1}
    page = host.history.page(workflow_id="", owners=None, statuses=["completed"], before=None, limit=9)
    assert [(row.run_id, row.module, row.workflow_name, whole) for row, whole in page] == [
        (done, "external", "orders", True)
    ]
    events, complete = host.history.events(done, 0, 10)
    assert ([event.row.event_type for event in events], complete) == (
        ["run_created", "run_started", "run_completed"],
        True,
    )
    header = host.engine.get(done)
    lines = [*export_lines(host.history, header, opened=True)]
    assert b'"deployment_id":"dpl_1"' in lines[1]
    assert b"dpl_1" not in b"".join(export_lines(host.history, header, opened=False))
    assert host.history.header(header.execution_id).run_id == done
    assert host.engine.get(going).workflow_id == header.workflow_id


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(
            lambda host, run_id: Retries(host.host, host.history, host.engine.admission).retry(run_id, "", ""),
            id="retry",
        ),
        pytest.param(lambda host, run_id: Replays(host.host, host.history, None).replay(run_id, 1, None), id="replay"),
        pytest.param(lambda host, run_id: HookDesk(host.host, host.engine).resume(b"x", token="t"), id="hook resume"),
        pytest.param(lambda host, run_id: HookDesk(host.host, host.engine).dispose(token="t"), id="hook dispose"),
    ],
)
def test_what_only_their_own_programs_can_do_is_refused_with_that_reason(host, ask):
    run_id = host.begin()
    host.create(run_id, "hook_created", f"hook_{ULID()}", token="t")
    if ask.__code__.co_names[0] != "HookDesk":
        host.create(run_id, "run_completed")
    before = stored(host, run_id)
    with pytest.raises(WrongState) as error:
        ask(host, run_id)
    assert error.value.code in {"SR-WORLD-016", "SR-HOOK-024"}
    assert stored(host, run_id) == before


def test_they_have_no_receipt(host):
    with pytest.raises(NotFound) as error:
        last_receipt(host.history, host.begin("run_completed"))
    assert error.value.code == "SR-RUN-071"


def test_a_start_by_hand_never_finds_one_of_them(host):
    spec = host.register().spec
    run_id = host.begin(workflow_name="wf")
    for workflow in ("wf", spec.workflow_id):
        with pytest.raises(Conflict):
            host.engine.start(Start(owner=OWNER, workflow=workflow, run_id=run_id, json=b""))
    assert host.kinds(run_id) == ["run_created"]


def test_they_are_removed_whole_once_they_have_ended_long_ago(host):
    going = host.begin()
    hook = f"hook_{ULID()}"
    done = host.begin()
    host.create(done, "hook_created", hook, token="t")
    host.world.streams.write(done, "s", b"x")
    host.create(done, "run_completed")
    keeper = Retention(host.host, clock_ms=lambda: now_ms() + 721 * HOUR_MS)
    assert keeper.sweep().runs == 1
    with pytest.raises(NotFound):
        host.world.runs.get(done)
    assert host.world.runs.get(going).view.status == "pending"


def test_one_that_has_ended_is_sealed_again_and_goes_on_to_be_read_and_finished(database):
    old = WorldHost(database, secret=SECRETS[0])
    step = f"step_{ULID()}"
    run_id = old.begin("run_started", ("step_created", step), ("step_started", step))
    old.create(run_id, "hook_created", f"hook_{ULID()}", token="t")
    old.create(run_id, "run_failed")
    old.world.runs.get(run_id)
    old.close()
    new = WorldHost(database, secret=SECRETS[1])
    assert new.world.runs.get(run_id, opened=True).data.error == b"encr-error"
    assert EndedRuns(database, new.keys, new.host.journals.run_keys)(10_000) > 0
    assert new.engine.get(run_id).key_version == 2
    assert new.world.runs.get(run_id, opened=True).data.error == b"encr-error"
    assert new.create(run_id, "step_completed", step).step.state.status == "completed"
    assert new.kinds(run_id)[-1] == "step_completed"
    new.close()


def test_runs_of_this_host_are_read_as_views_and_not_written(host):
    run_id = started(host, one_hook)
    desk = HookDesk(host.host, host.engine)
    asleep(host, run_id)
    [hook] = host.world.hooks.list(run_id, limit=9, opened=True).shown
    desk.resume(b"paid", token=hook.data.token)
    host.engine.wait(run_id, 10)
    report = host.world.runs.get(run_id, opened=True)
    assert (report.view.status, report.header.module, report.view.workflow_name) == ("completed", "local", "wf")
    assert report.data.output
    steps = host.world.steps.list(run_id, limit=9, opened=True).shown
    assert {each.view.state.status for each in steps} == {"completed"}
    assert steps[0].view.step_name == "run@1.0.0.CreateHook"
    assert set(host.kinds(run_id)) >= {"noop", "hook_created", "hook_received", "run_completed"}
    for kind in ("run_cancelled", "run_started", "step_created"):
        with pytest.raises(StrongroomError) as error:
            host.create(run_id, kind, "s" if kind == "step_created" else "")
        assert error.value.code == "SR-WORLD-015"
    with pytest.raises(WrongState) as error:
        host.world.streams.write(run_id, "s", b"x")
    assert error.value.code == "SR-WORLD-015"
    assert host.world.runs.cancel_many([run_id])[0].error.code == "SR-WORLD-015"


def test_a_run_whose_start_cannot_be_recorded_is_not_begun_or_ended_at_once(host):
    host.host.audit = book = AuditBook()
    run_id = host.begin()
    assert book.told() == [("run.start", run_id, "done")]
    book.fails = True
    with pytest.raises(Unavailable):
        host.begin()
    book.check = lambda: None
    late = f"wrun_{ULID()}"
    with pytest.raises(Unavailable):
        host.create(late, "run_created")
    assert host.world.runs.get(late, opened=True).data.cancel_reason == "its start could not be recorded"


def test_what_a_guest_asked_of_the_vault_is_shown_to_nobody(host):
    journal = new_run(host.host.journals, 1)
    call = sdk_pb2.CapabilityRequest(id="vault@1.0.0", method="Get", callback_id=2)
    asked = [
        journal_pb2.StepCreated(secrets_request=b"hidden-names"),
        journal_pb2.StepCreated(request=call.SerializeToString() + b"\xf2\x7f\x06hidden"),
    ]
    got = [journal_pb2.StepCompleted(secrets_response=b"hidden"), journal_pb2.StepCompleted(response=b"hidden")]
    for number, (created, completed) in enumerate(zip(asked, got, strict=True)):
        journal.note("step_created", str(number), created.SerializeToString()).result()
        journal.note("step_completed", str(number), completed.SerializeToString()).result()
    run_id = journal.header.run_id
    events = [event.data for event in host.world.reader.list(run_id, limit=99).events]
    events += [host.world.reader.get(run_id, event_id(index)).event.data for index in range(5)]
    steps = [each.data for each in host.world.steps.list(run_id, limit=9, opened=True).shown]
    assert [each for each in (*events, *steps) if b"hidden" in each.SerializeToString()] == []
    assert [each.view.step_name for each in host.world.steps.list(run_id, limit=9).shown] == ["secrets", "secrets"]
