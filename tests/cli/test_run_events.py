"""``strongroom run events --follow`` and ``run logs``: live, across cuts, and sealed unless a reason is given."""

import json

import grpc
import pytest

from strongroom.pb.strongroom.v1 import run_pb2
from tests.fakes.daemon import RefusedError
from tests.fakes.terminal import strongroom

EVENTS = 7


@pytest.fixture
def journal(host):
    sealed = run_pb2.Sealed(sealed_bytes=12, key_version=1)
    host.events = [run_pb2.Event(index=n, event_type=f"event_{n}", sealed=sealed) for n in range(EVENTS)]
    host.lines = [
        run_pb2.LogsResponse(index=index, position=position, mode="don", line=f"line {index}.{position}")
        for index in (2, 4, 5)
        for position in range(3)
    ]
    host.runs["wrun_1"] = run_pb2.Run(run_id="wrun_1", status=run_pb2.RUN_STATUS_COMPLETED)
    return host


def lines_of(ended):
    return [json.loads(line) for line in ended.out.splitlines()]


@pytest.mark.parametrize("cuts", [[], [0], [1], [6], [7], [3, 0, 2, -1]], ids=str)
def test_following_shows_each_event_once_wherever_the_stream_is_cut(journal, cuts):
    journal.cuts = list(cuts)
    ended = strongroom("run", "events", "wrun_1", "--follow", "--json")
    assert ended.code == 0
    documents = lines_of(ended)
    assert [d["index"] for d in documents[:-1]] == list(range(EVENTS))
    assert {d["schema"] for d in documents[:-1]} == {"strongroom.event/v1"}
    assert (documents[-1]["schema"], documents[-1]["status"]) == ("strongroom.run/v1", "completed")


def test_following_goes_on_from_where_it_is_told(journal):
    ended = strongroom("run", "events", "wrun_1", "--follow", "--from", "5")
    *shown, last = ended.out.splitlines()
    assert [line.split()[1] for line in shown] == ["event_5", "event_6"]
    assert last == "the run is completed"


def test_a_host_that_stays_away_ends_the_following_after_the_timeout(journal):
    journal.fail = lambda: RefusedError(grpc.StatusCode.UNAVAILABLE, "SR-API-007", "32 streams are open already")
    ended = strongroom("run", "events", "wrun_1", "--follow", "--timeout", "0.5")
    assert ended.code == 69
    assert "32 streams" in ended.err


def test_a_run_that_is_not_there_is_no_reason_to_wait(journal):
    journal.fail = lambda: RefusedError(grpc.StatusCode.NOT_FOUND, "SR-RUN-001", "there is no run")
    assert strongroom("run", "events", "nope", "--follow").code == 65
    assert len(journal.asked) == 1


def test_listing_starts_at_the_index_that_is_given(journal):
    strongroom("run", "events", "wrun_1", "--from", "3", "--json")
    assert journal.asked[0].from_index == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("events", "--follow", "--limit", "3"),
        ("events", "--from", "-1"),
        ("logs", "--decrypt"),
        ("logs", "--reason", "x"),
    ],
    ids=["follow with limit", "negative index", "no reason", "reason for nothing"],
)
def test_options_that_contradict_each_other_are_a_usage_error(journal, arguments):
    ended = strongroom("run", arguments[0], "wrun_1", *arguments[1:])
    assert ended.code == 2
    assert not journal.asked


def test_a_log_is_sealed_and_says_how_to_open_it(journal):
    ended = strongroom("run", "logs", "wrun_1")
    assert ended.out.count("[encrypted") == 3
    assert "line 2" not in ended.out
    assert "--decrypt --reason" in ended.err


def test_a_log_is_opened_for_a_reason(journal):
    ended = strongroom("run", "logs", "wrun_1", "--decrypt", "--reason", "wrong total", "--json")
    assert journal.asked[0].reason == "wrong total"
    assert [line["line"] for line in ended.document["lines"]][:4] == ["line 2.0", "line 2.1", "line 2.2", "line 4.0"]
    assert ended.document["opened"] is True


@pytest.mark.parametrize("cuts", [[], [0], [1], [2], [5, 1, 2], [8, -1]], ids=str)
@pytest.mark.parametrize("reason", [(), ("--decrypt", "--reason", "x")], ids=["sealed", "opened"])
def test_following_a_log_shows_each_line_once_wherever_it_is_cut(journal, cuts, reason):
    journal.cuts = list(cuts)
    ended = strongroom("run", "logs", "wrun_1", "--follow", "--json", *reason)
    assert ended.code == 0
    *lines, last = lines_of(ended)
    assert (last["schema"], last["status"]) == ("strongroom.run/v1", "completed")
    got = [(d["index"], d["position"]) for d in lines]
    assert got == [(line.index, line.position) for line in journal.lines if reason or line.position == 0]


def test_what_is_followed_ends_with_how_the_run_is(journal):
    assert strongroom("run", "logs", "wrun_1", "--follow").out.splitlines()[-1] == "the run is completed"


def test_a_line_of_a_guest_cannot_command_the_terminal(journal):
    journal.lines = [run_pb2.LogsResponse(index=1, mode="don", line="a\x1b[31m\u202e\nb")]
    ended = strongroom("run", "logs", "wrun_1", "--decrypt", "--reason", "x")
    assert "\x1b" not in ended.out
    assert len(ended.out.splitlines()) == 1
    assert "\\x1b[31m" in ended.out


def test_a_guest_that_logged_nothing_is_said_to(host):
    host.lines = []
    ended = strongroom("run", "logs", "wrun_1")
    assert (ended.code, ended.out) == (0, "")
    assert "logged nothing" in ended.err


def test_events_beyond_the_last_one_are_said_not_to_be_there(journal):
    shown = strongroom("run", "events", "wrun_1", "--from", "99")
    assert (shown.code, shown.out, shown.err) == (0, "", "it has no event 99 or later\n")
    document = strongroom("run", "events", "wrun_1", "--from", "99", "--json")
    assert (document.document["events"], document.err) == ([], "")
