"""What the verbs of runs do not take, and in which words they say so."""

import grpc
import pytest
from ulid import ULID

from strongroom.pb.strongroom.v1 import run_pb2
from tests.guests.build import guest
from tests.scenarios.test_api import details, failing

WRONG = grpc.StatusCode.INVALID_ARGUMENT


@pytest.fixture(scope="module")
def run_id(shared):
    with shared.channel() as api:
        api.register(guest("echo"), "refusing")
        return api.execute("refusing", b"1").run.run_id


def streamed(call):
    return lambda request, **options: list(call(request, **options))


def calls(api):
    return {
        "watch": (streamed(api.runs.Watch), run_pb2.WatchRequest),
        "logs": (streamed(api.runs.Logs), run_pb2.LogsRequest),
        "export": (streamed(api.runs.Export), run_pb2.ExportRequest),
        "kill": (api.runs.Kill, run_pb2.KillRequest),
        "retry": (api.runs.Retry, run_pb2.RetryRequest),
        "replay": (api.runs.Replay, run_pb2.ReplayRequest),
    }


VERBS = ["watch", "logs", "export", "kill", "retry", "replay"]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "untrusted", ["", "nope", f"wrun_{ULID()}", "x" * 100_000], ids=["empty", "word", "id", "long"]
)
def test_a_run_that_is_not_there_is_not_found(shared, verb, untrusted):
    with shared.channel() as api:
        call, request = calls(api)[verb]
        error = failing(call, request(run_id=untrusted))
    assert error.code() == grpc.StatusCode.NOT_FOUND
    assert details(error)["ErrorInfo"].reason == "SR-RUN-001"
    assert len(error.details()) < 300


@pytest.mark.parametrize("verb", VERBS)
def test_a_call_without_a_deadline_is_refused(shared, verb, run_id):
    with shared.channel() as api:
        call, request = calls(api)[verb]
        error = failing(call, request(run_id=run_id), timeout=None)
    assert details(error)["ErrorInfo"].reason == "SR-API-001"


@pytest.mark.parametrize("verb", VERBS)
def test_a_nul_character_is_refused(shared, verb):
    with shared.channel() as api:
        call, request = calls(api)[verb]
        error = failing(call, request(run_id="a\0b"))
    assert details(error)["BadRequest"].field_violations[0].field == "run_id"


@pytest.mark.parametrize("method", ["Watch", "Logs", "Export"])
def test_bytes_that_are_no_message_are_refused_by_a_stream_too(shared, method):
    with shared.channel() as api:
        call = api.channel.unary_stream(f"/strongroom.v1.RunService/{method}")
        error = failing(streamed(call), b"\xff\xff garbage")
    assert error.code() == WRONG


@pytest.mark.parametrize(
    ("verb", "fields", "reason"),
    [
        ("watch", {"from_index": 2**63}, "SR-API-010"),
        ("logs", {"from_index": 2**64 - 1}, "SR-API-010"),
        ("logs", {"reason": "x" * 513}, "SR-RUN-017"),
        ("logs", {"reason": " \t "}, "SR-RUN-040"),
        ("export", {"reason": "x" * 513}, "SR-RUN-017"),
        ("export", {"reason": "\n"}, "SR-RUN-040"),
        ("kill", {"reason": "x" * 513}, "SR-RUN-017"),
        ("retry", {"from_step": "99"}, "SR-RUN-055"),
        ("retry", {"from_step": "x" * 5_000}, "SR-RUN-055"),
        ("retry", {"new_run_id": "wrun_1"}, "SR-RUN-004"),
    ],
)
def test_a_wrong_field_is_named(shared, run_id, verb, fields, reason):
    with shared.channel(admin=True) as api:
        call, request = calls(api)[verb]
        error = failing(call, request(run_id=run_id, **fields))
    assert error.code() == WRONG
    assert details(error)["ErrorInfo"].reason == reason
    assert len(error.details()) < 400


@pytest.mark.parametrize(("verb", "reason"), [("retry", "SR-RUN-048"), ("replay", "SR-RUN-042")])
def test_a_run_that_has_not_ended_is_neither_repeated_nor_replayed(shared, verb, reason):
    with shared.channel() as api:
        api.register(guest("sleep-forever"), "unfinished")
        going = api.runs.Start(run_pb2.StartRequest(workflow="unfinished"), timeout=20).run.run_id
        call, request = calls(api)[verb]
        error = failing(call, request(run_id=going))
        assert error.code() == grpc.StatusCode.FAILED_PRECONDITION
        assert details(error)["ErrorInfo"].reason == reason
        api.runs.Kill(run_pb2.KillRequest(run_id=going), timeout=20)


def test_an_index_behind_the_end_shows_the_end_alone(shared, run_id):
    with shared.channel() as api:
        answers = list(api.runs.Watch(run_pb2.WatchRequest(run_id=run_id, from_index=10_000), timeout=20))
        assert [a.HasField("run") for a in answers] == [True]
        assert list(api.runs.Logs(run_pb2.LogsRequest(run_id=run_id, from_index=10_000), timeout=20)) == []
