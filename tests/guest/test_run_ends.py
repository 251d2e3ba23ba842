"""How a run ends, and what is said of it: exit codes, time limits, faults of the host, and memory that is too small.

Source: contracts/cre-guest.md sections 3, 4, 11, 12, 17 and 19.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import wasmtime

from strongroom.errors import GuestFault, Internal, InvalidInput, TimedOut
from strongroom.guest.limits import GuestLimits
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.runner.v1 import runner_pb2
from tests.fakes.one_guest import run_guest
from tests.guest.program import Program
from tests.guest.running import REQUEST, execute, text_of
from tests.guests.build import ROOT, wasm
from tests.guests.host import PretendedHost

SUBSCRIBE = sdk_pb2.ExecuteRequest(subscribe={}).SerializeToString()


def run(program, host=None, **limits):
    return run_guest(program.wasm(), REQUEST, host or PretendedHost(), limits=GuestLimits(**limits))


def exit_module(code, *, answers):
    """A guest that exits; ``Program`` gives every WASI function a result, which this one has not."""
    send = "(drop (call $send (i32.const 16) (i32.const 8)))" if answers else ""
    return bytes(
        wasmtime.wat2wasm(f"""(module
      (import "env" "version_v2" (func))
      (import "env" "send_response" (func $send (param i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1) (data (i32.const 16) "\\12\\06answer")
      (func (export "_start") {send} (call $exit (i32.const {code}))))""")
    )


def test_exit_0_after_an_answer_is_the_answer():
    answer = run_guest(exit_module(0, answers=True), REQUEST, PretendedHost(), limits=GuestLimits())
    assert sdk_pb2.ExecutionResult.FromString(answer).error == "answer"


@pytest.mark.parametrize(
    ("code", "answers", "text"),
    [
        (0, False, "could not find response for execution"),
        (110, True, "invariant violation: error marshaling response"),
        (111, False, "invariant violation: invalid request to runner"),
        (112, True, "error executing runner"),
        (113, False, "invariant violation: host errored during sendResponse"),
        (3, True, "exit status 3"),
        (-1, True, "exit status -1"),
    ],
)
def test_an_exit_code_is_told_in_the_words_of_the_contract(code, answers, text):
    with pytest.raises(GuestFault) as caught:
        run_guest(exit_module(code, answers=answers), REQUEST, PretendedHost(), limits=GuestLimits())
    assert caught.value.why == text


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt, SystemExit, MemoryError])
def test_a_host_function_that_fails_ends_the_run_as_a_panic_and_the_host_survives(kind):
    class Broken(PretendedHost):
        def log(self, mode, line):
            raise kind("s3cret")

    program = Program()
    program.env("switch_modes", 1)
    program.env("log", *program.put(b"a line"))
    with pytest.raises(Internal) as caught:
        run(program, Broken())
    assert caught.value.why == f"panic during wasm execution: {kind.__name__}"
    assert run(Program())


class Subscribing(PretendedHost):
    """A host whose time comes from another setting than that of runs."""

    timeout_setting = "limits.subscribe_timeout_ms"


LOOP = "(loop (br 0))"


@pytest.mark.parametrize(
    ("host", "limit_ms", "named", "text"),
    [
        (PretendedHost(timeout_ms=60), 10_000, "limits.run_timeout_ms", "the run used up its time of 60 ms"),
        (PretendedHost(timeout_ms=10_000), 60, "limits.run_timeout_ms", "the run used up its time of 60 ms"),
        (PretendedHost(timeout_ms=60), 60, "limits.run_timeout_ms", "the run used up its time of 60 ms"),
        (Subscribing(timeout_ms=60), 10_000, "limits.subscribe_timeout_ms", "subscribe used up its time of 60 ms"),
        (Subscribing(timeout_ms=10_000), 60, "limits.run_timeout_ms", "the run used up its time of 60 ms"),
    ],
    ids=["the caller's first", "the module's first", "both", "subscribe", "subscribe, the module's first"],
)
def test_the_shorter_time_limit_counts_and_the_error_names_it(host, limit_ms, named, text):
    program = Program()
    program.raw(LOOP)
    with pytest.raises(TimedOut, match=text) as caught:
        run(program, host, timeout_ms=limit_ms)
    assert (caught.value.details["setting"], caught.value.details["limit"]) == (named, 60)
    assert named in caught.value.fix


def test_without_a_shorter_limit_a_run_just_ends():
    assert run(Program(), PretendedHost(timeout_ms=300_000), timeout_ms=300_000)


@pytest.mark.parametrize("name", ["memory-bomb-at-subscribe", "trap-at-subscribe"])
def test_subscribe_has_the_limits_of_a_run(name):
    with pytest.raises(GuestFault, match="unreachable"):
        run_guest(wasm(name), SUBSCRIBE, PretendedHost(), limits=GuestLimits())


def test_a_module_that_begins_with_too_much_memory_is_refused_before_it_runs(make_pool):
    pool = make_pool(memory_bytes_max=100_000)
    with pytest.raises(InvalidInput) as caught:
        pool.compile(wasm("config"))
    assert "begins with 131072 bytes of memory, the limit is 100000 bytes" in str(caught.value)
    assert (caught.value.details["size"], caught.value.details["limit"]) == (131_072, 100_000)


def test_a_limit_that_was_lowered_after_registration_is_named_by_the_run(make_pool, tmp_path):
    make_pool(cache_dir=tmp_path / "shared").compile(wasm("config"))
    with pytest.raises(GuestFault, match="limits.memory_bytes_max is 100000 bytes"):
        execute(make_pool(cache_dir=tmp_path / "shared", memory_bytes_max=100_000), "config")


def test_a_second_table_is_one_too_many():
    with pytest.raises(GuestFault, match="table"):
        run_guest(wasm("two-tables"), REQUEST, PretendedHost(), limits=GuestLimits())


def test_one_module_is_shared_by_many_runs_at_once(make_pool):
    pool = make_pool(runners_max=2)
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: execute(pool, "config"), range(64)))
    assert {text_of(result) for result in results} == {b"config"}


def test_what_a_guest_writes_to_its_standard_output_does_not_reach_that_of_the_host():
    script = (
        "from tests.guests.build import wasm\n"
        "from tests.guests.host import PretendedHost\n"
        "from tests.guest.running import REQUEST\n"
        "from strongroom.guest.limits import GuestLimits\n"
        "from tests.fakes.one_guest import run_guest\n"
        "run_guest(wasm('wasi'), REQUEST, PretendedHost(), limits=GuestLimits())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, cwd=ROOT, timeout=60, check=False, env=dict(os.environ)
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_memory_that_a_guest_used_is_reported_however_it_ends(make_pool):
    told = []

    def watch(message):
        if message.WhichOneof("message") == "finished":
            told.append(message.finished)

    pool = make_pool()
    for name in ("memory-pages", "config", "trap"):
        module = wasm(name)
        try:
            pool.execute(
                owner="a",
                module_key=pool.key_of(module),
                wasm=lambda module=module: module,
                request=REQUEST,
                helper=PretendedHost(),
                watch=watch,
            )
        except GuestFault:
            assert name == "trap"
    pages, config, trap = (finished.memory_bytes for finished in told)
    assert pages == GuestLimits().memory_bytes_max // 65536 * 65536
    assert 0 < config <= trap + 65536
    assert told[2].outcome == runner_pb2.OUTCOME_GUEST_FAULT


# What the contract says of production, in its own numbers (section 12).
PRODUCTION = {
    "memory_bytes_max": 100_000_000,
    "timeout_ms": 300_000,
    "response_bytes_max": 100_000,
    "log_line_bytes_max": 1_000,
    "log_lines_max": 1_000,
    "calls_in_flight_max": 30,
    "poll_subscriptions_max": 128,
    "metric_bytes_max": 0,
    "metric_name_bytes_max": 128,
    "metric_labels_max": 10,
    "metric_label_bytes_max": 256,
    "binary_compressed_bytes_max": 20_000_000,
    "binary_bytes_max": 100_000_000,
}


@pytest.mark.parametrize(("name", "number"), PRODUCTION.items(), ids=PRODUCTION)
def test_the_defaults_are_those_of_production(name, number):
    assert getattr(GuestLimits(), name) == number


def test_a_run_in_a_runner_has_the_limits_that_it_was_accepted_with(make_pool):
    class Accepted(PretendedHost):
        log_lines_max, response_bytes_max = 40, 50_000

    host = Accepted()
    pool = make_pool(log_lines_max=1, response_bytes_max=10)
    assert execute(pool, "log-flood", host=host).WhichOneof("result") == "value"
    assert len(host.lines) == 41, "and one that says that the others are dropped"
