"""Every state meets every event: the table is the whole truth."""

import pytest

from strongroom.engine.lifecycle import FINAL, TRANSITIONS, RunEvent, RunState, step
from strongroom.errors import WrongState


@pytest.mark.parametrize("state", RunState)
@pytest.mark.parametrize("event", RunEvent)
def test_a_step_is_in_the_table_or_refused(state, event):
    if event in TRANSITIONS[state]:
        assert step(state, event) is TRANSITIONS[state][event]
        return
    with pytest.raises(WrongState, match=f"{event} cannot happen to a {state} run"):
        step(state, event)


def test_a_run_that_ended_stays_ended():
    assert {RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED, RunState.TIMED_OUT} == FINAL
    assert all(not TRANSITIONS[state] for state in FINAL)


def test_every_state_can_be_reached_and_left_to_an_end():
    reached = {RunState.PENDING}
    while more := {after for state in reached for after in TRANSITIONS[state].values()} - reached:
        reached |= more
    assert reached == set(RunState)
