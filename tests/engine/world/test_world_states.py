"""What the door takes and what it refuses: each row of the contract's two tables, by name, on both databases."""

import pytest
from ulid import ULID

from strongroom.engine.journal import now_ms
from strongroom.engine.world.faults import EntityConflictError, RunExpiredError, TooEarlyError
from strongroom.errors import NotFound
from tests.fakes.world_host import draft


@pytest.fixture
def ended(shared):
    """A run that was cancelled."""
    return shared.begin("run_started", "run_cancelled")


def refused(kind, shared, *event, **data):
    with pytest.raises(kind) as error:
        shared.create(*event, **data)
    return error.value


def test_a_run_goes_from_pending_over_running_to_completed(shared):
    run_id = shared.begin()
    states = [shared.world.runs.get(run_id).view.status]
    states += [shared.create(run_id, kind).run.status for kind in ("run_started", "run_completed")]
    assert states == ["pending", "running", "completed"]


@pytest.mark.parametrize("end", ["run_failed", "run_cancelled", "run_completed"])
@pytest.mark.parametrize("before", [(), ("run_started",)], ids=["pending", "running"])
def test_a_run_may_end_from_each_state_before(shared, end, before):
    run_id = shared.begin(*before)
    answer = shared.create(run_id, end)
    assert answer.run.status == answer.header.status == end.removeprefix("run_")
    assert (
        answer.header.finished_at == answer.run.ended_at or abs(answer.header.finished_at - answer.run.ended_at) < 5_000
    )


def test_cancelling_a_cancelled_run_is_accepted_and_changes_nothing(shared, ended):
    before = shared.kinds(ended)
    answer = shared.create(ended, "run_cancelled", cancel_reason="again")
    assert (answer.run.status, answer.event.data.cancel_reason) == ("cancelled", "not wanted")
    assert shared.kinds(ended) == before


def test_a_run_that_is_over_is_not_started_again(shared, ended):
    error = refused(RunExpiredError, shared, ended, "run_started")
    assert str(error) == f'Workflow run "{ended}" is already in terminal state "cancelled"'


@pytest.mark.parametrize("end", ["run_completed", "run_failed"])
def test_a_run_that_is_over_does_not_end_in_another_way(shared, ended, end):
    error = refused(EntityConflictError, shared, ended, end)
    assert str(error) == 'Cannot transition run from terminal state "cancelled"'


def test_a_completed_run_is_not_cancelled(shared):
    run_id = shared.begin("run_completed")
    error = refused(EntityConflictError, shared, run_id, "run_cancelled")
    assert str(error) == 'Cannot transition run from terminal state "completed"'


@pytest.mark.parametrize(
    ("kind", "data"),
    [("step_created", {}), ("hook_created", {}), ("wait_created", {}), ("step_started", {"input": b"lazy"})],
    ids=["step", "hook", "wait", "lazy step"],
)
def test_nothing_begins_in_a_run_that_is_over(shared, ended, kind, data):
    error = refused(EntityConflictError, shared, ended, kind, "late", **data)
    assert str(error) == 'Cannot create new entities on run in terminal state "cancelled"'


def test_attributes_of_a_run_that_is_over_stay(shared, ended):
    error = refused(EntityConflictError, shared, ended, "attr_set")
    assert error.code == "SR-WORLD-004"


@pytest.mark.parametrize("kind", ["step_started", "step_completed", "step_failed", "step_retrying"])
def test_an_event_of_an_unknown_step_is_refused(shared, kind):
    error = refused(NotFound, shared, shared.begin("run_started"), kind, "step_1")
    assert str(error) == 'Step "step_1" not found'


def test_a_step_goes_from_pending_over_running_to_its_end_and_counts_its_attempts(shared):
    run_id = shared.begin("run_started")
    states = [
        (step.state.status.value, step.state.attempt)
        for step in (
            shared.create(run_id, kind, "step_1").step
            for kind in ("step_created", "step_started", "step_retrying", "step_started", "step_completed")
        )
    ]
    assert states == [("pending", 0), ("running", 1), ("pending", 1), ("running", 2), ("completed", 2)]


def test_a_step_may_begin_with_its_start(shared):
    run_id = shared.begin("run_started")
    step = shared.create(run_id, "step_started", "step_1", input=b"lazy").step
    assert (step.state.status, step.state.attempt, step.step_name) == ("running", 1, "charge")
    opened = shared.world.steps.get(run_id, "step_1", opened=True)
    assert opened.data.input == b"lazy"


@pytest.mark.parametrize("kind", ["step_started", "step_created"])
def test_the_second_who_creates_a_step_must_not_execute_it(shared, kind):
    run_id = shared.begin("run_started", ("step_created", "step_1"))
    error = refused(EntityConflictError, shared, run_id, kind, "step_1", input=b"lazy")
    assert str(error) == 'Step "step_1" already created'


@pytest.mark.parametrize("kind", ["step_started", "step_completed", "step_failed", "step_retrying"])
@pytest.mark.parametrize("end", ["step_completed", "step_failed"])
def test_a_step_that_is_over_stays_so(shared, end, kind):
    run_id = shared.begin("run_started", ("step_created", "s"), (end, "s"))
    error = refused(EntityConflictError, shared, run_id, kind, "s")
    assert str(error) == f'Cannot modify step in terminal state "{end.removeprefix("step_")}"'


@pytest.mark.parametrize("kind", ["step_completed", "step_failed"])
def test_a_running_step_of_a_run_that_is_over_may_finish(shared, kind):
    run_id = shared.begin("run_started", ("step_created", "s"), ("step_started", "s"), "run_cancelled")
    before = shared.world.runs.get(run_id).header
    answer = shared.create(run_id, kind, "s")
    assert answer.step.state.status == kind.removeprefix("step_")
    assert (answer.header.finished_at, answer.header.started_at) == (before.finished_at, before.started_at)
    assert answer.header.output_bytes == before.output_bytes > 0
    assert (answer.run.status, answer.header.status) == ("cancelled", "cancelled")
    assert shared.kinds(run_id)[-2:] == ["run_cancelled", kind]


def test_a_pending_step_of_a_run_that_is_over_is_not_started(shared):
    run_id = shared.begin("run_started", ("step_created", "s"), "run_failed")
    error = refused(RunExpiredError, shared, run_id, "step_started", "s")
    assert str(error) == f'Workflow run "{run_id}" is already in terminal state "failed"'


def test_a_step_is_not_started_before_its_time_and_says_in_how_many_seconds_rounded_up(shared):
    run_id = shared.begin("run_started", ("step_created", "s"), ("step_started", "s"))
    at = now_ms()
    shared.create(run_id, "step_retrying", "s", retry_after_unix_ms=at + 90_000)
    error = refused(TooEarlyError, shared, run_id, "step_started", "s")
    assert 80 < error.retry_after <= 90
    assert error.retry_after * 1000 - 1000 < error.details["retry_ms"] <= error.retry_after * 1000
    shared.ahead_ms = 90_001
    try:
        assert shared.create(run_id, "step_started", "s").step.state.attempt == 2
    finally:
        shared.ahead_ms = 0


def test_a_step_that_goes_on_may_be_started_again(shared):
    run_id = shared.begin("run_started", ("step_created", "s"), ("step_started", "s"))
    assert shared.create(run_id, "step_started", "s").step.state.attempt == 2


@pytest.mark.parametrize("kind", ["hook_received", "hook_disposed"])
def test_an_event_of_a_hook_that_is_not_there_is_refused(shared, kind):
    error = refused(NotFound, shared, shared.begin(), kind, "hook_1")
    assert str(error) == 'Hook "hook_1" not found'


def test_a_token_that_is_taken_makes_a_conflict_and_no_hook(shared):
    token = str(ULID())
    first = shared.begin()
    shared.create(first, "hook_created", f"hook_{ULID()}", token=token)
    second = shared.begin()
    answer = shared.create(second, "hook_created", f"hook_{ULID()}", token=token)
    assert (answer.event.kind, answer.hook) == ("hook_conflict", None)
    assert answer.event.data.conflicting_run_id == first
    assert shared.kinds(second) == ["run_created", "hook_conflict"]


@pytest.mark.parametrize("freed", ["run_completed", "run_cancelled", "hook_disposed"])
def test_a_token_is_free_again_once_its_hook_is_disposed_of_or_its_run_is_over(shared, freed):
    token, name = str(ULID()), f"hook_{ULID()}"
    first = shared.begin()
    shared.create(first, "hook_created", name, token=token)
    shared.create(first, freed, name if freed == "hook_disposed" else "")
    assert shared.world.hooks.get(first, name).view.is_disposed
    answer = shared.create(shared.begin(), "hook_created", f"hook_{ULID()}", token=token)
    assert answer.event.kind == "hook_created"
    assert shared.world.hooks.get_by_token(token).header.run_id == answer.header.run_id


@pytest.mark.parametrize("kind", ["hook_received", "hook_disposed"])
def test_a_hook_of_a_run_that_is_over_takes_nothing(shared, kind):
    name = f"hook_{ULID()}"
    run_id = shared.begin()
    shared.create(run_id, "hook_created", name, token=str(ULID()))
    shared.create(run_id, "run_completed")
    assert str(refused(NotFound, shared, run_id, kind, name)) == f'Hook "{name}" not found'


def test_a_wait_begins_once_and_ends_once(shared):
    run_id = shared.begin("run_started")
    assert str(refused(NotFound, shared, run_id, "wait_completed", "w")) == 'Wait "w" not found'
    assert shared.create(run_id, "wait_created", "w").wait.ended_at == 0
    assert refused(EntityConflictError, shared, run_id, "wait_created", "w").code == "SR-WORLD-011"
    assert shared.create(run_id, "wait_completed", "w").wait.ended_at > 0
    assert refused(EntityConflictError, shared, run_id, "wait_completed", "w").code == "SR-WORLD-013"
    assert shared.world.waits.list(run_id, limit=9).shown[0].view.resume_at == 1_900_000_000_000


def test_a_run_is_made_once(shared):
    run_id = shared.begin()
    error = refused(EntityConflictError, shared, run_id, "run_created")
    assert str(error) == f'Workflow run "{run_id}" already exists'


def test_a_start_that_says_what_its_run_is_made_of_makes_it(shared):
    run_id = f"wrun_{ULID()}"
    made = {"deployment_id": "dpl_2", "workflow_name": "late", "input": b"encr-late"}
    answer = shared.create(run_id, "run_started", **made)
    assert (answer.run.status, answer.run.deployment_id, answer.event.kind) == ("running", "dpl_2", "run_started")
    assert shared.kinds(run_id) == ["run_created", "run_started"]
    assert shared.world.runs.get(run_id, opened=True).data.input == b"encr-late"
    assert refused(EntityConflictError, shared, run_id, "run_created").code == "SR-WORLD-014"


def test_events_that_come_together_are_all_stored_or_none(shared):
    run_id = f"wrun_{ULID()}"
    drafts = [draft("run_created"), draft("run_started"), draft("step_created", "s"), draft("step_started", "s")]
    answers = shared.world.events.create_batch(run_id, drafts, owner="0" * 39 + "1")
    assert [answer.event.row.index for answer in answers] == [0, 1, 2, 3]
    assert answers[2].step.state.status == "running"
    with pytest.raises(EntityConflictError):
        shared.world.events.create_batch(
            run_id, [draft("step_completed", "s"), draft("wait_created", "w"), draft("step_failed", "s")], owner=""
        )
    assert len(shared.kinds(run_id)) == 4
    assert shared.world.waits.list(run_id, limit=9).shown == []


def test_a_token_that_one_call_frees_may_be_taken_in_the_same_call(shared):
    token, old, new = str(ULID()), f"hook_{ULID()}", f"hook_{ULID()}"
    run_id = shared.begin()
    drafts = [
        draft("hook_created", old, token=token),
        draft("hook_created", f"hook_{ULID()}", token=token),
        draft("hook_disposed", old),
        draft("hook_created", new, token=token),
    ]
    answers = shared.world.events.create_batch(run_id, drafts, owner="")
    assert [answer.event.kind.value for answer in answers] == [
        "hook_created",
        "hook_conflict",
        "hook_disposed",
        "hook_created",
    ]
    assert shared.world.hooks.get_by_token(token).view.hook_id == new
