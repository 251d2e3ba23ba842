"""The session of a host whose keyring makes the keys: always signed in, and as new as the root keyring."""

import pytest

from strongroom.errors import Unavailable, WrongState
from strongroom.keyring.owner_keyring import derive_keyring
from strongroom.keyring.root import parse_secrets
from strongroom.workspace.session.cell import Grant
from strongroom.workspace.session.local import LocalSession
from strongroom.workspace.session.session import Session
from strongroom.workspace.session.states import SessionState


def test_a_local_session_is_always_signed_in_and_confirmed():
    session: Session = LocalSession(parse_secrets("1:secret"), "shared")
    assert (session.state, session.owner_id, session.source) == (SessionState.SIGNED_IN, "shared", "this host")
    assert session.confirmed
    assert session.subprotocols("wss://relay.example") == ()


def test_its_keyring_is_that_of_the_owner_in_the_settings():
    root = parse_secrets("2:new,1:old")
    session = LocalSession(root, "team")
    assert session.keyring() == session.keyring("team") == derive_keyring(root, "team")
    assert not session.keyring().same_keys(derive_keyring(root, "shared"))


def test_another_owner_has_no_keyring_here():
    with pytest.raises(Unavailable, match="auth signed-out"):
        LocalSession(parse_secrets("1:secret"), "shared").keyring("alice")


def test_a_change_of_the_root_keyring_is_seen_at_the_next_question_and_told():
    root = parse_secrets("1:secret")
    session = LocalSession(root, "shared")
    told = []
    end = session.subscribe(told.append)
    assert session.keyring().versions == (1,)
    root.become(parse_secrets("2:other,1:secret"))
    assert session.keyring().versions == (2, 1)
    session.rotated()
    end()
    session.rotated()
    assert told == [SessionState.SIGNED_IN]


def test_nobody_signs_in_to_the_keys_of_the_host_or_out_of_them():
    session = LocalSession(parse_secrets("1:secret"), "shared")
    with pytest.raises(WrongState, match="this host's own keys"):
        session.sign_in(Grant(access_token="x"))
    with pytest.raises(WrongState, match="unmount|this host's own keys"):
        session.sign_out()


def test_a_reconnect_signal_reaches_those_that_wait_until_they_end_it():
    session = LocalSession(parse_secrets("1:secret"), "shared")
    calls = []
    end = session.on_reconnect_signal(lambda: calls.append(1))
    session.reconnect()
    end()
    session.reconnect()
    assert calls == [1]
