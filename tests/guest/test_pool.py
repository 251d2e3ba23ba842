"""The pool with real runners: what is compiled and loaded where, and who serves whom."""

import os
import threading

import pytest
import wasmtime

from strongroom.errors import Internal, InvalidInput, Unavailable
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.guest.running import REQUEST, Calling, calling, execute, runners, text_of
from tests.guests.build import wasm
from tests.guests.host import PretendedHost


def test_a_module_is_compiled_once_and_serves_many_runs(pool):
    compiled = pool.compile(wasm("config"))
    assert (compiled.info.sdk_label, compiled.info.call_form) == ("version_v2", 0)
    assert compiled.module_key == compiled.wasm_sha256 == pool.key_of(wasm("config"))
    never = lambda: pytest.fail("the module was asked for although it is compiled")  # noqa: E731 - a value, not a step
    for _ in range(5):
        answer = pool.execute(
            owner="a", module_key=compiled.module_key, wasm=never, request=REQUEST, helper=PretendedHost()
        )
        assert text_of(sdk_pb2.ExecutionResult.FromString(answer)) == b"config"


def test_a_module_that_is_not_compiled_is_compiled_on_the_way(make_pool):
    assert text_of(execute(make_pool(), "config")) == b"config"


def test_a_compiled_module_outlives_the_pool(make_pool, tmp_path):
    make_pool(cache_dir=tmp_path / "shared").compile(wasm("config"))
    second = make_pool(cache_dir=tmp_path / "shared")
    missing = lambda: pytest.fail("the cache was not used")  # noqa: E731 - a value, not a step
    key = second.key_of(wasm("config"))
    answer = second.execute(owner="a", module_key=key, wasm=missing, request=REQUEST, helper=PretendedHost())
    assert text_of(sdk_pb2.ExecutionResult.FromString(answer)) == b"config"


def test_another_module_under_the_same_key_is_not_executed(make_pool):
    pool = make_pool()
    with pytest.raises(Internal, match="not the one that was asked for"):
        pool.execute(
            owner="a", module_key="0" * 64, wasm=lambda: wasm("config"), request=REQUEST, helper=PretendedHost()
        )


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (b"", "not a WebAssembly module"),
        (b"\0asm\x0d\0\1\0", "component"),
        (b"\0asm\1\0\0\0\xff", "does not compile"),
        ("no-memory", 'module does not export "memory"'),
        ("memory-is-a-global", 'module export "memory" is not a memory'),
        ("no-start", "could not get start function"),
        ("legacy", "cannot execute a legacy dag workflow"),
        ("unknown-import", 'unknown import "env" "open_the_door"'),
        ("wrong-import-type", "wrong type"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.hex(),
)
def test_what_is_not_admissible_is_refused_with_its_cause(pool, module, reason):
    raw = module if isinstance(module, bytes) else wasm(module)
    with pytest.raises(InvalidInput, match="the module was not admitted") as caught:
        pool.compile(raw)
    assert reason in caught.value.why
    assert caught.value.details["field"] == "binary"


@pytest.mark.parametrize(("name", "form"), [("duplicate-call", 1), ("duplicate-call-v2", 2)])
def test_both_forms_of_calls_are_recognised(pool, name, form):
    assert pool.compile(wasm(name)).info.call_form == form


def test_an_empty_request_and_a_missing_helper_are_refused(pool):
    with pytest.raises(InvalidInput, match="invalid request: can't be nil"):
        pool.execute(owner="a", module_key="x", wasm=bytes, request=b"", helper=PretendedHost())
    with pytest.raises(InvalidInput, match="invalid capability executor: can't be nil"):
        pool.execute(owner="a", module_key="x", wasm=bytes, request=REQUEST, helper=None)


def test_several_calls_are_open_at_once(pool):
    together = threading.Barrier(3)
    host = Calling(lambda _self, _request: together.wait(10))
    program = calling(ids=(1, 2, 3))
    assert execute(pool, "", module=program.wasm(), host=host).WhichOneof("result") == "value"


def test_an_answer_that_no_guest_can_hold_is_too_small_a_buffer(pool):
    class Generous(PretendedHost):
        def call_capability(self, request):
            return sdk_pb2.CapabilityResponse(error="x" * 120_000_000)

    program = calling()
    reply = program.reply(
        pool.execute(
            owner="a",
            module_key=pool.key_of(program.wasm()),
            wasm=program.wasm,
            request=REQUEST,
            helper=Generous(),
        )
    )
    assert reply.results[1] == -len("response buffer too small")


def test_a_runner_serves_one_owner_until_it_is_recycled(make_pool):
    pool = make_pool(runners_max=2)
    for owner in ("a", "b", "a", "b"):
        execute(pool, "config", owner=owner)
        assert "" not in {runner.owner for runner in pool._fleet._busy}
    assert runners(pool) == ["a", "b"]
    pids = {runner.owner: runner.pid for runner in pool._fleet._idle}
    execute(pool, "config", owner="c")
    assert "c" in runners(pool)
    assert {runner.pid for runner in pool._fleet._idle if runner.owner == "c"}.isdisjoint(pids.values())


def test_one_spare_runner_is_kept_ready(make_pool):
    pool = make_pool(runners_max=3)
    execute(pool, "config", owner="a")
    with pool._fleet._changed:
        pool._fleet._changed.wait_for(lambda: "" in {r.owner for r in pool._fleet._idle}, timeout=60)
    assert runners(pool) == ["", "a"]


def test_there_are_never_more_runners_than_allowed(make_pool):
    pool = make_pool(runners_max=2)
    pool.compile(wasm("config"))
    threads = [threading.Thread(target=execute, args=(pool, "config"), kwargs={"owner": owner}) for owner in "abcdabcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(pool._fleet.alive()) <= 2
    assert len(runners(pool)) <= 2


def test_who_finds_no_runner_in_time_is_told_so(make_pool):
    pool = make_pool(runners_max=1)
    program = calling()
    inside, release = threading.Event(), threading.Event()

    def hold(_self, _request):
        inside.set()
        release.wait(20)

    first = threading.Thread(target=execute, args=(pool, ""), kwargs={"module": program.wasm(), "host": Calling(hold)})
    first.start()
    assert inside.wait(20)
    with pytest.raises(Unavailable, match="no runner was free") as caught:
        execute(pool, "config", owner="b", host=PretendedHost(timeout_ms=100))
    assert caught.value.details["setting"] == "limits.runners_max"
    release.set()
    first.join(20)


def test_the_report_names_protections_and_the_engine(make_pool):
    report = make_pool().report()
    assert "seccomp" in report.protections or any(text.startswith("seccomp: ") for text in report.missing)
    assert report.wasmtime_version.count(".") == 2
    assert report.alive == 1


def test_a_closed_pool_leaves_no_process(make_pool):
    pool = make_pool()
    execute(pool, "config")
    pids = [runner.pid for runner in pool._fleet._idle]
    pool.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with pytest.raises(Unavailable, match="closed"):
        execute(pool, "config")


@pytest.mark.parametrize("ending", ["\\00", "\\1b[2J", "\\n", "a" * 1_001])
def test_a_marker_that_cannot_be_shown_or_stored_is_refused(pool, ending):
    text = f'(import "env" "version_v2{ending}" (func)) (memory (export "memory") 1) (func (export "_start"))'
    with pytest.raises(InvalidInput, match="not admitted") as caught:
        pool.compile(bytes(wasmtime.wat2wasm(f"(module {text})")))
    assert caught.value.why == "the name of its marker is too long or cannot be shown"
