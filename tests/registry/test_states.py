"""The life of a plugin: every state with every event, and how long a restart waits."""

import itertools

import pytest

from strongroom.errors import Internal
from strongroom.registry.limits import Supervision
from strongroom.registry.process_plugin import backoff_s
from strongroom.registry.states import TRANSITIONS, Lifecycle, PluginEvent, step


@pytest.mark.parametrize(("state", "event"), list(itertools.product(Lifecycle, PluginEvent)))
def test_every_state_takes_an_event_or_says_that_it_cannot(state, event):
    if event in TRANSITIONS[state]:
        assert step(state, event) in Lifecycle
    else:
        with pytest.raises(Internal, match=f"a plugin that is {state} cannot take the event {event}"):
            step(state, event)


def test_the_table_has_every_state():
    assert set(TRANSITIONS) == set(Lifecycle)


@pytest.mark.parametrize(
    ("crashes", "jitter", "wait_s"),
    [(1, 0.0, 1.0), (2, 0.0, 2.0), (5, 0.0, 16.0), (7, 0.0, 60.0), (10_000, 0.0, 60.0), (5, 0.5, 12.0), (1, 0.9, 1.0)],
)
def test_a_restart_waits_longer_each_time_up_to_the_limit(crashes, jitter, wait_s):
    assert backoff_s(crashes, Supervision(), jitter=jitter) == wait_s
