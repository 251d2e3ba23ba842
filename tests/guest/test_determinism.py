"""What a guest sees is derived or recorded: two executions with the same record are the same, byte for byte.

The wall clock differs between the two, as it does between a run and its replay.
"""

import struct
import time

import pytest

from strongroom.guest.limits import GuestLimits
from strongroom.guest.runner.clock import STEP_NS, Entropy, GuestClock
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.one_guest import run_guest
from tests.guest.program import MEMORY_BYTES, Program
from tests.guests.host import PretendedHost

REQUEST = sdk_pb2.ExecuteRequest(subscribe={}).SerializeToString()
BEGIN_NS = 1_700_000_000_000_000_000
DON, NODE = 1, 2


class Host(PretendedHost):
    """Answers every call; ``answered`` is when it did."""

    def __init__(self, answered=0, **fields):
        super().__init__(**{"clock_unix_ns": BEGIN_NS, **fields})
        self._answered = answered
        self.asked_modes = []

    def call_capability(self, request):
        return sdk_pb2.CapabilityResponse(error="done")

    def answered_unix_ns(self, kind, callback_id):
        assert (kind, callback_id) in {("capability", 1), ("secrets", 1)}
        return self._answered

    def now_ns(self, mode):
        self.asked_modes.append(mode)
        return super().now_ns(mode)


def run(program, host):
    return program.reply(run_guest(program.wasm(), REQUEST, host, limits=GuestLimits()))


def reading(program, clock=0):
    at = program.buffer(8)
    program.wasi("clock_time_get", "iqi", clock, 0, at)
    return at


def moment(reply, at):
    return int.from_bytes(reply.buffer(at, 8), "little")


def test_the_clock_begins_where_the_host_says_and_moves_a_little_at_each_reading():
    program = Program()
    first, second, third = reading(program), program.buffer(8), reading(program, clock=1)
    program.env("now", second)
    reply = run(program, Host())
    assert (moment(reply, first), moment(reply, third)) == (BEGIN_NS, 1)
    # The monotonic clock is read before ``now`` here, and both move the one time source.
    assert moment(reply, second) == BEGIN_NS + 2 * STEP_NS


def test_a_sleep_moves_the_clock_by_its_length_however_long_it_took():
    program = Program()
    first = reading(program)
    place, _ = program.put(struct.pack("<QB7xI4xQQH6x", 1, 0, 1, 3_000_000, 0, 0))
    program.wasi("poll_oneoff", "iiii", place, program.buffer(32), 1, program.buffer(4))
    second = reading(program)
    reply = run(program, Host())
    assert moment(reply, second) - moment(reply, first) == 3_000_000 + STEP_NS


@pytest.mark.parametrize(
    ("answered", "seen"), [(BEGIN_NS + 10**9, BEGIN_NS + 10**9), (BEGIN_NS - 10**9, BEGIN_NS + STEP_NS)]
)
@pytest.mark.parametrize("kind", ["capabilities", "secrets"])
def test_an_answer_moves_the_clock_on_to_when_it_came_and_never_back(kind, answered, seen):
    program = Program()
    error, out = program.buffer(64), program.buffer(64)
    reading(program)
    if kind == "capabilities":
        message = sdk_pb2.CapabilityRequest(id="x@1.0.0", callback_id=1)
        program.env("call_capability", *program.message(message), error, 64)
    else:
        program.env("get_secrets", *program.message(sdk_pb2.GetSecretsRequest(callback_id=1)), error, 64)
    program.env(f"await_{kind}", *program.message(sdk_pb2.AwaitCapabilitiesRequest(ids=[1])), out, 64)
    after = reading(program)
    assert moment(run(program, Host(answered)), after) == seen


def test_a_poll_of_as_many_subscriptions_as_there_may_be_reports_on_all_up_to_the_end_of_memory():
    program, count = Program(), 128
    place, _ = program.put(b"".join(struct.pack("<QB7xI4xQQH6x", at, 1, 0, 0, 0, 0) for at in range(count)))
    events = program.buffer(32 * count)
    polled = program.wasi("poll_oneoff", "iiii", place, events, count, MEMORY_BYTES - 4)
    reply = run(program, Host())
    assert reply.results[polled] == 0
    told = [struct.unpack_from("<QHB", reply.buffer(events, 32 * count), 32 * at) for at in range(count)]
    assert told == [(at, 8, 1) for at in range(count)]


def test_an_answer_that_was_not_delivered_does_not_move_the_clock():
    program = Program()
    message = sdk_pb2.CapabilityRequest(id="x@1.0.0", callback_id=1)
    program.env("call_capability", *program.message(message), program.buffer(64), 64)
    program.env("await_capabilities", *program.message(sdk_pb2.AwaitCapabilitiesRequest(ids=[1])), program.buffer(8), 1)
    after = reading(program)
    assert moment(run(program, Host(BEGIN_NS + 10**9)), after) == BEGIN_NS


def test_the_agreed_time_moves_the_clock_of_the_node_on():
    program = Program()
    agreed, after = program.buffer(8), program.buffer(8)
    program.env("switch_modes", DON)
    program.env("now", agreed)
    program.env("switch_modes", NODE)
    program.env("now", after)
    host = Host(times_ns=[BEGIN_NS + 5_000_000])
    reply = run(program, host)
    assert moment(reply, agreed) == moment(reply, after) == BEGIN_NS + 5_000_000
    assert host.asked_modes == [DON]


def test_the_clock_of_wasi_is_that_of_the_node_in_every_mode():
    program = Program()
    moments = []
    for mode in (DON, NODE, 0, 77):
        program.env("switch_modes", mode)
        moments.append(reading(program))
    host = Host(times_ns=[1])
    reply = run(program, host)
    assert [moment(reply, at) for at in moments] == [BEGIN_NS + n * STEP_NS for n in range(4)]
    assert host.asked_modes == []


def test_without_a_begin_each_reading_is_asked_of_the_host_as_the_time_of_the_node():
    program = Program()
    program.env("switch_modes", NODE)
    first, second = program.buffer(8), reading(program)
    program.env("now", first)
    third = reading(program, clock=1)
    host = Host(clock_unix_ns=0, times_ns=[50, 60, 70])
    reply = run(program, host)
    assert (moment(reply, second), moment(reply, first), moment(reply, third)) == (50, 60, 1)
    assert host.asked_modes == [NODE] * 3


def test_without_a_begin_an_answer_moves_no_clock():
    program = Program()
    message = sdk_pb2.CapabilityRequest(id="x@1.0.0", callback_id=1)
    program.env("call_capability", *program.message(message), program.buffer(64), 64)
    call = program.env(
        "await_capabilities", *program.message(sdk_pb2.AwaitCapabilitiesRequest(ids=[1])), program.buffer(64), 64
    )
    assert run(program, Host(BEGIN_NS + 10**9, clock_unix_ns=0)).results[call] > 0


def test_a_host_that_refuses_the_time_is_an_error_number():
    program = Program()
    program.env("switch_modes", DON)
    refused = [program.env("now", program.buffer(8)), program.wasi("clock_time_get", "iqi", 0, 0, program.buffer(8))]
    host = Host(clock_unix_ns=0)
    host.now_ns = lambda _mode: None
    assert [run(program, host).results[at] for at in refused] == [28, 28]


def test_entropy_is_the_same_for_the_same_seed_and_differs_for_another():
    def taken(entropy):
        program = Program()
        at = program.buffer(100)
        program.wasi("random_get", "ii", at, 60)
        program.wasi("random_get", "ii", at + 60, 40)
        return run(program, Host(entropy=entropy)).buffer(at, 100)

    assert taken(b"a" * 32) == taken(b"a" * 32) != taken(b"b" * 32)
    assert taken(b"a" * 32)[:40] != taken(b"a" * 32)[60:]


@pytest.mark.parametrize("size", [0, 1, 16, 17, 40])
def test_entropy_of_any_size_is_made_in_pieces_and_fills_all_of_its_place(monkeypatch, size):
    monkeypatch.setattr("strongroom.guest.runner.wasi_imports._RANDOM_CHUNK", 16)
    program = Program()
    at = program.buffer(64)
    taken = program.wasi("random_get", "ii", at, size)
    reply, stream = run(program, Host()), Entropy(PretendedHost().entropy)
    pieces = b"".join(stream.take(min(16, size - start)) for start in range(0, size, 16))
    assert reply.results[taken] == 0
    assert reply.buffer(at, 64) == pieces.ljust(64, b"\0")


def test_the_stream_does_not_repeat_itself():
    stream = Entropy(b"seed")
    assert len({stream.take(8) for _ in range(5_000)}) == 5_000


def test_the_clock_stops_at_the_last_moment_that_can_be_written():
    clock = GuestClock(BEGIN_NS)
    clock.sleep(1 << 64)
    assert clock.read() == clock.read() == (1 << 63) - 1


def test_the_wall_clock_does_not_show():
    program = Program()
    at = [reading(program) for _ in range(3)]
    first = run(program, Host())
    time.sleep(0.002)
    assert [moment(run(program, Host()), place) for place in at] == [moment(first, place) for place in at]
