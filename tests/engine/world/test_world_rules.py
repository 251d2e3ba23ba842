"""The tables of the World contract, walked whole: every state with every event."""

import pytest

from strongroom.engine.world import rules
from strongroom.engine.world.faults import EntityConflictError, RunExpiredError, TooEarlyError
from strongroom.engine.world.rules import EventType, RunStatus, Step, StepStatus
from strongroom.errors import NotFound

RUN_WALK = [(status, event) for status in RunStatus for event in (EventType.RUN_CREATED, *sorted(rules.RUN_EVENTS))]
STEP_WALK = [
    (run, status, event, makes)
    for run in RunStatus
    for status in (None, *StepStatus)
    for event in (EventType.STEP_CREATED, *sorted(rules.STEP_EVENTS))
    for makes in (False, True)
    if makes == (event is EventType.STEP_CREATED) or event is EventType.STEP_STARTED
]


def outcome(function, *args, **named):
    try:
        return function(*args, **named)
    except (EntityConflictError, RunExpiredError, NotFound, TooEarlyError) as error:
        return error.code


@pytest.mark.parametrize(("status", "event"), RUN_WALK)
def test_a_run_in_each_state_with_each_event(status, event):
    over = status in rules.FINAL_RUN
    ends = {"run_completed": "completed", "run_failed": "failed", "run_cancelled": "cancelled"}
    if event is EventType.RUN_CREATED:
        wanted = "SR-WORLD-014"
    elif over and event is EventType.RUN_STARTED:
        wanted = "SR-WORLD-001"
    elif over and (status, event) != (RunStatus.CANCELLED, EventType.RUN_CANCELLED):
        wanted = "SR-WORLD-002"
    else:
        wanted = ends.get(event, "running")
    assert outcome(rules.run_changed, "wrun_x", status, event) == wanted


@pytest.mark.parametrize(("run", "status", "event", "makes"), STEP_WALK)
def test_a_step_in_each_state_of_each_run_with_each_event(run, status, event, makes):
    before = None if status is None else Step(status, 3)
    got = outcome(rules.step_changed, "wrun_x", run, "s", before, event, makes=makes, now_ms=5)
    over = run in rules.FINAL_RUN
    if makes:
        wanted = "SR-WORLD-003" if over else "SR-WORLD-006"
        if not over and before is None:
            lazy = event is EventType.STEP_STARTED
            wanted = Step(StepStatus.RUNNING, 1) if lazy else Step(StepStatus.PENDING)
    elif before is None:
        wanted = "SR-WORLD-005"
    elif status in rules.FINAL_STEP:
        wanted = "SR-WORLD-007"
    elif over and status is not StepStatus.RUNNING:
        wanted = "SR-WORLD-008"
    else:
        after = {"step_started": "running", "step_retrying": "pending"}.get(event, event.removeprefix("step_"))
        wanted = Step(StepStatus(after), 4 if event is EventType.STEP_STARTED else 3)
    assert got == wanted


@pytest.mark.parametrize(("wait_ms", "seconds"), [(1, 1), (999, 1), (1000, 1), (1001, 2), (86_400_000, 86_400)])
def test_seconds_until_a_step_may_start_are_rounded_up(wait_ms, seconds):
    step = Step(StepStatus.PENDING, 1, 1_000_000 + wait_ms)
    with pytest.raises(TooEarlyError) as error:
        rules.step_changed("r", RunStatus.RUNNING, "s", step, EventType.STEP_STARTED, makes=False, now_ms=1_000_000)
    assert error.value.retry_after == error.value.details["retry_after"] == seconds


@pytest.mark.parametrize("run", list(RunStatus))
@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize("is_taken", [False, True])
def test_a_hook_in_each_run(run, is_there, is_taken):
    got = outcome(rules.hook_created, run, "h", is_there=is_there, is_token_taken=is_taken)
    free = "hook_conflict" if is_taken else "hook_created"
    assert got == ("SR-WORLD-003" if run in rules.FINAL_RUN else "SR-WORLD-011" if is_there else free)
    changed = outcome(rules.hook_changed, run, "h", is_open=is_there)
    assert changed == (None if is_there and run not in rules.FINAL_RUN else "SR-WORLD-010")


@pytest.mark.parametrize("run", list(RunStatus))
@pytest.mark.parametrize(("is_there", "is_over"), [(False, False), (True, False), (True, True)])
def test_a_wait_in_each_run(run, is_there, is_over):
    over = run in rules.FINAL_RUN
    created = outcome(rules.wait_created, run, "w", is_there=is_there)
    assert created == ("SR-WORLD-003" if over else "SR-WORLD-011" if is_there else None)
    completed = outcome(rules.wait_completed, "r", run, "w", is_there=is_there, is_over=is_over)
    codes = {(False, False): "SR-WORLD-012", (True, True): "SR-WORLD-013"}
    assert completed == codes.get((is_there, is_over), "SR-WORLD-008" if over else None)


@pytest.mark.parametrize("run", list(RunStatus))
def test_attributes_in_each_run(run):
    assert outcome(rules.attributes_set, run) == ("SR-WORLD-004" if run in rules.FINAL_RUN else None)
