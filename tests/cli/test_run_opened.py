"""What is opened is shown as text that commands nobody, and what does not open says why in its place."""

import json

import grpc
import pytest

from strongroom.pb.strongroom.v1 import run_pb2
from tests.fakes.daemon import RefusedError
from tests.fakes.terminal import strongroom

WHY = ("--decrypt", "--reason", "wrong total")
KINDS = {
    "wrong_key": ("WRONG KEY", "SR-VIEW-001"),
    "key_missing": ("KEY MISSING", "SR-VIEW-002"),
    "tampered": ("TAMPERED", "SR-VIEW-003"),
    "not_ours": ("NOT OURS", "SR-VIEW-004"),
    "expired": ("EXPIRED", "SR-VIEW-005"),
}


def unreadable(kind):
    return run_pb2.Unreadable(
        kind=kind,
        code=KINDS[kind][1],
        what="event 0",
        why="so it is",
        fix="do this",
        key_version=3,
        key_id_expected="k3-a",
    )


def event(index, **fields):
    sealed = run_pb2.Sealed(sealed_bytes=1234, key_version=3)
    return run_pb2.Event(index=index, event_type="run_created", sealed=sealed, field="input", **fields)


@pytest.fixture
def ended(host):
    host.runs["wrun_1"] = run_pb2.Run(run_id="wrun_1", status=run_pb2.RUN_STATUS_COMPLETED)
    return host


def test_fields_are_asked_for_by_name_and_only_with_a_reason(ended):
    strongroom("run", "events", "wrun_1", *WHY, "--field", "input,lines", "--field", "error")
    strongroom("run", "get", "wrun_1", *WHY, "--field", "output")
    strongroom("run", "events", "wrun_1", "--follow", *WHY, "--field", "hook")
    listed, got, watched = ended.asked
    assert (listed.reason, list(listed.fields)) == ("wrong total", ["input", "lines", "error"])
    assert (got.reason, list(got.fields)) == ("wrong total", ["output"])
    assert (watched.reason, list(watched.fields)) == ("wrong total", ["hook"])
    refused = strongroom("run", "events", "wrun_1", "--field", "input")
    assert (refused.code, "SR-CLI-199" in refused.err, len(ended.asked)) == (2, True, 3)


@pytest.mark.parametrize("follow", [(), ("--follow",)], ids=["listed", "followed"])
def test_opened_contents_stand_below_their_event_and_command_no_terminal(ended, follow):
    content = {"text": "a\x1b[31mred\u202e\x07", "line": "first\nsecond"}
    ended.events = [event(0, opened=json.dumps(content).encode()), event(1)]
    shown = strongroom("run", "events", "wrun_1", *WHY, *follow)
    assert "\x1b" not in shown.out
    assert "\u202e" not in shown.out
    assert "\\u001b[31mred" in shown.out
    assert shown.out.count("[encrypted · 1.2 KB · key v3]") == 2
    data = strongroom("run", "events", "wrun_1", *WHY, *follow, "--json").out
    assert "\x1b" not in data
    first = json.loads(data)["events"][0] if not follow else json.loads(data.splitlines()[0])
    assert first["opened"] == content, "as data, whatever it holds"


def test_what_is_no_json_after_all_is_shown_as_text(ended):
    ended.events = [event(0, opened=b"\xff[\x1b")]
    shown = strongroom("run", "events", "wrun_1", *WHY)
    assert (shown.code, "\x1b" in shown.out) == (0, False)


@pytest.mark.parametrize("kind", KINDS)
def test_each_cause_has_its_own_word_code_and_advice(ended, kind):
    word, code = KINDS[kind]
    ended.events = [event(0, tampered=True, unreadable=unreadable(kind)), event(1, opened=b'{"a": 1}')]
    shown = strongroom("run", "events", "wrun_1", *WHY)
    assert f"{word} · {code}" in shown.out
    assert '"a": 1' in shown.out, "the rest is shown"
    assert "[encrypted" in shown.out.splitlines()[2]
    assert shown.err == f"event 0 ({code}): so it is; do this\n"
    first, second = strongroom("run", "events", "wrun_1", *WHY, "--json").document["events"]
    assert (first["unreadable"]["kind"], first["unreadable"]["code"]) == (kind, code)
    assert (first["unreadable"]["key_version"], first["unreadable"]["key_id_expected"]) == (3, "k3-a")
    assert (second["unreadable"], second["opened"]) == (None, {"a": 1})


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_names_the_cause_in_the_row(ended, kind):
    ended.runs["wrun_2"] = run_pb2.Run(run_id="wrun_2", tampered=True, unreadable=unreadable(kind))
    shown = strongroom("run", "list")
    assert [line.split()[:2] for line in shown.out.splitlines()[1:]] == [["wrun_1", "completed"], ["wrun_2", kind]]
    assert f"({KINDS[kind][1]})" in shown.err
    rows = strongroom("run", "list", "--json").document["runs"]
    assert (rows[1]["status"], rows[1]["tampered"], rows[1]["unreadable"]["code"]) == (kind, True, KINDS[kind][1])


def test_a_cause_that_is_common_to_many_is_told_once(ended):
    ended.events = [event(index, tampered=True, unreadable=unreadable("key_missing")) for index in range(5)]
    assert strongroom("run", "events", "wrun_1").err.count("SR-VIEW-002") == 1


def test_lines_that_do_not_open_say_why(ended):
    sealed = run_pb2.Sealed(sealed_bytes=12, key_version=3)
    ended.lines = [run_pb2.LogsResponse(index=1, sealed=sealed, unreadable=unreadable("wrong_key"))]
    shown = strongroom("run", "logs", "wrun_1", *WHY)
    assert "WRONG KEY · SR-VIEW-001" in shown.out
    line = strongroom("run", "logs", "wrun_1", *WHY, "--json").document["lines"][0]
    assert line["unreadable"]["kind"] == "wrong_key"


@pytest.mark.parametrize("verb", ["get", "events", "logs"])
@pytest.mark.parametrize("failure", [RefusedError(grpc.StatusCode.PERMISSION_DENIED, "SR-AUTH-001", "no"), None])
def test_an_error_on_the_way_is_never_shown_as_encrypted(ended, verb, failure):
    ended.fail = (lambda: failure) if failure else (lambda: ZeroDivisionError("x"))
    shown = strongroom("run", verb, "wrun_1", *WHY)
    assert (shown.code != 0, shown.out) == (True, "")
    assert shown.err.startswith("error: ")
    assert "encrypted" not in shown.err
