"""A client and a relay: what two devices wrote apart, refusals, owners of any name; and the table of its states."""

import pytest

from strongroom.errors import Forbidden
from strongroom.workspace.sync import faults
from strongroom.workspace.sync.client_states import TRANSITIONS, ClientEvent, ClientState, step
from strongroom.workspace.sync.subprotocols import Dialect
from tests.fakes.relay_rig import RelayRig, append, connected, in_step, new_documents, until, values


@pytest.mark.parametrize("state", ClientState)
@pytest.mark.parametrize("event", ClientEvent)
def test_every_step_is_in_the_table_or_is_refused(state, event):
    if event in TRANSITIONS[state]:
        assert step(state, event) in ClientState
    else:
        with pytest.raises(Exception, match="cannot follow") as refused:
            step(state, event)
        assert refused.value.code == "SR-SYNC-035"


def test_two_clients_converge_also_on_what_both_wrote_offline(tmp_path):
    with RelayRig(tmp_path) as rig:
        one, two = new_documents(2)
        append(one, "one")
        append(two, "two")
        clients = rig.client(one, "a"), rig.client(two, "b", dialect=Dialect.EPICENTER)
        connected(*clients)
        in_step(one, two)
        rig.relay.stop()
        until(lambda: all(client.state != "connected" for client in clients))
        append(one, "more of one")
        append(two, "more of two")
        rig.restart()
        connected(*clients)
        in_step(one, two)
        assert len(values(one)) == 4


def test_a_wrong_token_and_another_owner_are_refused_for_good(tmp_path):
    with RelayRig(tmp_path) as rig:
        (document,) = new_documents(1)
        for more in ({"token": "guess"}, {"token": "bob-writes"}, {"token": None}):
            client = rig.client(document, **more)
            until(lambda client=client: client.state == "refused")
            assert client.problem.split()[0] in {"SR-SYNC-030", "SR-SYNC-034"}
            assert "guess" not in client.problem


def test_owners_of_any_name_have_rooms_of_their_own(tmp_path):
    with RelayRig(tmp_path) as rig:
        odd, alice = new_documents(2)
        connected(rig.client(odd, owner="a/../b ü", token="odd-writes"), rig.client(alice))
        append(odd, "mine")
        (again,) = new_documents(1)
        connected(rig.client(again, "x", owner="a/../b ü", token="odd-writes"))
        in_step(odd, again)
        assert values(alice) == []


def test_forbidden_is_what_stops_a_client():
    assert isinstance(faults.refused_for_good("x"), Forbidden)
