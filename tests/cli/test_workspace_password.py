"""Passwords of workspaces at a terminal and from stdin: what is asked, what is said, and what is refused."""

import getpass

import pytest

from tests.fakes.terminal import strongroom
from tests.fakes.workspace_host import WorkspaceHost

SECRET = "MARKER-of-a-password"


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setenv("STRONGROOM_STATE_DIR", str(tmp_path))
    with WorkspaceHost(tmp_path).serving(tmp_path / "strongroom.sock") as made:
        yield made


@pytest.fixture
def typed(monkeypatch):
    """What a person types, in order; the questions that were asked."""
    answers, asked = [], []

    def ask(prompt, stream=None):
        del stream
        asked.append(prompt)
        return answers.pop(0)

    monkeypatch.setattr(getpass, "getpass", ask)
    return answers, asked


def workspace(*arguments, **more):
    ended = strongroom("workspace", *arguments, **more)
    assert SECRET not in ended.out + ended.err, "a password is shown"
    return ended


def mount(host, **more):
    return workspace("mount", str(host.project), "--name", "notes", "--password", **more)


def test_a_new_password_is_typed_twice_after_the_warning(host, typed):
    answers, asked = typed
    answers += [SECRET, "another one"]
    ended = mount(host, terminal=True)
    assert "SR-CLI-170" in ended.err
    assert "a forgotten password means that the data is gone" in ended.err
    assert len(asked) == 2
    assert not list(host.project.rglob("*.password")), "nothing was set"
    answers += [SECRET, SECRET]
    assert mount(host, terminal=True).code == 0
    answers += [SECRET]
    assert mount(host, terminal=True).code == 0, "it is asked for once where there is one"
    assert not answers


def test_a_password_is_changed_at_a_terminal_by_typing_the_new_one_twice(host, typed):
    answers, _ = typed
    assert mount(host, stdin=SECRET.encode()).code == 0
    answers += [SECRET, "next", "nxt"]
    assert "SR-CLI-170" in workspace("change-password", "notes", terminal=True).err
    answers += [SECRET, "next", "next"]
    assert workspace("change-password", "notes", terminal=True).code == 0
    assert workspace("lock", "notes").code == 0
    answers += [SECRET]
    assert workspace("unlock", "notes", terminal=True).code == 77
    answers += ["next"]
    assert workspace("unlock", "notes", terminal=True).code == 0


@pytest.mark.parametrize(
    ("command", "stdin", "code"),
    [
        ("unlock", b"", "SR-CLI-173"),
        ("unlock", b"\n", "SR-CLI-173"),
        ("unlock", b"\xff\xfe", "SR-CLI-174"),
        ("unlock", b"x" * 5_000, "SR-CLI-"),
        ("unlock", b"x" * 4_098, "SR-KEY-016"),
        ("change-password", b"one line", "SR-CLI-171"),
        ("change-password", b"one\ntwo\nthree", "SR-CLI-171"),
        ("change-password", SECRET.encode() + b"\n\n", "SR-KEY-015"),
    ],
)
def test_what_is_no_password_is_refused(host, command, stdin, code):
    mount(host, stdin=SECRET.encode())
    ended = workspace(command, "notes", stdin=stdin)
    assert ended.code != 0
    assert code in ended.err
    assert workspace("list").code == 0


def test_nobody_is_asked_where_that_is_forbidden_and_one_mount_is_named(host, typed):
    _, asked = typed
    ended = workspace("mount", str(host.project), "--name", "notes", "--password", "--no-input", terminal=True)
    assert "SR-CLI-172" in ended.err
    assert "SR-CLI-175" in workspace("mount", str(host.project), "--password", stdin=b"x").err
    assert asked == []
