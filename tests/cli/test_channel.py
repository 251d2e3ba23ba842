"""Which host a client talks to, and what it says when none is there."""

import socket

import pytest

from strongroom.storage.state_lock import StateLock
from tests.fakes.daemon import running
from tests.fakes.terminal import strongroom


@pytest.mark.parametrize("kind", ["missing", "a-file", "nobody-listens", "not-a-host"])
def test_a_host_that_is_not_there_ends_with_69_and_says_how_to_start_one(tmp_path, kind):
    path = tmp_path / "s.sock"
    listener = socket.socket(socket.AF_UNIX)
    if kind == "a-file":
        path.write_text("")
    elif kind == "nobody-listens":
        listener.bind(str(path))
    elif kind == "not-a-host":
        listener.bind(str(path))
        listener.listen()
    ended = strongroom("status", "--socket", str(path), "--timeout", "1")
    listener.close()
    assert ended.out == ""
    if kind == "not-a-host":
        assert ended.code in {69, 75}
    else:
        assert ended.code == 69
        assert f"no host at {path}" in ended.err
        # Nobody is told to start a host where none can be.
        assert (f"strongroom dev --socket {path}" in ended.err) is (kind != "a-file")
        assert "name its --socket" in ended.err


def test_a_state_directory_without_a_host_is_named_as_a_shell_takes_it(tmp_path):
    assert f"strongroom dev --state-dir '{tmp_path}/a b'" in strongroom("status", "--state-dir", f"{tmp_path}/a b").err


@pytest.mark.parametrize("name", ["strongroom.sock", "admin.sock"])
def test_where_the_service_has_its_sockets_nobody_is_told_to_start_another_host(monkeypatch, tmp_path, name):
    monkeypatch.setattr("strongroom.cli.channel.SERVICE_PLACES", (tmp_path,))
    said = strongroom("status", "--socket", str(tmp_path / name)).err
    assert "systemctl start strongroom" in said
    assert "strongroom dev" not in said


def test_what_a_host_of_serve_left_is_not_for_a_development_host(tmp_path):
    StateLock(tmp_path).release()
    said = strongroom("status", "--state-dir", str(tmp_path)).err
    assert "strongroom serve" in said
    assert "strongroom dev" not in said
    (tmp_path / "keys").mkdir()
    assert "strongroom dev" in strongroom("status", "--state-dir", str(tmp_path)).err


def test_a_path_that_no_socket_can_have_is_said_with_its_limit():
    ended = strongroom("status", "--socket", "/tmp/" + "a" * 103)
    assert ended.code == 69
    assert "at most 107 bytes, this one has 108" in ended.err
    assert "strongroom dev" not in ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["status", "--socket", ""],
        ["status", "--state-dir", ""],
        ["dev", "--state-dir", ""],
        ["serve", "--state-dir", ""],
        ["run", "export", "wrun_1", "--output", ""],
        ["plugin", "check", "--file", ""],
        ["plugin", "new", "feed", "--dir", ""],
    ],
    ids=["socket", "state-dir", "dev", "serve", "output", "file", "dir"],
)
def test_an_empty_path_is_refused_and_is_not_the_working_directory(arguments, tmp_path):
    ended = strongroom(*arguments)
    assert ended.code == 2
    assert "it is empty; is a variable of your shell not set?" in ended.err
    assert not list(tmp_path.iterdir())


def test_the_socket_comes_from_the_flag_before_the_environment_and_the_settings(tmp_path, monkeypatch):
    def asked(*arguments: str) -> str:
        return strongroom("status", *arguments).err

    (tmp_path / "strongroom.yaml").write_text("socket: from-file.sock\n")
    assert f"{tmp_path}/from-file.sock" in asked()
    monkeypatch.setenv("STRONGROOM_STATE_DIR", "/nowhere/state")
    assert "/nowhere/state/strongroom.sock" in asked()
    monkeypatch.setenv("STRONGROOM_SOCKET", "/nowhere/env.sock")
    assert "/nowhere/env.sock" in asked()
    assert "/nowhere/flag/strongroom.sock" in asked("--state-dir", "/nowhere/flag")
    assert "/nowhere/flag.sock" in asked("--socket", "/nowhere/flag.sock", "--state-dir", "/nowhere/flag")


ODD_NAMES = ["a b", "100%41", "q?x=1", "h#x", "é", "a:b", "-x"]


@pytest.mark.parametrize("name", ODD_NAMES, ids=["blank", "percent", "query", "fragment", "letter", "colon", "dash"])
def test_a_directory_may_have_any_name(tmp_path, name):
    (tmp_path / name).mkdir()
    with running(tmp_path / name / "strongroom.sock"):
        assert strongroom("status", "--state-dir", f"./{name}").code == 0
