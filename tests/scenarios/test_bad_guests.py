"""Guests that break their contract: each gets a clear error, loses nothing, and the next run works."""

import shutil
from contextlib import suppress

import grpc
import pytest

from strongroom.pb.strongroom.v1 import run_pb2, workflow_pb2
from tests.fakes.live_daemon import LiveDaemon
from tests.fakes.manifests import shipped_with
from tests.guests.build import guest, wasm
from tests.scenarios.conftest import short_directory

RUN_TIMEOUT_MS = 2_000
ATTEMPTS = 5
CONFIDENTIAL = b'{"confidential": true}'


def running(*options):
    state = short_directory()
    daemon = LiveDaemon(state, (*options, *shipped_with(state, "confidential-workflows", "vault"))).start()
    yield daemon
    assert daemon.stop() == 0
    shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(scope="module")
def host():
    yield from running()


@pytest.fixture(scope="module")
def hasty():
    """A daemon with short time limits, for guests that never end. It gives others too little time on a slow machine."""
    limits = ("run_timeout_ms", "subscribe_timeout_ms")
    yield from running(*(word for name in limits for word in ("--set", f"limits.{name}={RUN_TIMEOUT_MS}")))


def registered(api, *arguments, **fields):
    """Register a guest that does name its triggers, given time."""
    for _ in range(ATTEMPTS):
        with suppress(grpc.RpcError):
            return api.register(*arguments, **fields)
    return api.register(*arguments, **fields)


def executed(api, name, payload):
    """Execute a guest that does end, given time."""
    for _ in range(ATTEMPTS):
        if (answer := api.execute(name, payload)).run.status != run_pb2.RUN_STATUS_TIMED_OUT:
            break
    return answer


def refused(api, binary, name, attributes=b"", **fields):
    with pytest.raises(grpc.RpcError) as caught:
        api.register(binary, name, attributes, **fields)
    listed = api.workflows.List(workflow_pb2.WorkflowServiceListRequest(page_size=500), timeout=10).workflows
    assert name not in [w.name for w in listed], "nothing of it was registered"
    return caught.value


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: b"", "failed to decompress binary"),
        (lambda: b"#!/bin/sh\necho no", "failed to decompress binary"),
        (lambda: b"\x00asm\x0d\x00\x01\x00", "component"),
        (lambda: b"\x00asm\x01\x00\x00\x00" + b"\xff" * 100, "module"),
        (lambda: wasm("no-memory"), 'module does not export "memory"'),
        (lambda: wasm("memory-is-a-global"), 'module export "memory" is not a memory'),
        (lambda: wasm("no-start"), "could not get start function"),
        (lambda: wasm("legacy"), "legacy"),
        (lambda: wasm("unknown-import"), "import"),
        (lambda: b"\x00asm" + b"\x00" * 100_000_001, "100000000"),
        (lambda: wasm("trap-at-subscribe"), "trap"),
        (lambda: wasm("garbage-at-subscribe"), "response"),
        (lambda: wasm("nothing-at-subscribe"), "did not name its triggers"),
        (lambda: wasm("wrong-kind-at-subscribe"), "did not name its triggers"),
        (lambda: wasm("many-triggers-at-subscribe"), "100 triggers, more than 10"),
        (lambda: wasm("refuses-at-subscribe"), "did not name its triggers"),
    ],
    ids=[
        "an empty file",
        "a script",
        "a component",
        "a broken module",
        "no memory",
        "memory is a global",
        "no start",
        "a legacy guest",
        "an unknown import",
        "too big",
        "traps at subscribe",
        "answers garbage at subscribe",
        "answers nothing at subscribe",
        "answers a value at subscribe",
        "subscribes to too much",
        "refuses to subscribe",
    ],
)
def test_a_binary_that_cannot_be_a_workflow_is_refused_with_its_reason(host, make, text):
    with host.channel() as api:
        error = refused(api, make(), "bad")
    assert text in error.details()
    assert error.code() not in {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL}


def test_a_binary_that_loops_when_it_is_to_name_its_triggers_is_refused_at_the_limit(hasty):
    with hasty.channel() as api:
        error = refused(api, wasm("loop-at-subscribe"), "bad")
    assert f"did not name its triggers within {RUN_TIMEOUT_MS} ms" in error.details()
    assert error.code() not in {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL}


@pytest.mark.parametrize(
    ("name", "config", "status", "text"),
    [
        ("loop", b"", run_pb2.RUN_STATUS_TIMED_OUT, f"{RUN_TIMEOUT_MS}"),
        ("trap", b"", run_pb2.RUN_STATUS_FAILED, "trap"),
        ("memory-bomb", b"", run_pb2.RUN_STATUS_FAILED, ""),
        ("silent", b"", run_pb2.RUN_STATUS_FAILED, "could not find response for execution"),
        ("nothing", b"", run_pb2.RUN_STATUS_FAILED, "an empty result"),
        ("wrong-kind", b"", run_pb2.RUN_STATUS_FAILED, "answered a trigger with"),
        ("garbage", b"", run_pb2.RUN_STATUS_FAILED, ""),
        ("too-much", b"200000", run_pb2.RUN_STATUS_FAILED, ""),
        ("exit-3", b"", run_pb2.RUN_STATUS_FAILED, "3"),
        ("recursion", b"", run_pb2.RUN_STATUS_FAILED, "stack"),
        ("sleep-forever", b"", run_pb2.RUN_STATUS_TIMED_OUT, f"{RUN_TIMEOUT_MS}"),
        ("returns-silently", b"", run_pb2.RUN_STATUS_FAILED, "could not find response for execution"),
    ],
)
@pytest.mark.parametrize("attributes", [b"", CONFIDENTIAL], ids=["local", "confidential"])
def test_a_guest_that_misbehaves_fails_its_own_run_only(host, hasty, name, config, status, text, attributes):
    label = f"{name}-{'c' if attributes else 'l'}"
    with (hasty if status == run_pb2.RUN_STATUS_TIMED_OUT else host).channel() as api:
        registered(api, guest(name), label, attributes, config=config)
        answer = api.execute(label)
        assert answer.run.status == status, answer.error
        assert text in answer.error
        assert answer.error
        if api.workflows.List(workflow_pb2.WorkflowServiceListRequest(), timeout=5).workflows[-1].name != "echo":
            registered(api, guest("echo"), "echo")
        assert executed(api, "echo", b'"next"').result.bytes_value == b'"next"'


def test_a_flood_of_log_lines_is_cut_and_does_not_fail_the_run(host):
    with host.channel() as api:
        api.register(guest("log-flood"), "log-flood")
        assert api.execute("log-flood").run.status == run_pb2.RUN_STATUS_COMPLETED
    assert len("".join(host.log)) < 1_000_000


def test_a_go_guest_of_several_megabytes_runs_in_both_places(shared):
    with shared.channel() as api:
        api.register(guest("go"), "go-local", config=b"echo")
        api.register(guest("go"), "go-hidden", CONFIDENTIAL, config=b"echo", tag="t")
        for name in ("go-local", "go-hidden"):
            answer = api.execute(name, b'{"who": "gopher"}', timeout=60)
            assert answer.run.status == run_pb2.RUN_STATUS_COMPLETED, answer.error
            assert b"gopher" in answer.result.SerializeToString()


def test_a_binary_arrives_in_three_encodings_and_the_record_says_which(host):
    import base64

    import brotli

    raw = guest("echo").read_bytes()
    packed = brotli.compress(raw)
    with host.channel() as api:
        one = api.register(raw, "enc-raw")
        two = api.register(packed, "enc-br")
        three = api.register(base64.b64encode(packed), "enc-b64")
        assert one.encoding == workflow_pb2.ENCODING_RAW
        assert two.encoding == three.encoding == workflow_pb2.ENCODING_BROTLI
        assert two.binary_sha256 == three.binary_sha256 != one.binary_sha256
        for name in ("enc-raw", "enc-br", "enc-b64"):
            assert api.execute(name, b"1").result.bytes_value == b"1"
