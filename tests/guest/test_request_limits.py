"""How large a request may be and how many a guest may make: it hears why, and has lost nothing by it."""

import pytest
from google.protobuf import any_pb2

from strongroom.guest.limits import REFUSALS_MAX, SECRETS_PER_FETCH_MAX, GuestLimits
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.one_guest import run_guest
from tests.guest.one_call import Host, awaited, capability, run
from tests.guest.program import Program
from tests.guest.running import REQUEST
from tests.guests.host import PretendedHost

LIMIT = 500


@pytest.fixture(params=["in this process", "on a runner"])
def execute(request):
    """``execute(program, host, **limits)``: an enclave has its guests in its own process, a host has runners."""

    def here(program, host, **limits):
        return program.reply(run_guest(program.wasm(), REQUEST, host, limits=GuestLimits(**limits)))

    def there(program, host, **limits):
        pool, raw = request.getfixturevalue("make_pool")(runners_max=1, **limits), program.wasm()
        key = pool.key_of(raw)
        return program.reply(pool.execute(owner="a", module_key=key, wasm=lambda: raw, request=REQUEST, helper=host))

    return here if request.param == "in this process" else there


def of_size(size, callback_id=1):
    """A capability request that has exactly that many bytes."""
    request = sdk_pb2.CapabilityRequest(id="x@1.0.0", callback_id=callback_id, payload=any_pb2.Any(value=b"x" * 200))
    request.payload.value += b"x" * (size - request.ByteSize())
    assert request.ByteSize() == size
    return request


def too_large(name, size):
    return (
        f"error calling {name}: the request of {size} bytes is larger than the limit of {LIMIT} bytes "
        "(limits.capability_request_bytes_max)"
    )


def test_a_request_at_its_limit_is_taken_and_one_beyond_it_is_refused_and_takes_no_slot_and_no_id(execute):
    program, host = Program(), PretendedHost()
    error, out = program.buffer(256), program.buffer(256)
    for _ in range(3):
        program.env("call_capability", *program.message(of_size(LIMIT + 1)), error, 256)
    program.env("call_capability", *program.message(of_size(LIMIT)), program.buffer(64), 64)
    program.env("await_capabilities", *program.message(awaited(1)), out, 256)
    reply = execute(program, host, capability_request_bytes_max=LIMIT, calls_in_flight_max=1)
    assert [reply.text(at, error) for at in range(3)] == [too_large("callCapAsync", LIMIT + 1)] * 3
    assert reply.results[3] == 0
    assert reply.results[4] > 0
    assert [call.ByteSize() for call in host.calls] == [LIMIT]


def test_a_fetch_has_the_same_limit(execute):
    program, host = Program(), PretendedHost()
    error = program.buffer(256)
    wanted = sdk_pb2.GetSecretsRequest(callback_id=1, requests=[sdk_pb2.SecretRequest(id="k" * 600)])
    fetch = program.env("get_secrets", *program.message(wanted), error, 256)
    reply = execute(program, host, capability_request_bytes_max=LIMIT)
    assert reply.text(fetch, error) == too_large("getSecretsAsync", wanted.ByteSize())
    assert host.asked_secrets == []


@pytest.mark.parametrize("count", [SECRETS_PER_FETCH_MAX, SECRETS_PER_FETCH_MAX + 1])
def test_a_fetch_names_only_so_many_secrets(execute, count):
    program, host = Program(), PretendedHost()
    error, out = program.buffer(256), program.buffer(16384 - 1024 - 256)
    wanted = sdk_pb2.GetSecretsRequest(callback_id=1, requests=[sdk_pb2.SecretRequest()] * count)
    fetch = program.env("get_secrets", *program.message(wanted), error, 256)
    program.env("await_secrets", *program.message(sdk_pb2.AwaitSecretsRequest(ids=[1])), out, 16384 - 1024 - 256)
    reply = execute(program, host)
    if count > SECRETS_PER_FETCH_MAX:
        assert "a fetch of 101 secrets is larger than the limit of 100" in reply.text(fetch, error)
        assert host.asked_secrets == []
    else:
        assert reply.results[fetch] == 0
        assert len(host.asked_secrets[0].requests) == SECRETS_PER_FETCH_MAX


@pytest.mark.parametrize("name", ["await_capabilities", "await_secrets"])
def test_an_await_has_the_same_limit_because_an_id_takes_one_byte_here_and_twenty_where_it_is_parsed(execute, name):
    program, host = Program(), PretendedHost()
    error = program.buffer(256)
    ids = sdk_pb2.AwaitCapabilitiesRequest(ids=[1] * (LIMIT - 3))
    at_limit = program.env(name, *program.message(ids), error, 256)
    beyond = program.env(name, *program.put(ids.SerializeToString() + b"\x08\x01"), error + 256, 256)
    program.buffer(256)
    reply = execute(program, host, capability_request_bytes_max=LIMIT)
    assert ids.ByteSize() == LIMIT
    assert reply.text(at_limit, error) == "failed to get call from store : 1"
    reason = too_large("", LIMIT + 2).partition(": ")[2]
    assert reply.text(beyond, error + 256) == f"error reading from wasm {reason}"


def test_the_old_form_writes_the_reason_over_the_request():
    program = Program(form=1)
    place = program.buffer(1024)
    call = program.env("call_capability", place, 1024)
    reply = run(program, Host(), capability_request_bytes_max=LIMIT)
    assert reply.text(call, place) == too_large("callCapAsync", 1024)


def test_a_request_outside_memory_is_out_of_bounds_rather_than_too_large():
    program = Program()
    error = program.buffer(128)
    call = program.env("call_capability", 100, 2_000_000_000, error, 128)
    assert "out of bounds" in run(program, Host()).text(call, error)


def test_calls_beyond_all_that_a_host_remembers_are_refused_in_words(monkeypatch):
    monkeypatch.setattr("strongroom.guest.runner.env_imports.CALLS_MAX", 2)
    program = Program()
    error = program.buffer(128)
    for callback_id in range(3):
        program.env("call_capability", *program.message(capability(callback_id)), error, 128)
    reply = run(program, Host())
    assert reply.results[:2] == [0, 0]
    assert reply.text(2, error) == "error calling callCapAsync: the guest has made 2 calls, more than which it may not"


def test_a_guest_that_asks_on_for_the_time_that_it_does_not_get_is_refused_by_its_runner(make_pool):
    class Timeless(PretendedHost):
        def now_ns(self, mode):
            self.asked_time += 1

    program, host = Program(), Timeless()
    place = program.buffer(8)
    program._imports |= {("env", "now"): ("i", "i"), ("env", "switch_modes"): ("i", "")}
    ask = f"(drop (call $now (i32.const {place})))"
    count = "(local.set $n (i32.add (local.get $n) (i32.const 1)))"
    again = f"(br_if $again (i32.lt_u (local.get $n) (i32.const {REFUSALS_MAX + 500})))"
    program.raw(f"(local $n i32) (call $switch_modes (i32.const 1)) (loop $again {ask} {count} {again})")
    last = program.env("now", place)
    pool, raw = make_pool(runners_max=1), program.wasm()
    reply = program.reply(
        pool.execute(owner="a", module_key=pool.key_of(raw), wasm=lambda: raw, request=REQUEST, helper=host)
    )
    assert reply.results[last] == 28
    assert host.asked_time == REFUSALS_MAX
