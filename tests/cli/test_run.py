"""``strongroom run``: ids, payloads, results, exit codes, and nothing sealed ever opened."""

import re

import grpc
import pytest

from strongroom.pb.strongroom.v1 import run_pb2
from strongroom.pb.values.v1 import values_pb2
from tests.fakes.daemon import RefusedError
from tests.fakes.terminal import strongroom


def test_executing_prints_where_it_ran_and_its_result(host):
    ended = strongroom("run", "execute", "hello", "--payload", '{"who": "x"}', "--json")
    assert ended.code == 0
    document = ended.document
    assert document["schema"] == "strongroom.run/v1"
    assert re.fullmatch(r"wrun_[0-9A-HJKMNP-TV-Z]{26}", document["run_id"])
    assert document["execution_id"] == "e" * 64
    assert document["status"] == "completed"
    assert document["result"] == "hello x"
    assert document["module"] == "confidential"
    assert document["backend"] == "insecure-software"
    assert document["insecure"] is True
    assert document["error"] == ""
    assert document["input"] == "[encrypted · 1.2 KB · key v3]"
    assert host.asked[0].start.json == b'{"who": "x"}'


def test_people_see_that_no_hardware_protects(host):
    assert "insecure-software · NO HARDWARE PROTECTION" in strongroom("run", "execute", "hello").out


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED", "TIMED_OUT"])
def test_a_run_that_did_not_complete_ends_with_1_and_its_document(host, status):
    host.run_status = run_pb2.RunStatus.Value(f"RUN_STATUS_{status}")
    host.result, host.error = None, "the guest trapped"
    ended = strongroom("run", "execute", "hello", "--json")
    assert ended.code == 1
    assert ended.document["status"] == status.lower()
    assert ended.document["error"] == "the guest trapped"
    assert ended.document["result"] is None


def test_the_same_run_id_starts_one_run(host):
    first = strongroom("run", "start", "hello", "--run-id", "wrun_1", "--json")
    second = strongroom("run", "start", "hello", "--run-id", "wrun_1", "--json")
    assert first.document["created"] is True
    assert second.document["created"] is False
    assert len(host.runs) == 1


def test_starting_prints_the_id_alone_for_people(host):
    ended = strongroom("run", "start", "hello", "--trigger", "2", "--event-id", "e1")
    assert ended.out.strip() in host.runs
    assert (host.asked[0].trigger_index, host.asked[0].event_id) == (2, "e1")


def test_without_a_payload_none_is_sent(host):
    strongroom("run", "start", "hello")
    assert host.asked[0].WhichOneof("payload") is None


@pytest.mark.parametrize(
    "payload",
    ["{", '{"a": }', "hello", "", "{'a': 1}", "NaN", '{"a": [-Infinity]}'],
    ids=["cut", "no-value", "bare-word", "empty", "single-quotes", "not-a-number", "infinity"],
)
def test_a_payload_that_is_not_json_is_refused_before_anything_is_sent(host, payload):
    ended = strongroom("run", "execute", "hello", "--payload", payload)
    assert ended.code == 65
    assert "SR-CLI-005" in ended.err
    assert not host.asked


@pytest.mark.parametrize(
    ("payload", "why"),
    [(b'"\xff"', "byte 1 is not UTF-8"), (b"[" * 100_000, "nested too deeply"), (b"{,", "line 1, column 2")],
    ids=["not-text", "deep", "syntax"],
)
def test_it_is_said_why_a_payload_is_no_json(host, payload, why):
    ended = strongroom("run", "start", "hello", "--payload", "-", stdin=payload)
    assert ended.code == 65
    assert why in ended.err
    assert not host.asked


def test_a_payload_file_that_is_missing_is_named(host):
    ended = strongroom("run", "execute", "hello", "--payload", "@nowhere.json")
    assert ended.code == 65
    assert "nowhere.json" in ended.err


def test_what_the_payload_holds_is_not_in_the_error(host):
    ended = strongroom("run", "execute", "hello", "--payload", "hunter2-is-my-password")
    assert "hunter2" not in ended.err


def test_a_deadline_goes_with_every_call(host):
    strongroom("run", "execute", "hello", "--timeout", "5")
    assert 0 < host.deadlines_s[0] < 6


def test_a_host_that_is_too_slow_ends_with_75_and_the_id_to_ask_for(host):
    host.fail = lambda: RefusedError(grpc.StatusCode.DEADLINE_EXCEEDED, "SR-RUN-008", "still running")
    ended = strongroom("run", "execute", "hello", "--run-id", "wrun_1")
    assert ended.code == 75
    assert "strongroom run get wrun_1" in ended.err


def test_runs_are_listed_page_by_page_and_filtered(host):
    for number in range(3):
        strongroom("run", "start", "hello", "--run-id", f"wrun_{number}")
    everything = strongroom("run", "list", "--limit", "2", "--json")
    none = strongroom("run", "list", "--status", "failed", "--json")
    assert [r["run_id"] for r in everything.document["runs"]] == ["wrun_0", "wrun_1"]
    assert everything.document["more"] is True
    assert none.document == {"schema": "strongroom.runs/v1", "runs": [], "more": False}
    assert host.asked[-1].statuses == [run_pb2.RUN_STATUS_FAILED]


def test_an_unknown_state_is_a_usage_error_that_lists_the_known_ones(host):
    ended = strongroom("run", "list", "--status", "borken")
    assert ended.code == 2
    assert "timed_out" in ended.err


def test_a_filter_by_name_is_looked_up_and_an_id_is_not(host, wasm):
    strongroom("workflow", "register", str(wasm))
    host.asked.clear()
    strongroom("run", "list", "--workflow", "hello")
    strongroom("run", "list", "--workflow", "a" * 64)
    assert [type(request).__name__ for request in host.asked] == [
        "WorkflowServiceGetRequest",
        "RunServiceListRequest",
        "RunServiceListRequest",
    ]
    assert host.asked[-1].workflow_id == "a" * 64


def test_a_tampered_header_shows_its_id_and_nothing_it_claims(host):
    host.runs["wrun_1"] = run_pb2.Run(run_id="wrun_1", tampered=True, workflow_name="forged")
    ended = strongroom("run", "list", "--json")
    assert ended.document["runs"] == [{"run_id": "wrun_1", "status": "tampered", "tampered": True, "unreadable": None}]
    assert "forged" not in strongroom("run", "get", "wrun_1").out


def test_events_are_described_and_not_opened(host):
    sealed = run_pb2.Sealed(sealed_bytes=2_500_000, key_version=1)
    host.events = [
        run_pb2.Event(index=0, event_type="run_created", sealed=sealed),
        run_pb2.Event(index=1, event_type="step_sent", correlation_id="1", tampered=True),
    ]
    document = strongroom("run", "events", "wrun_1", "--json").document
    assert document["events"][0]["content"] == "[encrypted · 2.5 MB · key v1]"
    assert document["events"][1]["tampered"] is True
    assert "TAMPERED" in strongroom("run", "events", "wrun_1").out


def test_cancelling_shows_the_run_as_it_then_is(host):
    strongroom("run", "start", "hello", "--run-id", "wrun_1")
    ended = strongroom("run", "cancel", "wrun_1", "--reason", "enough", "--json")
    assert ended.document["status"] == "cancelled"
    assert host.asked[-1].reason == "enough"


def test_a_run_that_does_not_stop_in_time_is_no_success(host):
    host.stubborn = True
    strongroom("run", "start", "hello", "--run-id", "wrun_1")
    asked = strongroom("run", "cancel", "wrun_1")
    assert asked.code == 75
    assert "has not ended yet" in asked.err


def test_a_result_of_any_kind_is_json(host):
    fields = {"n": values_pb2.Value(int64_value=-1), "b": values_pb2.Value(bytes_value=b"\0\xff")}
    host.result = values_pb2.Value(map_value=values_pb2.Map(fields=fields))
    assert strongroom("run", "execute", "hello", "--json").document["result"] == {"n": -1, "b": "AP8="}


def test_json_shows_letters_and_escapes_what_a_terminal_would_obey(host):
    host.result = values_pb2.Value(string_value="é \x9b31m \u202e \x1b")
    ended = strongroom("run", "execute", "hello", "--json")
    assert "é \\u009b31m \\u202e \\u001b" in ended.out
    assert ended.document["result"] == "é \x9b31m \u202e \x1b"


def test_an_empty_list_says_so_to_people_and_is_a_document_for_programs(host):
    for words in (("run", "list"), ("workflow", "list"), ("secret", "list")):
        shown, document = strongroom(*words), strongroom(*words, "--json")
        assert (shown.code, shown.out) == (0, "")
        assert shown.err.startswith("no "), words
        assert (document.code, document.err) == (0, "")
        assert [] in document.document.values()
        assert strongroom(*words, "--quiet").err == ""
