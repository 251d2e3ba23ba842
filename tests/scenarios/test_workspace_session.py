"""A host whose workspace keys come from a session's server: signing in and out, offline, and another owner."""

import json
import stat

import pytest

from tests.fakes.session_server import SessionServer, keyring_of
from tests.fakes.workspace_hosts import WorkspaceHosts, eventually


@pytest.fixture
def server():
    with SessionServer() as made:
        yield made


@pytest.fixture
def hosts():
    with WorkspaceHosts() as made:
        yield made


@pytest.fixture
def host(hosts, server):
    return hosts.host("a", STRONGROOM_WORKSPACES__SESSION_URL=server.url).declare().start()


def sign_in(host, token):
    """With a grant from a file, as somebody does who has one."""
    file = host.project / "grant.json"
    file.write_text(json.dumps({"accessToken": token}))
    said = host.workspace("sign-in", "--grant", f"@{file}")
    file.unlink()
    return said["owner_id"]


def state_of(host):
    said = host.workspace("session")
    return said["state"], said["owner_id"], said["confirmed"]


def test_who_is_signed_out_mounts_nothing_and_is_told_how_to_sign_in(host, server):
    assert state_of(host) == ("signed-out", "", False)
    said = host.workspace("mount", str(host.project), code=69)
    assert "nobody is signed in" in said
    assert "strongroom workspace sign-in" in said
    refused = host("workspace", "sign-in", "--grant", "-", stdin=b'{"accessToken": "token-nobody"}')
    assert refused.code == 77, refused
    assert "token-nobody" not in refused.err + "".join(host.log)
    assert "SR-CLI-164" in host("workspace", "sign-in", "--grant", '{"accessToken": "token-alice"}').err


def test_signing_out_closes_workspaces_and_a_late_write_is_an_error(host, server):
    assert sign_in(host, "token-alice") == "alice"
    assert state_of(host) == ("signed-in", "alice", True)
    assert host.mount()["owner_id"] == "alice"
    host.set("greeting", "hello")
    host.workspace("sign-out", "--yes")
    assert state_of(host) == ("signed-out", "", False)
    late = host.workspace("set", "notes", "late", "1", code=69)
    assert "signed" in late
    assert "SR-" in host.workspace("get", "notes", "greeting", code=69)
    assert (host.listed()["state"], host.listed()["entries"]) == ("signed-out", 0)
    cells = list(host.state.rglob("session.json"))
    key = keyring_of("alice").entries[0].key_bytes_base64
    assert all(key not in path.read_text() for path in cells), "the keys are gone from the disk"
    assert sign_in(host, "token-alice") == "alice"
    assert host.values() == {"greeting": "hello"}, "data stays and opens again; the late write is not there"
    assert "token-alice" not in "".join(host.log)


def test_a_start_offline_opens_with_the_cached_keys_and_shows_no_bearer_before_the_owner_is_confirmed(host, server):
    sign_in(host, "token-alice")
    host.mount()
    host.set("greeting", "hello")
    (cell,) = host.state.rglob("session.json")
    assert stat.S_IMODE(cell.stat().st_mode) == 0o600
    assert host.stop() == 0
    server.hang_up = True
    asked = len(server.asked)
    host.start()
    assert state_of(host) == ("signed-in", "alice", False)
    assert host.values() == {"greeting": "hello"}
    host.set("offline", True)
    assert [each.path for each in server.asked[asked:] if each.path != "/api/session"] == []
    server.hang_up = False
    assert host.stop() == 0
    host.start()
    eventually(lambda: state_of(host) == ("signed-in", "alice", True), "it was not confirmed")
    assert host.values() == {"greeting": "hello", "offline": True}


def test_another_owner_wipes_the_session_and_opens_nothing_of_the_first(host, server):
    sign_in(host, "token-alice")
    host.mount()
    host.set("greeting", "of alice")
    assert sign_in(host, "token-bob") == "bob"
    mount = host.listed()
    assert mount["state"] == "failed"
    assert "SR-MOUNT-027" in mount["problem"]
    assert "belongs to another owner" in host.workspace("get", "notes", "greeting", code=65)
    alices = keyring_of("alice").entries[0].key_bytes_base64.encode()
    assert [path for path in host.state.rglob("*") if path.is_file() and alices in path.read_bytes()] == []
    assert sign_in(host, "token-alice") == "alice"
    assert host.values() == {"greeting": "of alice"}


def test_an_owner_that_changes_at_the_server_is_found_at_the_next_start_and_nothing_of_the_first_is_open(host, server):
    sign_in(host, "token-alice")
    host.mount()
    host.set("greeting", "of alice")
    host.stop()
    server.owners["token-alice"] = "bob"
    host.start()
    eventually(lambda: state_of(host)[1] != "alice", "the first owner is still there")
    eventually(lambda: host.listed()["state"] != "open", lambda: f"it is closed: {host.listed()}")
    assert host("workspace", "get", "notes", "greeting").code != 0
