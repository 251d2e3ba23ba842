"""``strongroom run kill``, ``retry``, ``replay`` and ``export``, and the limits of workflows."""

import re
import stat

import pytest

from strongroom.pb.strongroom.v1 import run_pb2
from tests.fakes.terminal import strongroom


@pytest.fixture
def run(host):
    host.runs["wrun_1"] = run_pb2.Run(run_id="wrun_1", status=run_pb2.RUN_STATUS_RUNNING)
    host.events = [
        run_pb2.Event(index=n, event_type=kind, correlation_id=step)
        for n, (kind, step) in enumerate(
            [("run_created", ""), ("step_created", "7"), ("step_created", "s8"), ("step_completed", "7")]
        )
    ]
    return host


def test_killing_needs_agreement_and_shows_what_it_leaves_behind(run):
    refused = strongroom("run", "kill", "wrun_1")
    assert refused.code == 2
    assert "SR-CLI-002" in refused.err
    rehearsed = strongroom("run", "kill", "wrun_1", "--dry-run", "--json")
    assert (rehearsed.document["status"], rehearsed.document["unanswered_steps"]) == ("running", ["s8"])
    killed = strongroom("run", "kill", "wrun_1", "--yes", "--reason", "stuck", "--json")
    assert killed.code == 0
    assert killed.document["status"] == "cancelled"
    assert killed.document["unanswered_steps"] == ["s8"]
    assert "may still take effect" in killed.err
    assert [r.reason for r in run.asked if isinstance(r, run_pb2.KillRequest)] == ["stuck"]


def test_the_pages_of_cancel_and_kill_say_what_each_may_leave_behind():
    for word in ("cancel", "kill"):
        page = strongroom("run", word, "--help").out
        assert "May leave behind:" in page
        assert f"strongroom run {word}" in page


def test_repeating_prints_the_new_id_and_is_safe_to_send_twice(run):
    first = strongroom("run", "retry", "wrun_1", "--json")
    assert re.fullmatch(r"wrun_[0-9A-HJKMNP-TV-Z]{26}", first.document["run_id"])
    assert first.document["parent_run_id"] == "wrun_1"
    assert first.document["created"] is True
    again = strongroom("run", "retry", "wrun_1", "--from", "7", "--run-id", first.document["run_id"])
    assert again.out.strip() == first.document["run_id"]
    assert "was there before" in again.err
    assert run.asked[-1].from_step == "7"


def test_a_run_shows_which_run_it_repeats(run):
    new = strongroom("run", "retry", "wrun_1").out.strip()
    assert "repeats:" in strongroom("run", "get", new).out
    assert strongroom("run", "get", new, "--json").document["parent_run_id"] == "wrun_1"


def test_an_equal_replay_ends_with_0_and_another_with_1(run):
    equal = strongroom("run", "replay", "wrun_1", "--json")
    assert equal.code == 0
    assert equal.document["schema"] == "strongroom.run-replay/v1"
    assert (equal.document["equal"], equal.document["steps"], equal.document["log_lines"]) == (True, 3, 1)
    run.replayed = run_pb2.ReplayResponse(equal=False, differs_at="7", difference="it asked for something else")
    different = strongroom("run", "replay", "wrun_1")
    assert different.code == 1
    assert "DIFFERENT at 7: it asked for something else" in different.out
    assert strongroom("run", "replay", "wrun_1", "--json").document["differs_at"] == "7"


def test_a_replay_of_a_run_that_was_cut_off_says_so(run):
    run.replayed = run_pb2.ReplayResponse(equal=True, cut_off="the run ended as timed_out")
    assert "the run ended as timed_out" in strongroom("run", "replay", "wrun_1").out


def test_an_export_goes_to_stdout_as_it_is(run):
    run.pieces = [b'{"line":"run"}\n', b'{"line":"event"}\n{"line":"event"}\n']
    ended = strongroom("run", "export", "wrun_1")
    assert ended.out == '{"line":"run"}\n{"line":"event"}\n{"line":"event"}\n'


def test_an_export_into_a_file_is_private_and_never_writes_over_one(run, tmp_path):
    run.pieces = [b"a\n", b"b\nc\n"]
    target = tmp_path / "run.jsonl"
    ended = strongroom("run", "export", "wrun_1", "--output", str(target), "--json")
    assert ended.document == {
        "schema": "strongroom.run-exported/v1",
        "run_id": "wrun_1",
        "file": str(target),
        "lines": 3,
        "bytes": 6,
        "opened": False,
    }
    assert target.read_bytes() == b"a\nb\nc\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    again = strongroom("run", "export", "wrun_1", "--output", str(target))
    assert again.code == 73
    assert "SR-CLI-014" in again.err


def test_an_export_that_is_cut_leaves_no_file(run, tmp_path):
    run.pieces, run.cuts = [b"a\n", b"b\n"], [1]
    target = tmp_path / "run.jsonl"
    assert strongroom("run", "export", "wrun_1", "--output", str(target)).code == 69
    assert not target.exists()


@pytest.mark.parametrize("target", ["nowhere/run.jsonl", "."], ids=["no directory", "a directory"])
def test_a_file_that_cannot_be_made_is_named(run, target):
    run.pieces = [b"a\n"]
    ended = strongroom("run", "export", "wrun_1", "--output", target)
    assert ended.code == 73
    assert str(target) in ended.err


def test_an_export_is_opened_for_a_reason_only(run):
    run.pieces = [b"a\n"]
    assert strongroom("run", "export", "wrun_1", "--decrypt").code == 2
    assert not run.asked
    strongroom("run", "export", "wrun_1", "--decrypt", "--reason", "audit")
    assert run.asked[0].reason == "audit"


def test_limits_are_written_as_a_part_of_the_settings_with_their_reasons(host, tmp_path):
    ended = strongroom("workflow", "limits", "export")
    assert ended.out.splitlines() == [
        "limits:",
        "  # Time of one run.",
        "  run_timeout_ms: 300000",
        "  # Lines that a guest may log.",
        "  log_lines_max: 1000",
    ]
    as_json = strongroom("workflow", "limits", "export", "--json").document
    assert as_json == {"schema": "strongroom.limits/v1", "limits": {"run_timeout_ms": 300_000, "log_lines_max": 1_000}}
    target = tmp_path / "limits.yaml"
    assert strongroom("workflow", "limits", "export", "--output", str(target)).code == 0
    assert target.read_text() == ended.out


def test_limits_without_a_host_come_from_the_settings(tmp_path):
    (tmp_path / "strongroom.yaml").write_text("limits:\n  log_lines_max: 7\n")
    limits = strongroom("workflow", "limits", "export", "--offline", "--json").document["limits"]
    assert limits["log_lines_max"] == 7
    assert limits["run_timeout_ms"] == 300_000
    assert "runs_queued_max" not in limits


def test_a_workflow_is_drained_when_asked(host, wasm):
    strongroom("workflow", "register", str(wasm))
    assert strongroom("workflow", "delete", "hello", "--drain", "--yes").code == 0
    assert host.asked[-1].drain is True
