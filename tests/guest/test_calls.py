"""Capability calls and secret fetches as guests see them, call by call, in this process.

Source: contracts/cre-guest.md sections 6, 7, 8 and 19.
"""

import threading

import pytest

from strongroom.errors import GuestFault, Internal, Unavailable
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.guest.one_call import Host, awaited, capability, run
from tests.guest.program import MEMORY_BYTES, Program


def test_a_call_is_accepted_with_zero_and_its_answer_is_awaited():
    program, out = Program(), None
    error, out = program.buffer(64), program.buffer(128)
    program.env("call_capability", *program.message(capability(7)), error, 64)
    program.env("await_capabilities", *program.message(awaited(7)), out, 128)
    reply = run(program, Host(lambda request: sdk_pb2.CapabilityResponse(error=f"for {request.callback_id}")))
    response = sdk_pb2.AwaitCapabilitiesResponse.FromString(reply.buffer(out, reply.results[1]))
    assert reply.results[0] == 0
    assert {key: answer.error for key, answer in response.responses.items()} == {7: "for 7"}


def test_several_calls_come_in_one_answer_and_ids_may_be_negative_or_zero():
    program = Program()
    error, out = program.buffer(64), program.buffer(256)
    for call_id in (0, -1, 5):
        program.env("call_capability", *program.message(capability(call_id)), error, 64)
    program.env("await_capabilities", *program.message(awaited(5, -1, 0)), out, 256)
    reply = run(program, Host(lambda request: sdk_pb2.CapabilityResponse(error=str(request.callback_id))))
    response = sdk_pb2.AwaitCapabilitiesResponse.FromString(reply.buffer(out, reply.results[3]))
    assert {key: answer.error for key, answer in response.responses.items()} == {0: "0", -1: "-1", 5: "5"}


@pytest.mark.parametrize(
    ("pointer", "size", "reason"),
    [
        (100, 2147483547, "error calling wasmRead: out of bounds memory access"),
        (MEMORY_BYTES, 1, "error calling wasmRead: out of bounds memory access"),
        (MEMORY_BYTES - 4, 5, "error calling wasmRead: out of bounds memory access"),
        (-1, 4, "error calling wasmRead: invalid memory access: ptr: -1, size: 4"),
        (4, -1, "error calling wasmRead: invalid memory access: ptr: 4, size: -1"),
        (-2147483648, -2147483648, "error calling wasmRead: invalid memory access"),
    ],
    ids=["overflows 32 bits", "behind the end", "across the end", "negative pointer", "negative size", "both"],
)
@pytest.mark.parametrize("name", ["call_capability", "get_secrets"])
def test_a_request_outside_memory_is_refused_in_words(name, pointer, size, reason):
    program = Program()
    error = program.buffer(128)
    call = program.env(name, pointer, size, error, 128)
    reply = run(program)
    assert reply.text(call, error).startswith(reason)


@pytest.mark.parametrize("name", ["call_capability", "get_secrets", "await_capabilities", "await_secrets"])
def test_a_request_that_does_not_parse_is_refused_in_words(name):
    program = Program()
    error = program.buffer(128)
    call = program.env(name, *program.put(b"\xff\xff\xff"), error, 128)
    text = run(program).text(call, error)
    assert "pars" in text.lower()
    assert text.startswith("error calling proto unmarshal: ") == (not name.startswith("await"))


def test_the_first_form_writes_its_error_over_the_request():
    program = Program(form=1)
    request = program.buffer(64)
    program.raw(f"(i64.store (i32.const {request}) (i64.const -1))")
    call = program.env("call_capability", request, 64)
    assert run(program).text(call, request).startswith("error calling proto unmarshal: ")


@pytest.mark.parametrize(("kind", "label"), [("call_capability", "callCapAsync"), ("get_secrets", "getSecretsAsync")])
def test_an_id_is_used_once_even_after_its_answer_was_taken(kind, label):
    program = Program()
    error, out = program.buffer(128), program.buffer(256)
    message = capability(3) if kind == "call_capability" else sdk_pb2.GetSecretsRequest(callback_id=3)
    place = program.message(message)
    waits = "await_capabilities" if kind == "call_capability" else "await_secrets"
    program.env(kind, *place, error, 128)
    program.env(waits, *program.message(awaited(3)), out, 256)
    again = program.env(kind, *place, error, 128)
    reply = run(program, Host())
    assert reply.results[:2] >= [0, 0]
    assert reply.text(again, error) == f"error calling {label}: duplicate callback id not allowed"


def test_capabilities_and_secrets_have_ids_of_their_own():
    program = Program()
    error = program.buffer(128)
    program.env("call_capability", *program.message(capability(7)), error, 128)
    program.env("get_secrets", *program.message(sdk_pb2.GetSecretsRequest(callback_id=7)), error, 128)
    assert run(program, Host()).results[:2] == [0, 0]


def test_a_refused_duplicate_leaks_no_slot():
    program = Program()
    error, out = program.buffer(128), program.buffer(128)
    first, second = program.message(capability(1)), program.message(capability(2))
    program.env("call_capability", *first, error, 128)
    for _ in range(10):
        program.env("call_capability", *first, error, 128)
    program.env("await_capabilities", *program.message(awaited(1)), out, 128)
    last = program.env("call_capability", *second, error, 128)
    assert run(program, Host(), calls_in_flight_max=1).results[last] == 0


@pytest.mark.parametrize(
    ("ids", "named"), [((9,), 9), ((1, 9), 9), ((1, 1), 1)], ids=["unknown", "later one unknown", "named twice"]
)
def test_an_await_that_cannot_succeed_consumes_nothing(ids, named):
    program = Program()
    error, out = program.buffer(128), program.buffer(128)
    program.env("call_capability", *program.message(capability(1)), error, 128)
    failing = program.env("await_capabilities", *program.message(awaited(*ids)), error, 128)
    working = program.env("await_capabilities", *program.message(awaited(1)), out, 128)
    taken = program.env("await_capabilities", *program.message(awaited(1)), out, 128)
    reply = run(program, Host())
    assert reply.text(failing, error) == f"failed to get call from store : {named}"
    assert reply.results[working] > 0
    assert reply.results[taken] < 0


def test_an_answer_that_is_too_big_for_the_buffer_can_be_taken_with_a_larger_one():
    program = Program()
    error, out = program.buffer(128), program.buffer(1024)
    program.env("call_capability", *program.message(capability(1)), error, 128)
    small = program.env("await_capabilities", *program.message(awaited(1)), error, 100)
    large = program.env("await_capabilities", *program.message(awaited(1)), out, 1024)
    reply = run(program, Host(lambda request: sdk_pb2.CapabilityResponse(error="e" * 500)))
    assert reply.text(small, error) == "response buffer too small"
    assert reply.results[large] > 500


def test_a_buffer_that_holds_the_answer_and_not_the_message_around_it_is_too_small():
    program, answer = Program(), sdk_pb2.CapabilityResponse(error="e" * 100)
    whole = sdk_pb2.AwaitCapabilitiesResponse(responses={1: answer}).ByteSize()
    error, out = program.buffer(64), program.buffer(256)
    program.env("call_capability", *program.message(capability(1)), error, 64)
    small = program.env("await_capabilities", *program.message(awaited(1)), out, whole - 1)
    exact = program.env("await_capabilities", *program.message(awaited(1)), out, whole)
    reply = run(program, Host(lambda request: answer))
    assert answer.ByteSize() < whole
    assert reply.results[small] == -len("response buffer too small")
    assert reply.results[exact] == whole


def test_an_answer_of_nothing_is_a_message_for_which_there_must_be_room():
    program = Program()
    program.env("call_capability", *program.message(capability(1)), program.buffer(64), 64)
    program.env("await_capabilities", *program.message(awaited(1)), program.buffer(64), 0)
    with pytest.raises(GuestFault, match="no memory for an error text: response buffer too small"):
        run(program, Host(lambda request: sdk_pb2.CapabilityResponse()))


@pytest.mark.parametrize(("out", "out_max"), [(MEMORY_BYTES - 8, 9), (MEMORY_BYTES - 8, 2147483647)])
def test_a_buffer_that_leaves_memory_gets_what_fits_of_the_error(out, out_max):
    program = Program()
    program.env("call_capability", *program.message(capability(1)), program.buffer(8), 8)
    call = program.env("await_capabilities", *program.message(awaited(1)), out, out_max)
    # Not -0 and not a positive number: the guest must see a failure.
    assert run(program, Host()).results[call] == -8


@pytest.mark.parametrize(
    ("out", "out_max"),
    [(65536, 0), (-5, 100), (65536, -5), (MEMORY_BYTES, 10), (2147483647, 2147483647)],
    ids=["no room", "negative pointer", "negative size", "behind the end", "far behind"],
)
@pytest.mark.parametrize("name", ["call_capability", "await_capabilities", "get_secrets", "await_secrets"])
def test_a_failure_that_cannot_be_told_ends_the_run(name, out, out_max):
    program = Program()
    program.env(name, *program.put(b"\xff\xff"), out, out_max)
    with pytest.raises(GuestFault, match="no memory for an error text"):
        run(program)


@pytest.mark.parametrize(("pointer", "size"), [(-1, 4), (4, -1), (MEMORY_BYTES, 4), (100, 0)])
def test_the_first_form_has_no_room_for_an_error_where_there_is_no_request(pointer, size):
    program = Program(form=1)
    program.env("call_capability", 100, 0)  # the empty request is one, with the id 0
    program.env("call_capability", pointer, size)
    with pytest.raises(GuestFault, match="no memory for an error text"):
        run(program, Host())


def test_the_first_form_reads_no_more_memory_than_there_is_and_says_so_in_what_there_is():
    program = Program(form=1)
    call = program.env("call_capability", MEMORY_BYTES - 8, 9)
    assert run(program, Host()).results[call] == -8


def test_a_fetch_that_fails_as_a_whole_is_told_at_the_await():
    class Closed(Host):
        def get_secrets(self, request):
            raise Unavailable("SR-TEST-001", "the vault is away")

    program = Program()
    error = program.buffer(128)
    program.env("get_secrets", *program.message(sdk_pb2.GetSecretsRequest(callback_id=2)), error, 128)
    call = program.env("await_secrets", *program.message(awaited(2)), error, 128)
    assert run(program, Closed()).text(call, error) == "failed to get secrets for call 2: the vault is away"


def test_a_helper_that_raises_tells_the_guest_only_the_kind_of_error():
    def broken(request):
        raise ValueError("s3cret")

    program = Program()
    error, out = program.buffer(64), program.buffer(128)
    program.env("call_capability", *program.message(capability(1)), error, 64)
    call = program.env("await_capabilities", *program.message(awaited(1)), out, 128)
    reply = run(program, Host(broken))
    response = sdk_pb2.AwaitCapabilitiesResponse.FromString(reply.buffer(out, reply.results[call]))
    assert response.responses[1].error == "internal error (ValueError)"


def test_an_empty_answer_at_the_very_end_of_memory_is_no_failure():
    program = Program()
    request = program.message(awaited())
    calls = [program.env(f"await_{kind}", *request, MEMORY_BYTES, 0) for kind in ("capabilities", "secrets")]
    assert [run(program).results[at] for at in calls] == [0, 0]


@pytest.mark.parametrize("first", [1, 2])
def test_answers_that_come_together_can_be_taken_one_after_the_other(first):
    program, there = Program(), threading.Event()
    error, big = program.buffer(64), MEMORY_BYTES * 2 // 3
    for call_id in (1, 2):
        program.env("call_capability", *program.message(capability(call_id)), error, 64)
    awaits = [
        program.env("await_capabilities", *program.message(awaited(n)), 80_000, MEMORY_BYTES - 80_000) for n in (1, 2)
    ]

    def answer(request):
        if request.callback_id != first:
            there.wait(10)
        else:
            there.set()
        return sdk_pb2.CapabilityResponse(error="x" * big)

    reply = run(program, Host(answer), memory_bytes_max=MEMORY_BYTES)
    assert all(reply.results[at] > big for at in awaits), "both fit, one at a time"


def test_a_run_whose_unawaited_answers_fill_the_runner_ends_as_no_fault_of_its_guest(monkeypatch):
    monkeypatch.setattr("strongroom.guest.runner.calls.RESPONSE_BYTES_MAX", 1)
    program = Program()
    error, size = program.buffer(64), MEMORY_BYTES // 2
    for call_id in range(3):
        program.env("call_capability", *program.message(capability(call_id)), error, 64)
    for call_id in (2, 1, 0):
        program.env("await_capabilities", *program.message(awaited(call_id)), 100_000, MEMORY_BYTES - 100_000)
    host = Host(lambda request: sdk_pb2.CapabilityResponse(error="x" * size))
    with pytest.raises(Internal, match="left no room for that of call"):
        run(program, host, memory_bytes_max=MEMORY_BYTES, calls_in_flight_max=1)


@pytest.mark.parametrize(("room", "text"), [(1, "?"), (2, "é"), (3, "éa"), (4, "éa"), (5, "éaé")])
def test_an_error_text_is_cut_between_characters_and_is_never_nothing(monkeypatch, room, text):
    program = Program()
    error = program.buffer(64)
    call = program.env("await_secrets", *program.message(sdk_pb2.AwaitSecretsRequest(ids=[1])), error, room)
    # Every text of ours begins with letters of one byte, those of helpers come after them.
    monkeypatch.setattr("strongroom.guest.runner.env_imports._AwaitError.__str__", lambda _: "éaé", raising=False)
    assert run(program).text(call, error) == text


@pytest.mark.parametrize("name", ["await_capabilities", "await_secrets"])
def test_a_buffer_that_leaves_memory_is_refused_although_the_answer_is_short(name):
    program = Program()
    error, out = program.buffer(64), MEMORY_BYTES - 128
    program.env("call_capability", *program.message(capability(1)), error, 64)
    program.env("get_secrets", *program.message(sdk_pb2.GetSecretsRequest(callback_id=1)), error, 64)
    call = program.env(name, *program.message(awaited(1)), out, 129)
    there = program.env(name, *program.message(awaited(1)), out, 128)
    reply = run(program, Host())
    assert reply.results[call] == -len("out of bounds memory access"), "all of the buffer must exist"
    assert reply.results[there] > 0, "and nothing was consumed"
