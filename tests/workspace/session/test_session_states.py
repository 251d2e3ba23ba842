"""The table of a session's states: each row, and nothing beside them."""

import itertools

import pytest

from strongroom.errors import Internal
from strongroom.workspace.session.states import TRANSITIONS, SessionEvent, SessionState, step

WANTED = {
    ("signed-out", "CACHED"): "signed-in",
    ("signed-out", "CONFIRMED"): "signed-in",
    ("signed-out", "SIGN_OUT"): "signed-out",
    ("signed-in", "CONFIRMED"): "signed-in",
    ("signed-in", "REFUSED"): "reauth-required",
    ("signed-in", "OTHER_OWNER"): "signed-out",
    ("signed-in", "SIGN_OUT"): "signed-out",
    ("reauth-required", "CONFIRMED"): "signed-in",
    ("reauth-required", "REFUSED"): "reauth-required",
    ("reauth-required", "OTHER_OWNER"): "signed-out",
    ("reauth-required", "SIGN_OUT"): "signed-out",
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(SessionState, SessionEvent)))
def test_an_event_leads_where_the_table_says_and_nowhere_else(state, event):
    wanted = WANTED.get((state.value, event.name))
    if wanted is None:
        with pytest.raises(Internal, match="cannot follow"):
            step(state, event)
    else:
        assert step(state, event) == wanted


def test_signing_out_is_possible_in_every_state():
    assert {step(state, SessionEvent.SIGN_OUT) for state in SessionState} == {SessionState.SIGNED_OUT}


def test_another_owner_appears_only_after_nobody():
    assert {rows[SessionEvent.OTHER_OWNER] for rows in TRANSITIONS.values() if SessionEvent.OTHER_OWNER in rows} == {
        SessionState.SIGNED_OUT
    }
