"""Signing out wins over whatever is under way; a refusal pauses; a server that is away changes nothing."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from strongroom.errors import Forbidden, StorageFault, Unavailable
from strongroom.workspace.session.checking import Checks
from tests.fakes.session_rig import ALICE, BOB, CACHED, IN, OUT, REAUTH, Rig, held
from tests.fakes.session_server import WAIT_S, Answer, SessionServer, keyring_of, session_body


@pytest.fixture
def server():
    with SessionServer() as running:
        yield running


@pytest.fixture
def rig(server, tmp_path):
    return Rig(server, tmp_path)


# Signing out


def test_signing_out_forgets_keys_and_cell_and_tells(rig):
    rig.session.confirm()
    rig.session.sign_out()
    assert (rig.session.state, rig.session.confirmed, rig.told) == (OUT, False, [OUT])
    assert not rig.file.path.exists()
    with pytest.raises(Unavailable):
        rig.session.keyring()
    with pytest.raises(Unavailable):
        rig.session.subprotocols(rig.room)


def test_signing_out_twice_is_fine_and_told_once(rig):
    rig.session.sign_out()
    rig.session.sign_out()
    assert rig.told == [OUT]


def test_signing_out_returns_after_everybody_was_told(rig):
    order = []
    rig.session.subscribe(lambda state: order.append("told"))
    rig.session.sign_out()
    order.append("returned")
    assert order == ["told", "returned"]


def test_sign_out_wins_over_a_confirmation_in_flight(rig):
    raised = held(rig, Answer(body=session_body()), rig.session.confirm)
    assert isinstance(raised, Unavailable)
    assert (rig.session.state, rig.told, rig.file.path.exists()) == (OUT, [OUT], False)


@pytest.mark.parametrize("owner", ["alice", "carol"], ids=["the same owner", "another one"])
def test_what_comes_after_a_session_was_closed_changes_nothing(rig, owner):
    before = rig.file.path.read_bytes()
    answer = Answer(body=session_body(owner, secrets="2:fresh,1:a-secret-of-tests"))
    raised = held(rig, answer, rig.session.confirm, meanwhile=rig.session.close)
    assert isinstance(raised, Unavailable)
    assert (rig.told, rig.file.path.read_bytes()) == ([], before)


def test_sign_out_wins_over_another_owner_in_flight(rig):
    held(rig, Answer(body=session_body("carol")), rig.session.confirm)
    assert (rig.session.owner_id, rig.told, rig.file.path.exists()) == ("", [OUT], False)


def test_sign_out_wins_over_a_sign_in_in_flight(rig):
    raised = held(rig, Answer(body=session_body("bob")), lambda: rig.session.sign_in(BOB))
    assert isinstance(raised, Unavailable)
    assert (rig.session.state, rig.file.path.exists()) == (OUT, False)


def test_sign_out_wins_over_a_refresh_in_flight(rig):
    rig.now_ms = ALICE.access_token_expires_at_ms
    raised = held(rig, Answer(body={"access_token": "token-late"}), rig.session.confirm)
    assert isinstance(raised, Unavailable)
    assert (rig.session.state, rig.file.path.exists()) == (OUT, False)
    assert rig.server.paths() == ["/oauth2/token"]


def test_sign_out_wins_over_a_refusal_in_flight(rig):
    raised = held(rig, Answer(403, {}), rig.session.confirm)
    assert isinstance(raised, Forbidden)
    assert (rig.session.state, rig.told) == (OUT, [OUT])


@pytest.mark.parametrize(
    "late", [Answer(body={"access_token": "token-late"}), Answer(status=400)], ids=["a grant", "a refusal"]
)
def test_a_refresh_of_the_last_session_changes_nothing_of_the_next(rig, late):
    rig.now_ms = ALICE.access_token_expires_at_ms

    def another_signs_in():
        rig.session.sign_out()
        rig.server.plan.append(Answer(body=session_body("bob")))
        rig.session.sign_in(BOB)

    assert held(rig, late, rig.session.confirm, meanwhile=another_signs_in) is not None
    cell = rig.file.load()
    assert (rig.session.state, cell.owner_id, cell.grant) == (IN, "bob", BOB)


def test_a_confirmation_of_the_last_session_changes_nothing_of_the_next(rig):
    answer = Answer(body=session_body("alice", secrets="9:stale"), hold=threading.Event())
    rig.server.plan.append(answer)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(rig.session.confirm)
        rig.server.wait_for_request()
        rig.session.sign_out()
        rig.session.sign_in(ALICE)
        answer.hold.set()
        assert isinstance(future.exception(WAIT_S), Unavailable)
    assert rig.session.keyring().versions == (1,)
    assert rig.file.load().keyring.versions == (1,)


def test_a_cell_that_cannot_be_removed_is_said_and_nobody_is_signed_in_all_the_same(rig, monkeypatch):
    def stays():
        raise StorageFault("SR-SESSION-004", "read-only")

    monkeypatch.setattr(rig.file, "wipe", stays)
    with pytest.raises(StorageFault):
        rig.session.sign_out()
    assert (rig.session.state, rig.told) == (OUT, [OUT])


# Refusals, and a server that is away


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_grant_pauses_the_network_and_keeps_the_keys(server, tmp_path, status):
    rig = Rig(server, tmp_path, refreshes=False)
    rig.server.plan.append(Answer(status, {}))
    with pytest.raises(Forbidden):
        rig.session.confirm()
    assert (rig.session.state, rig.told) == (REAUTH, [REAUTH])
    assert rig.session.keyring("alice") == keyring_of("alice")
    assert rig.file.load() == CACHED
    asked = len(server.asked)
    for _ in range(3):
        with pytest.raises(Unavailable, match="has refused the grant"):
            rig.session.confirm()
    assert len(server.asked) == asked


def test_a_refused_grant_shows_no_bearer_even_when_it_was_confirmed_before(rig):
    rig.session.confirm()
    rig.server.plan.append(Answer(403, {}))
    with pytest.raises(Forbidden):
        rig.session.confirm()
    with pytest.raises(Unavailable, match="has refused the grant"):
        rig.session.subprotocols(rig.room)


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_that_is_down_does_not_sign_out(rig, status):
    rig.session.confirm()
    rig.server.plan.append(Answer(status, {}))
    with pytest.raises(Unavailable):
        rig.session.confirm()
    assert (rig.session.state, rig.session.confirmed, rig.told) == (IN, True, [])
    assert rig.session.subprotocols(rig.room) == ("bearer.token-alice",)


def test_a_page_instead_of_a_session_does_not_sign_out(rig):
    rig.server.plan.append(Answer(raw=b"<html>"))
    with pytest.raises(Unavailable):
        rig.session.confirm()
    assert (rig.session.state, rig.told) == (IN, [])


# Where the bearer goes


@pytest.mark.parametrize("url", ["wss://elsewhere.example/api", "ws://127.0.0.1:1/api", "ws://localhost/api"])
def test_a_bearer_goes_to_its_own_server_only(rig, url):
    rig.session.confirm()
    assert rig.session.subprotocols(url) == ()


def test_a_reconnect_signal_comes_when_a_bearer_can_be_shown_again(rig):
    rig.session.confirm()
    assert rig.reconnects == 1
    rig.session.confirm()
    assert rig.reconnects == 1
    rig.session.sign_in(ALICE)
    assert rig.reconnects == 2


def test_whoever_mended_something_lets_connections_try_again(rig):
    rig.session.reconnect()
    assert rig.reconnects == 1
    with pytest.raises(Unavailable, match="has not confirmed the owner"):
        rig.session.subprotocols(rig.room)


def test_no_repr_or_log_of_a_session_shows_a_token(rig, caplog):
    rig.server.plan.append(Answer(503, {}))
    checks = Checks(rig.session, every_s=60.0)
    checks.check()
    text = repr(rig.session) + caplog.text + repr([vars(record) for record in caplog.records])
    assert "token-alice" not in text
    assert "did not confirm" in text


# Asking again and again


def test_checks_ask_again_with_growing_pauses_and_at_the_usual_pace_once_it_answers(rig):
    rig.server.plan.extend(Answer(503, {}) for _ in range(12))
    checks = Checks(rig.session, every_s=600.0)
    pauses = [checks.check() for _ in range(12)]
    assert pauses[:4] == [2.0, 4.0, 8.0, 16.0]
    assert pauses == sorted(pauses)
    assert max(pauses) <= 600.0
    assert checks.check() == 600.0
    assert rig.session.confirmed


def test_checks_do_not_ask_while_nobody_is_signed_in_or_the_grant_is_refused(rig):
    checks = Checks(rig.session, every_s=600.0)
    rig.server.plan.append(Answer(403, {}))
    assert checks.check() == 600.0
    assert checks.check() == 600.0
    assert len(rig.server.asked) == 1
    rig.session.sign_out()
    checks.check()
    assert len(rig.server.asked) == 1


def test_checks_run_in_the_background_and_end(rig):
    confirmed = threading.Event()
    rig.session.on_reconnect_signal(confirmed.set)
    checks = Checks(rig.session, every_s=600.0)
    checks.start()
    assert confirmed.wait(WAIT_S)
    checks.wake()
    rig.server.wait_for_request()
    rig.server.wait_for_request()
    checks.close()
    assert rig.session.confirmed


def test_a_watcher_that_fails_keeps_no_other_from_being_told(rig):
    def broken(state):
        raise RuntimeError("of a watcher")

    late = []
    rig.session.subscribe(broken)
    rig.session.subscribe(late.append)
    rig.session.sign_out()
    assert late == [OUT]


def test_a_watcher_may_ask_and_change_the_session_it_watches(rig):
    def sign_out_again(state):
        assert rig.session.state is OUT
        rig.session.sign_out()

    rig.session.subscribe(sign_out_again)
    rig.session.sign_out()
    assert rig.told == [OUT]
