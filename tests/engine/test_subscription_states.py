"""Every event in every state of a subscription."""

import pytest

from strongroom.engine.subscription_states import TRANSITIONS, SubscriptionEvent, SubscriptionState, step

DECIDED = {
    "registered": "registered",
    "refused": "degraded",
    "paused": "paused",
    "by_hand": "by_hand",
    "forgotten": "unregistered",
}
FROM_THE_REGISTRY = {
    ("registered", "lost"): "degraded",
    ("degraded", "restored"): "registered",
}


@pytest.mark.parametrize("state", SubscriptionState)
@pytest.mark.parametrize("event", SubscriptionEvent)
def test_every_event_has_a_row_in_every_state(state, event):
    expected = DECIDED.get(event) or FROM_THE_REGISTRY.get((state, event), state)
    assert step(state, event) == expected


def test_the_table_is_whole():
    assert all(set(row) == set(SubscriptionEvent) for row in TRANSITIONS.values())
    assert set(TRANSITIONS) == set(SubscriptionState)
