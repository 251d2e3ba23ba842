"""The session of a server: who is signed in after a start, a sign-in, another owner, other keys and a refresh."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from strongroom.errors import Forbidden, InvalidInput, StorageFault, Unavailable
from strongroom.workspace.session.cell import Grant
from tests.fakes.session_rig import ALICE, BOB, CACHED, IN, OUT, REAUTH, Rig
from tests.fakes.session_server import WAIT_S, Answer, SessionServer, keyring_of, session_body


@pytest.fixture
def server():
    with SessionServer() as running:
        yield running


@pytest.fixture
def rig(server, tmp_path):
    return Rig(server, tmp_path)


# A start, with a cell and without a network


def test_a_cold_start_offline_is_signed_in_with_the_cached_keyring(server, tmp_path):
    rig = Rig(server, tmp_path, url="http://127.0.0.1:1")
    with pytest.raises(Unavailable):
        rig.session.confirm()
    assert (rig.session.state, rig.session.owner_id, rig.session.confirmed) == (IN, "alice", False)
    assert rig.session.keyring() == keyring_of("alice")


def test_a_cold_start_shows_no_bearer_on_any_request_until_the_owner_is_confirmed(rig):
    with pytest.raises(Unavailable, match="has not confirmed the owner") as caught:
        rig.session.subprotocols(rig.room)
    assert caught.value.code == "SR-SESSION-016"
    assert rig.server.asked == []
    rig.session.confirm()
    assert rig.session.subprotocols(rig.room) == ("bearer.token-alice",)
    assert rig.server.paths() == ["/api/session"]


def test_a_start_asks_nobody(rig):
    assert rig.server.asked == []
    assert rig.told == []


def test_a_start_without_a_cell_is_signed_out_and_has_no_keyring(server, tmp_path):
    rig = Rig(server, tmp_path, cached=False)
    assert (rig.session.state, rig.session.owner_id) == (OUT, "")
    with pytest.raises(Unavailable, match="auth signed-out") as caught:
        rig.session.keyring()
    assert caught.value.code == "SR-SESSION-014"
    with pytest.raises(Unavailable, match="auth signed-out"):
        rig.session.confirm()
    assert server.asked == []


def test_a_start_with_a_corrupt_cell_is_signed_out(server, tmp_path):
    rig = Rig(server, tmp_path)
    rig.file.path.write_bytes(b'{"grant":{}}')
    assert rig.start().state is OUT


def test_a_confirmation_with_the_same_keys_is_told_to_nobody_and_writes_nothing(rig):
    before = rig.file.path.stat().st_ino
    rig.session.confirm()
    rig.session.confirm()
    assert rig.session.confirmed
    assert rig.told == []
    assert rig.file.path.stat().st_ino == before
    assert rig.reconnects == 1


def test_keys_in_another_order_are_the_same_keys(rig):
    body = session_body(secrets="2:b,1:a")
    rig.server.plan.extend([Answer(body=body), Answer(body={**body, "keyring": body["keyring"][::-1]})])
    rig.session.confirm()
    rig.told.clear()
    rig.session.confirm()
    assert rig.told == []


# Signing in


def test_signing_in_asks_whose_the_grant_is_and_keeps_the_cell(server, tmp_path):
    rig = Rig(server, tmp_path, cached=False)
    assert rig.session.sign_in(ALICE) == "alice"
    assert (rig.session.state, rig.session.confirmed, rig.told) == (IN, True, [IN])
    assert rig.file.load() == CACHED
    assert rig.start().owner_id == "alice"
    assert rig.reconnects == 1


def test_a_grant_that_is_refused_signs_nobody_in_and_leaves_who_was(rig):
    with pytest.raises(Forbidden):
        rig.session.sign_in(Grant(access_token="token-nobody"))
    assert (rig.session.state, rig.session.owner_id, rig.told) == (IN, "alice", [])
    assert rig.file.load() == CACHED


@pytest.mark.parametrize(
    ("grant", "field"),
    [
        (Grant(access_token=""), "access_token"),
        (Grant(access_token="token\n"), "access_token"),
        (Grant(access_token="two, tokens"), "access_token"),
        (Grant(access_token="tökén"), "access_token"),
        (Grant(access_token="x" * 16_385), "access_token"),
        (Grant(access_token="token-alice", refresh_token="a b"), "refresh_token"),
        (Grant(access_token="token-alice", access_token_expires_at_ms=-1), "access_token_expires_at_ms"),
        (Grant(access_token="token-alice", access_token_expires_at_ms=2**53), "access_token_expires_at_ms"),
    ],
    ids=["empty", "line break", "two", "letters", "long", "refresh", "before 1970", "no number"],
)
def test_a_grant_that_fits_in_no_header_is_shown_to_nobody(rig, grant, field):
    with pytest.raises(InvalidInput) as caught:
        rig.session.sign_in(grant)
    assert (caught.value.code, caught.value.details["field"]) == ("SR-SESSION-017", field)
    assert rig.server.asked == []
    assert not grant.access_token or grant.access_token not in str(caught.value)


def test_signing_in_again_after_the_grant_was_refused_ends_the_pause(rig):
    rig.server.plan.append(Answer(403, {}))
    with pytest.raises(Forbidden):
        rig.session.confirm()
    rig.session.sign_in(ALICE)
    assert rig.told == [REAUTH, IN]
    assert rig.session.subprotocols(rig.room) == ("bearer.token-alice",)


def test_signing_in_as_the_same_owner_closes_nothing(rig):
    rig.session.confirm()
    rig.session.sign_in(ALICE)
    assert OUT not in rig.told


# Another owner


def test_a_different_owner_wipes_the_cell_and_passes_through_signed_out(rig):
    wiped = []
    rig.session.subscribe(lambda state: wiped.append(state))
    rig.server.owners["token-alice"] = "carol"
    rig.session.confirm()
    assert rig.told == [OUT, IN]
    assert wiped == [OUT, IN]
    assert rig.session.owner_id == "carol"
    stored = rig.file.load()
    assert (stored.owner_id, stored.keyring) == ("carol", keyring_of("carol"))


def test_a_different_owner_never_gets_the_keyring_that_was_asked_for_the_old_one(rig):
    rig.session.sign_in(BOB)
    assert rig.told == [OUT, IN]
    with pytest.raises(Unavailable, match="auth signed-out"):
        rig.session.keyring("alice")
    assert rig.session.keyring("bob") == keyring_of("bob")


def test_a_crash_between_the_owners_leaves_nobody_signed_in(rig, monkeypatch):
    def full(cell):
        raise StorageFault("SR-SESSION-004", "no space")

    monkeypatch.setattr(rig.file, "store", full)
    with pytest.raises(StorageFault):
        rig.session.sign_in(BOB)
    assert (rig.session.state, rig.told) == (OUT, [OUT])
    monkeypatch.undo()
    assert rig.start().state is OUT


# The same owner with other keys


def test_the_same_owner_with_a_new_keyring_updates_the_cell_and_is_told(rig):
    rig.server.secrets = "2:fresh,1:a-secret-of-tests"
    rig.session.confirm()
    assert rig.told == [IN]
    assert rig.session.keyring().versions == (2, 1)
    assert rig.file.load().keyring.versions == (2, 1)
    assert rig.file.load().grant == ALICE


# Refreshing


def test_a_refresh_writes_only_the_grant(rig):
    rig.now_ms = ALICE.access_token_expires_at_ms - 1
    rig.session.confirm()
    stored = rig.file.load()
    assert stored.grant.access_token == "token-fresh-1"
    assert (stored.user_id, stored.owner_id, stored.keyring) == (CACHED.user_id, CACHED.owner_id, CACHED.keyring)
    assert rig.told == []
    assert [asked.authorization for asked in rig.server.asked] == ["", "Bearer token-fresh-1"]


def test_concurrent_refreshes_share_one_request(rig):
    rig.session.confirm()
    rig.now_ms = ALICE.access_token_expires_at_ms
    hold = threading.Event()
    rig.server.plan.append(Answer(body={"access_token": "token-shared", "expires_in": 3600}, hold=hold))
    rig.server.asked.clear()
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(rig.session.subprotocols, rig.room) for _ in range(8)]
        rig.server.wait_for_request()
        hold.set()
        assert {future.result(WAIT_S) for future in futures} == {("bearer.token-shared",)}
    assert [asked.path for asked in rig.server.asked] == ["/oauth2/token"]


def test_a_token_that_ended_before_its_time_is_refreshed_once(rig):
    rig.server.owners.clear()
    rig.session.confirm()
    assert rig.server.paths() == ["/api/session", "/oauth2/token", "/api/session"]
    assert rig.session.state is IN


def test_a_token_that_is_refused_after_a_refresh_too_pauses(rig):
    rig.server.plan.extend([Answer(401, {}), Answer(body={"access_token": "token-new"}), Answer(401, {})])
    with pytest.raises(Forbidden):
        rig.session.confirm()
    assert rig.session.state is REAUTH


def test_a_refresh_that_is_refused_pauses_and_keeps_the_keys(rig):
    rig.now_ms = ALICE.access_token_expires_at_ms
    rig.server.plan.append(Answer(400, {"error": "invalid_grant"}))
    with pytest.raises(Forbidden):
        rig.session.confirm()
    assert (rig.session.state, rig.told) == (REAUTH, [REAUTH])
    assert rig.session.keyring() == keyring_of("alice")
    assert rig.file.load() == CACHED


def test_a_refresh_that_fails_for_now_changes_nothing(rig):
    rig.now_ms = ALICE.access_token_expires_at_ms
    rig.server.plan.append(Answer(503, {}))
    with pytest.raises(Unavailable):
        rig.session.confirm()
    assert (rig.session.state, rig.told, rig.file.load()) == (IN, [], CACHED)
    rig.session.confirm()
    assert rig.session.confirmed


def test_a_token_that_still_lasts_is_not_refreshed(rig):
    rig.session.confirm()
    assert rig.server.paths() == ["/api/session"]
