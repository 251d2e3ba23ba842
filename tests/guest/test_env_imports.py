"""Logs, metrics, seeds, time and responses as guests see them, call by call, in this process.

Source: contracts/cre-guest.md sections 5, 9 and 19.
"""

import base64

import pytest

from strongroom.errors import GuestFault, InvalidInput, StrongroomError
from strongroom.guest.limits import GuestLimits
from strongroom.guest.runner.clock import STEP_NS
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.workflows.v2 import workflow_user_metric_pb2
from tests.fakes.one_guest import run_guest
from tests.guest.program import MEMORY_BYTES, Program
from tests.guests.host import PretendedHost

REQUEST = sdk_pb2.ExecuteRequest(subscribe={}).SerializeToString()
DON, NODE = 1, 2


def run(program, host=None, **limits):
    answer = run_guest(program.wasm(), REQUEST, host or PretendedHost(), limits=GuestLimits(**limits))
    return program.reply(answer)


def test_lines_are_counted_for_each_mode_and_cut_at_their_limit():
    host = PretendedHost()
    program = Program()
    program.env("log", *program.put(b"before any mode"))
    program.env("switch_modes", DON)
    for line in (b"short log 1", b"a line that is longer than twenty", b"short log 3", b"short log 4", b"short log 5"):
        program.env("log", *program.put(line))
    program.env("switch_modes", NODE)
    program.env("log", *program.put(b"of the node"))
    run(program, host, log_line_bytes_max=20, log_lines_max=3)
    assert host.lines == [
        (DON, "short log 1"),
        (DON, "a line that is longe ...(truncated)"),
        (DON, "short log 3"),
        (DON, "strongroom: further log lines are dropped, the limit is 3 (limits.log_lines_max)"),
        (NODE, "of the node"),
    ]


def test_a_line_of_exactly_the_limit_is_whole():
    host, program = PretendedHost(), Program()
    program.env("switch_modes", DON)
    program.env("log", *program.put(b"twenty bytes exactly"))
    run(program, host, log_line_bytes_max=20)
    assert host.lines == [(DON, "twenty bytes exactly")]


def test_a_line_is_cut_between_characters_and_never_fails():
    host = PretendedHost()
    program = Program()
    program.env("switch_modes", DON)
    program.env("log", *program.put("ääääää".encode()))
    program.env("log", *program.put(b"\xff\xfe"))
    program.env("log", 100, 2147483547)
    program.env("log", -1, 5)
    run(program, host, log_line_bytes_max=5)
    texts = [line for _mode, line in host.lines]
    assert texts[:2] == ["ää ...(truncated)", "\ufffd\ufffd"]
    assert all("could not be read" in text for text in texts[2:])


def metric(name="orders", labels=None):
    return workflow_user_metric_pb2.WorkflowUserMetric(name=name, value=1, labels=labels or {})


def test_metrics_are_off_by_default():
    host = PretendedHost()
    program = Program()
    program.env("emit_metric", *program.message(metric()))
    assert run(program, host).results == [-1]
    assert host.metrics == []


def test_metrics_within_their_limits_are_taken_and_others_refused():
    host = PretendedHost()
    program = Program()
    good, long = program.message(metric()), program.message(metric("n" * 16))
    for _ in range(4):
        program.env("emit_metric", *good)
    bad = [long, program.message(metric("")), program.message(metric(labels={str(n): "v" for n in range(11)}))]
    bad += [program.message(metric(labels={"a": "v" * 300})), program.put(b"\xff"), (good[0], 0), (0, 100_000_000)]
    for place in bad:
        program.env("emit_metric", *place)
    assert run(program, host, metric_bytes_max=4096, metric_name_bytes_max=15).results == [0] * 4 + [-1] * len(bad)
    assert host.metrics == [metric().SerializeToString()] * 4


def test_a_metric_at_every_limit_is_taken():
    host, program = PretendedHost(), Program()
    largest = metric("n" * 15, {f"{number}": "v" * 256 for number in range(10)})
    program.env("emit_metric", *program.message(largest))
    limits = {"metric_bytes_max": largest.ByteSize(), "metric_name_bytes_max": 15}
    assert run(program, host, **limits).results == [0]
    limits["metric_bytes_max"] -= 1
    assert run(program, PretendedHost(), **limits).results == [-1]


def test_metrics_of_one_run_are_counted(monkeypatch):
    monkeypatch.setattr("strongroom.guest.runner.env_imports.METRICS_MAX", 2)
    host, program = PretendedHost(), Program()
    good, bad = program.message(metric()), program.message(metric(""))
    for place in (bad, good, bad, good, good):
        program.env("emit_metric", *place)
    assert run(program, host, metric_bytes_max=4096).results == [-1, 0, -1, 0, -1]
    assert len(host.metrics) == 2


def test_seeds_depend_on_the_mode_that_is_asked_for():
    program = Program()
    for mode in (1, 2, 0, 3, -1):
        program.env("random_seed", mode)
    reply = run(program, PretendedHost(execution_id="Id", node_seed=-99))
    assert reply.results == [658702056151387296, -99, -1, -1, -1]


def test_time_is_agreed_in_don_mode_only():
    host = PretendedHost(times_ns=[11, 22])
    program = Program()
    moments = [program.buffer(8) for _ in range(4)]
    program.env("now", moments[0])
    program.env("switch_modes", DON)
    program.env("now", moments[1])
    program.env("now", moments[2])
    program.env("switch_modes", NODE)
    program.env("now", moments[3])
    bad = [program.env("now", pointer) for pointer in (MEMORY_BYTES - 7, -1)]
    reply = run(program, host)
    first, second, third, fourth = (int.from_bytes(reply.buffer(at, 8), "little") for at in moments)
    assert (second, third) == (11, 22)
    assert (first, fourth) == (host.clock_unix_ns, host.clock_unix_ns + STEP_NS)
    assert [reply.results[at] for at in bad] == [28, 28]


def test_a_response_is_stored_only_when_it_is_whole():
    program = Program()
    good = program.message(sdk_pb2.ExecutionResult(error="first"))
    calls = [
        program.env("send_response", *place)
        for place in (good, program.put(b"\xff"), (100, 2147483547), (-1, 5), (MEMORY_BYTES, 1))
    ]
    program.raw("return")
    answer = run_guest(program.wasm(), REQUEST, PretendedHost(), limits=GuestLimits())
    assert sdk_pb2.ExecutionResult.FromString(answer).error == "first"
    assert len(calls) == 5


def test_a_response_that_is_too_large_names_the_limit():
    program = Program()
    with pytest.raises(GuestFault, match=r"larger than the limit of 1000 bytes \(limits.response_bytes_max\)"):
        run(program, response_bytes_max=1000)


@pytest.mark.parametrize("then", ["return", "unreachable"])
def test_a_response_that_was_too_large_is_forgotten_once_one_fits(then):
    program = Program()
    program.env("send_response", *program.put(bytes(1001)))
    program.env("send_response", *program.message(sdk_pb2.ExecutionResult(error="small")))
    program.raw(then)
    if then == "return":
        answer = run_guest(program.wasm(), REQUEST, PretendedHost(), limits=GuestLimits(response_bytes_max=1000))
        assert sdk_pb2.ExecutionResult.FromString(answer).error == "small"
    else:
        with pytest.raises(GuestFault, match="unreachable"):
            run(program, response_bytes_max=1000)


def test_the_guest_is_told_the_limit_of_its_response():
    program = Program()
    sizes, texts = program.buffer(16), program.buffer(512)
    program.wasi("args_sizes_get", "ii", sizes, sizes + 4)
    program.wasi("args_get", "ii", sizes + 8, texts)
    reply = run(program, response_bytes_max=77_777)
    assert int.from_bytes(reply.buffer(sizes, 4), "little") == 2
    size = int.from_bytes(reply.buffer(sizes + 4, 4), "little")
    name, encoded, end = reply.buffer(texts, size).split(b"\0")
    told = sdk_pb2.ExecuteRequest.FromString(base64.b64decode(encoded))
    assert (name, end) == (b"wasi", b"")
    assert (told.max_response_size, told.WhichOneof("request")) == (77_777, "subscribe")


def test_a_module_that_is_not_admitted_is_the_callers_fault():
    with pytest.raises(InvalidInput, match="not a WebAssembly module"):
        run_guest(b"hello", REQUEST, PretendedHost(), limits=GuestLimits())
    assert issubclass(InvalidInput, StrongroomError)


class Accepted(PretendedHost):
    """The host of a run that was accepted under limits of its own."""

    response_bytes_max, log_lines_max, log_line_bytes_max = 77_777, 2, 4


def test_limits_that_a_run_was_accepted_with_stand_for_those_of_the_day():
    host, program = Accepted(), Program()
    sizes, texts = program.buffer(16), program.buffer(512)
    program.wasi("args_get", "ii", sizes, texts)
    program.wasi("args_sizes_get", "ii", sizes, sizes + 4)
    program.env("switch_modes", DON)
    for line in (b"longer", b"b", b"c"):
        program.env("log", *program.put(line))
    reply = run(program, host, response_bytes_max=100, log_lines_max=50, log_line_bytes_max=50)
    told = sdk_pb2.ExecuteRequest.FromString(base64.b64decode(reply.buffer(texts, 512).split(b"\0")[1]))
    assert told.max_response_size == 77_777
    assert [line for _, line in host.lines[:2]] == ["long ...(truncated)", "b"]
    assert "the limit is 2 " in host.lines[2][1]


def test_the_last_response_that_is_whole_counts():
    program = Program()
    sent = [
        program.env("send_response", *program.message(sdk_pb2.ExecutionResult(error=text))) for text in ("one", "two")
    ]
    program.env("send_response", *program.put(b"\xff"))
    program.raw("return")
    answer = run_guest(program.wasm(), REQUEST, PretendedHost(), limits=GuestLimits())
    assert sdk_pb2.ExecutionResult.FromString(answer).error == "two"
    assert len(sent) == 2
