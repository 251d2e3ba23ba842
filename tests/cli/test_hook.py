"""``strongroom hook``: payloads as they are, tokens that may come on stdin, and nothing opened without a reason."""

import json

import pytest

from tests.fakes.hook_api import hook_api
from tests.fakes.hook_guest import waiting_with
from tests.fakes.scripted_guest import WAIT_S
from tests.fakes.terminal import strongroom
from tests.fakes.workflow_host import value


@pytest.fixture
def rig(sqlite_url, monkeypatch):
    with hook_api(sqlite_url) as made:
        monkeypatch.setenv("STRONGROOM_SOCKET", str(made.socket))
        yield made


def test_a_run_is_answered_with_the_text_as_it_was_typed(rig):
    run_id = waiting_with(rig.host, "t")
    ended = strongroom("hook", "resume", "t", '{ "paid" : true }', "--request-id", "r-1", "--json")
    assert (ended.code, ended.document["schema"], ended.document["number"]) == (0, "strongroom.hook-payload/v1", 1)
    assert rig.host.engine.wait(run_id, WAIT_S)[1].result == value('{ "paid" : true }')
    again = strongroom("hook", "resume", ended.document["hook_id"], '{ "paid" : true }', "--request-id", "r-1")
    assert "nothing was left twice" in again.err


def test_a_payload_may_come_from_a_file_and_a_token_on_stdin(rig, tmp_path):
    run_id = waiting_with(rig.host, "secret-token")
    (tmp_path / "answer.json").write_bytes(b"[1]\n")
    ended = strongroom("hook", "resume", "-", "@answer.json", stdin=b"secret-token\n")
    assert ended.code == 0, ended.err
    assert "secret-token" not in ended.out + ended.err
    assert rig.host.engine.wait(run_id, WAIT_S)[1].result == value("[1]\n")


def test_a_hook_is_sealed_and_opened_for_a_reason(rig):
    run_id = waiting_with(rig.host, "t", metadata=b'{"order": 7}')
    closed = strongroom("hook", "get", "t")
    assert "[encrypted" in closed.out
    assert "order" not in closed.out
    document = strongroom("hook", "get", "t", "--json").document
    assert (document["schema"], document["run_id"], document["status"]) == ("strongroom.hook/v1", run_id, "open")
    assert "token" not in document
    opened = strongroom("hook", "get", "t", "--decrypt", "--reason", "a look", "--json").document
    assert (opened["token"], opened["metadata"]) == ("t", {"order": 7})
    assert strongroom("hook", "get", "t", "--decrypt").code == 2, "a reason is asked for"


def test_hooks_of_a_run_are_listed(rig):
    run_id = waiting_with(rig.host, "t")
    [listed] = strongroom("hook", "list", run_id, "--json").document["hooks"]
    assert (listed["status"], listed["received"], listed["unread"]) == ("open", 0, 0)
    assert listed["content"].startswith("[encrypted")
    assert strongroom("hook", "list", run_id).out.splitlines()[1].split()[1] == "open"
    gone = strongroom("hook", "dispose", "t", "--json").document
    assert (gone["status"], gone["dispose_time"] is not None) == ("disposed", True)


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "says"),
    [
        (["resume", "t", "{"], b"", 65, "SR-CLI-005"),
        (["resume", "-", "-"], b"t", 2, "SR-CLI-004"),
        (["resume", "-", "1"], b"", 2, "SR-CLI-198"),
        (["get", "-"], b"\xff", 2, "SR-CLI-198"),
        (["get", "nobody"], b"", 65, "SR-HOOK-017"),
        (["resume", "nobody", "1", "--request-id", "x" * 129], b"", 65, "SR-HOOK-015"),
        (["dispose", "hook_0123456789ABCDEFGHJKMNPQRS"], b"", 65, "SR-HOOK-017"),
    ],
    ids=["no JSON", "stdin twice", "no token", "no text", "unknown", "request id", "unknown id"],
)
def test_what_cannot_be_done_says_why_and_what_to_do(rig, arguments, stdin, code, says):
    ended = strongroom("hook", *arguments, stdin=stdin)
    assert (ended.code, says in ended.err, ended.out) == (code, True, ""), ended.err


def test_help_begins_with_an_example(rig):
    for verb in ("list", "get", "resume", "dispose"):
        assert f"Example: strongroom hook {verb} " in strongroom("hook", verb, "--help").out
    assert json.dumps({"paid": True}) in strongroom("hook", "resume", "--help").out
