"""What becomes of guests that break something, on what runs guests for real; and every answer that a guest sees.

Source: contracts/cre-guest.md, sections 4, 6, 10, 11 and 17.
"""

import pytest

from strongroom.errors import Cancelled, GuestFault, InvalidInput, StrongroomError, TimedOut
from strongroom.guest.limits import GuestLimits
from strongroom.pb.capabilities.networking.http.v1alpha import http_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.one_guest import run_guest
from tests.guests.build import wasm
from tests.guests.host import PretendedHost, trigger

EVENT = trigger(http_pb2.Payload(input=b"{}"))
LIMITS = GuestLimits()
ENDLESS = ["loop", "busy-host", "sleep-forever", "loop-when-made"]

FAULTS = {
    "trap": "unreachable",
    "trap-when-made": "unreachable",
    "recursion": "call stack exhausted",
    "memory-bomb": "unreachable",
    "table-growth": "unreachable",
    "silent": "could not find response for execution",
    "garbage": "could not find response for execution",
    "returns-silently": "could not find response for execution",
    "exit-3": "exit status 3",
    "no-room": "no memory for an error text",
    "too-much": "100000",
}
REFUSALS = {
    "no-memory": 'does not export "memory"',
    "memory-is-a-global": '"memory" is not a memory',
    "no-start": "could not get start function",
    "start-is-a-memory": "could not get start function",
    "start-takes-a-number": "could not get start function",
    "unknown-import": "open_the_door",
    "unknown-module": "open_the_door",
    "foreign-module": 'unknown import "host" "send_response"',
    "wrong-import-type": "send_response",
    "both-forms": "an import has the wrong type",
    "imported-memory": "memory",
    "huge-memory": "begins with 4294967296 bytes of memory, the limit is 100000000 bytes",
    "two-memories": "multiple memories",
    "legacy": "legacy dag workflow",
}
WASI = """
environ sizes=0 environ count=0 environ bytes=0 environ=0 yield=0 raise=58 random=0 random is random=1
realtime=0 realtime is of this century=1 monotonic=0 monotonic starts above 0=1 monotonic starts small=1 cpu time=28
resolution=0 resolution is=1 poll=0 poll events=4 poll relative=0 poll absolute=58 poll read=8 poll other=28
poll other type=9 poll userdata=68 poll 129=28 write 1=0 write 1 bytes=6 write 2=0 write 0=8 write 3=8 read 0=0
read 0 bytes=0 read 1=8 fdstat 0=0 fdstat 0 rights=2 fdstat 1=0 fdstat 1 rights=64 fdstat 3=8 filestat 1=0
filestat 3=8 seek 1=70 seek 3=8 tell 0=70 pread 0=70 pwrite 1=70 prestat 3=8 prestat 0=8 prestat name 0=54
prestat name 3=8 readdir 3=8 sync 1=8 open=8 mkdir=8 unlink=8 sock_accept 0=57 sock_accept 3=8 sock_shutdown 1=57
close 1=0 close 1 again=8 close 3=8
"""
BEYOND = "out of bounds memory access"
NEGATIVE = "invalid memory access: ptr: 100, size: -1"
BAD_POINTERS = f"""send_response beyond=21
send_response negative pointer=21
send_response negative length=21
send_response sum above 2^31=21
now beyond=28
now negative=28
emit_metric beyond=-1
await_capabilities beyond:error reading from wasm {BEYOND}
await_capabilities negative length:error reading from wasm {NEGATIVE}
await_secrets beyond:error reading from wasm {BEYOND}
get_secrets beyond:error calling wasmRead: {BEYOND}
get_secrets sum above 2^31:error calling wasmRead: {BEYOND}
args_get=21
args_sizes_get=21
environ_sizes_get=21
clock_time_get near the end=21
clock_time_get negative=21
clock_res_get=21
random_get beyond=21
random_get negative length=28
fd_write vectors=21
fd_write result=21
fd_read result=21
fd_fdstat_get=21
fd_filestat_get=21
poll_oneoff subscriptions=21
poll_oneoff too many=28
poll_oneoff none=28
"""
V2_ONLY = f"""call_capability beyond:error calling wasmRead: {BEYOND}
call_capability negative length:error calling wasmRead: {NEGATIVE}
"""


def in_this_process(module, request, host):
    answer = run_guest(module, request.SerializeToString(), host, limits=LIMITS)
    return sdk_pb2.ExecutionResult.FromString(answer)


@pytest.fixture(params=["in this process", "in a runner"])
def execute(request):
    return in_this_process if request.param == "in this process" else request.getfixturevalue("in_a_runner")


@pytest.fixture
def run(execute):
    return lambda name, event=EVENT, **host: execute(wasm(name), event, PretendedHost(**host))


@pytest.mark.parametrize(("name", "reason"), FAULTS.items(), ids=FAULTS)
def test_a_guest_that_breaks_the_contract_fails_its_run_with_the_reason(run, name, reason):
    with pytest.raises(StrongroomError) as caught:
        run(name)
    assert isinstance(caught.value, GuestFault)
    assert reason in str(caught.value)


@pytest.mark.parametrize(("name", "reason"), REFUSALS.items(), ids=REFUSALS)
def test_a_module_that_no_host_could_run_is_not_admitted(run, name, reason):
    with pytest.raises(InvalidInput) as caught:
        run(name)
    assert reason in str(caught.value)


@pytest.mark.parametrize(("name", "text"), [("twice-imported", "twice"), ("answers-when-made", "early")])
def test_a_function_may_be_imported_twice_and_called_while_the_guest_is_being_made(run, name, text):
    assert run(name).value.string_value == text


@pytest.mark.parametrize("name", ENDLESS)
def test_a_guest_without_an_end_is_ended(run, name):
    with pytest.raises(TimedOut, match="300 ms"):
        run(name, timeout_ms=300)


@pytest.mark.parametrize("name", ENDLESS)
def test_a_guest_without_an_end_can_be_cancelled(run, name, monkeypatch):
    monkeypatch.setattr(PretendedHost, "on_cancel", lambda _, stop: stop("nobody wants it any more", 50))
    with pytest.raises(Cancelled, match="nobody wants it"):
        run(name)


def test_an_answer_that_comes_after_the_time_limit_does_not_count(run):
    # The sleep ends early because the run is over; the guest would then answer and exit in good order.
    sleeping = trigger(http_pb2.Payload(), config=b"1500000000")
    with pytest.raises(TimedOut, match="300 ms"):
        run("sleep-long", sleeping, timeout_ms=300)


def test_an_answer_that_comes_after_a_cancellation_does_not_count(run, monkeypatch):
    monkeypatch.setattr(PretendedHost, "on_cancel", lambda _, stop: stop("nobody wants it any more"))
    with pytest.raises(Cancelled, match="nobody wants it"):
        run("sleep-long", trigger(http_pb2.Payload(), config=b"1500000000"))


@pytest.mark.parametrize("name", ["garbage-after", "twice", "returns", "leaves-calls"])
def test_an_odd_ending_does_not_lose_the_answer(run, name):
    assert run(name).value.bytes_value == b"config"


def test_memory_ends_at_the_limit(run):
    assert int(run("memory-pages").value.string_value) == LIMITS.memory_bytes_max // 65536


def test_an_answer_just_below_the_limit_is_taken(run):
    result = run("too-much", trigger(http_pb2.Payload(), config=b"99900"))
    assert len(result.value.bytes_value) == 99_900


def test_a_log_flood_costs_lines_and_nothing_else(execute):
    host = PretendedHost()
    assert execute(wasm("log-flood"), EVENT, host).value.bytes_value == b"config"
    assert LIMITS.log_lines_max <= len(host.lines) <= LIMITS.log_lines_max + 1
    assert max(len(line.encode()) for _, line in host.lines) <= LIMITS.log_line_bytes_max + 32


def test_wasi_answers_as_the_contract_says(run):
    assert run("wasi").value.string_value.split() == WASI.split()


@pytest.mark.parametrize("name", ["bad-pointers", "bad-pointers-v2"])
def test_pointers_outside_memory_are_an_answer_and_never_a_crash(run, name):
    before, after = BAD_POINTERS.split("args_get")
    expected = f"{before}{V2_ONLY if name.endswith('v2') else ''}args_get{after}"
    assert run(name).value.string_value == expected
