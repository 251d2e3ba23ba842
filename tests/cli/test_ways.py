"""Which socket a command goes through, and the token that it shows there."""

import os

import grpc
import pytest

from strongroom.pb.strongroom.v1 import run_pb2
from tests.fakes.daemon import RefusedError, running
from tests.fakes.terminal import strongroom

RUN = "wrun_" + "0" * 26


def finished():
    return run_pb2.Run(run_id=RUN, status=run_pb2.RUN_STATUS_COMPLETED, module="local", backend="local")


OPENED = ("run", "get", RUN, "--decrypt", "--reason", "ticket 7")


@pytest.fixture
def admin(host, tmp_path):
    """The socket of administrators, on which another fake says what it was asked."""
    with running(tmp_path / "admin.sock") as daemon:
        for each in (host, daemon):
            each.runs[RUN] = finished()
        yield daemon


def test_what_opens_contents_goes_through_the_socket_of_administrators_and_nothing_else_does(host, admin):
    assert strongroom("run", "get", RUN).code == 0
    assert strongroom("run", "list").code == 0
    assert (len(host.asked), admin.asked) == (2, [])
    assert strongroom(*OPENED).code == 0
    assert (len(host.asked), [request.reason for request in admin.asked]) == (2, ["ticket 7"])


def test_a_secret_is_looked_for_through_one_socket_and_set_through_the_other(host, admin):
    host.secrets[("main", "API_KEY")] = admin.secrets[("main", "API_KEY")] = b"sealed"
    deleted = strongroom("secret", "delete", "API_KEY", "--yes")
    assert deleted.code == 0, deleted.err
    assert {request.method for request in host.asked} == {"vault.secrets.list"}
    assert [request.method for request in admin.asked] == ["vault.secrets.delete"]


@pytest.mark.parametrize("forced", ["strongroom.sock", "admin.sock"])
def test_a_socket_that_is_forced_takes_everything(host, admin, tmp_path, forced):
    for words in (("run", "get", RUN), OPENED):
        assert strongroom(*words, "--socket", str(tmp_path / forced)).code == 0
    asked = {"strongroom.sock": len(host.asked), "admin.sock": len(admin.asked)}
    assert asked == {"strongroom.sock": 0, "admin.sock": 0} | {forced: 2}


@pytest.mark.parametrize("kind", ["nothing", "file", "nowhere"])
def test_without_such_a_socket_the_users_socket_answers_and_its_refusal_says_what_to_do(host, tmp_path, kind):
    place = tmp_path / "admin.sock"
    if kind == "file":
        place.write_text("")
    if kind == "nowhere":
        place.symlink_to(tmp_path / "gone")
    host.fail = lambda: RefusedError(
        grpc.StatusCode.PERMISSION_DENIED,
        "SR-AUTH-001",
        "socket has not the role decrypt",
        fix="call through admin.sock, or with a token",
    )
    ended = strongroom(*OPENED)
    assert (ended.code, ended.out) == (77, "")
    assert "socket has not the role decrypt (SR-AUTH-001)" in ended.err
    assert "do:  call through admin.sock" in ended.err


def test_a_socket_that_this_user_may_not_open_is_left_alone(host, admin, tmp_path, monkeypatch):
    (tmp_path / "admin.sock").chmod(0)
    if os.geteuid() == 0:
        # Root may open every socket: it is told what the kernel tells everybody else.
        monkeypatch.setattr("strongroom.cli.ways.os.access", lambda path, mode: path != tmp_path / "admin.sock")
    assert strongroom(*OPENED).code == 0
    assert (len(host.asked), admin.asked) == (1, [])


def test_beside_a_socket_of_another_name_it_has_that_name_too(tmp_path, monkeypatch):
    monkeypatch.setenv("STRONGROOM_SOCKET", str(tmp_path / "x.sock"))
    with running(tmp_path / "x.sock") as users, running(tmp_path / "x-admin.sock") as administrators:
        administrators.runs[RUN] = finished()
        assert strongroom(*OPENED).code == 0
        assert (users.asked, len(administrators.asked)) == ([], 1)


def test_the_environment_and_the_settings_may_put_it_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "strongroom.yaml").write_text("socket: u.sock\nadmin_socket: a.sock\n")
    with running(tmp_path / "u.sock"), running(tmp_path / "a.sock") as first, running(tmp_path / "b.sock") as second:
        for each in (first, second):
            each.runs[RUN] = finished()
        assert strongroom(*OPENED).code == 0
        assert len(first.asked) == 1
        monkeypatch.setenv("STRONGROOM_SOCKET", str(tmp_path / "u.sock"))
        monkeypatch.setenv("STRONGROOM_ADMIN_SOCKET", str(tmp_path / "b.sock"))
        assert strongroom(*OPENED).code == 0
        assert len(second.asked) == 1


def test_the_environment_says_nothing_of_a_host_that_was_named_by_its_directory(tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("STRONGROOM_ADMIN_SOCKET", str(tmp_path / "b.sock"))
    places = [tmp_path / "b.sock", tmp_path / "other" / "strongroom.sock", tmp_path / "other" / "admin.sock"]
    with running(places[0]) as wrong, running(places[1]), running(places[2]) as right:
        right.runs[RUN] = finished()
        assert strongroom(*OPENED, "--state-dir", str(tmp_path / "other")).code == 0
    assert (wrong.asked, len(right.asked)) == ([], 1)


@pytest.fixture
def token(tmp_path):
    def write(content, mode=0o600):
        path = tmp_path / "my.token"
        path.write_bytes(content)
        path.chmod(mode)
        return str(path)

    return write


def test_a_token_is_shown_with_every_call_and_to_every_socket(host, admin, token, monkeypatch):
    path = token(b"0123456789\n")
    assert strongroom("status", "--token-file", path).code == 0
    monkeypatch.setenv("STRONGROOM_TOKEN_FILE", path)
    assert strongroom("run", "list").code == 0
    assert strongroom(*OPENED).code == 0
    assert [*host.tokens, *admin.tokens] == ["Bearer 0123456789"] * 3


def test_nobody_shows_a_token_who_was_given_none(host):
    assert strongroom("status").code == 0
    assert host.tokens == [""]


@pytest.mark.parametrize(
    ("content", "mode", "code", "why"),
    [
        (b"0123456789", 0o640, "SR-CLI-180", "others can read it (mode 0640)"),
        (b"", 0o600, "SR-CLI-181", "not one word"),
        (b"two words", 0o600, "SR-CLI-181", "not one word"),
        ("ü".encode(), 0o600, "SR-CLI-181", "not one word"),
        (b"x" * 5_000, 0o600, "SR-CLI-181", "not one word"),
    ],
)
def test_a_file_that_holds_no_token_of_this_user_alone_is_refused_and_not_shown(host, token, content, mode, code, why):
    ended = strongroom("status", "--token-file", token(content, mode))
    assert (ended.code in {65, 78}, host.asked) == (True, [])
    assert code in ended.err
    assert why in ended.err
    assert "0123456789" not in ended.err


def test_a_token_file_that_is_not_there_is_named(host, tmp_path):
    ended = strongroom("status", "--token-file", str(tmp_path / "gone"))
    assert (ended.code, "there is no such file" in ended.err) == (65, True)
