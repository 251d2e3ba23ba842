"""The protobuf code of the C guests against the protobuf library, and against bytes that are not protobuf at all.

Input and output each end at a page that may not be touched: one byte too far is a crash of this test, not luck.
"""

import ctypes
import json
import mmap

import pytest
from google.protobuf.empty_pb2 import Empty
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.values.v1 import values_pb2
from tests.guests.build import built
from tools.build_guests import HEADERS, compile_c

PAGE = mmap.PAGESIZE
ROOM = 64 * PAGE
TYPES = {
    values_pb2.Value: 1,
    sdk_pb2.ExecuteRequest: 6,
    sdk_pb2.ExecutionResult: 8,
    sdk_pb2.CapabilityRequest: 11,
    sdk_pb2.AwaitCapabilitiesResponse: 13,
    sdk_pb2.SecretResponses: 15,
}


def varint(number):
    return bytes([number & 0x7F | 0x80]) + varint(number >> 7) if number >= 0x80 else bytes([number])


class Fenced:
    """``ROOM`` bytes of memory with a forbidden page behind them."""

    def __init__(self):
        self.memory = mmap.mmap(-1, ROOM + PAGE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.end = start + ROOM
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.mprotect(ctypes.c_void_p(self.end), ctypes.c_size_t(PAGE), 0) == 0


class Native:
    """The C functions, called with input and output against the fence."""

    def __init__(self, path):
        self.library = ctypes.CDLL(str(path))
        self.input, self.output = Fenced(), Fenced()

    def call(self, name, number, data, *, room=ROOM):
        function = getattr(self.library, name)
        function.restype = ctypes.c_int64
        function.argtypes = [ctypes.c_uint32, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t]
        at = self.input.end - len(data)
        ctypes.memmove(at, data, len(data))
        out = self.output.end - room
        size = function(number, at, len(data), out, room)
        return None if size < 0 else ctypes.string_at(out, size)


def compile_native(path):
    flags = ["-O1", "-g0", "-fsanitize=undefined", "-fsanitize-trap=undefined", "-fvisibility=hidden", "-std=c11"]
    compile_c(["-shared", "-fPIC", *flags, "-Wall", "-Wextra", "-Werror", "-o", str(path), f"{HEADERS}/fuzz.c"])


@pytest.fixture(scope="module")
def native():
    return Native(built("fuzz.so", compile_native))


int64 = st.integers(-(2**63), 2**63 - 1)
uint64 = st.integers(0, 2**64 - 1)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
bigint = st.builds(values_pb2.BigInt, abs_val=st.binary(max_size=40), sign=st.integers(-1, 1))
leaf = st.one_of(
    st.builds(values_pb2.Value),
    st.builds(lambda v: values_pb2.Value(string_value=v), text),
    st.builds(lambda v: values_pb2.Value(bool_value=v), st.booleans()),
    st.builds(lambda v: values_pb2.Value(bytes_value=v), st.binary(max_size=300)),
    st.builds(lambda v: values_pb2.Value(int64_value=v), int64),
    st.builds(lambda v: values_pb2.Value(uint64_value=v), uint64),
    st.builds(lambda v: values_pb2.Value(float64_value=v), st.floats()),
    st.builds(lambda v: values_pb2.Value(bigint_value=v), bigint),
    st.builds(
        lambda c, e: values_pb2.Value(decimal_value=values_pb2.Decimal(coefficient=c, exponent=e)),
        bigint,
        st.integers(-(2**31), 2**31 - 1),
    ),
)
value = st.recursive(
    leaf,
    lambda inner: st.one_of(
        st.builds(lambda v: values_pb2.Value(list_value=values_pb2.List(fields=v)), st.lists(inner, max_size=4)),
        st.builds(
            lambda v: values_pb2.Value(map_value=values_pb2.Map(fields=v)), st.dictionaries(text, inner, max_size=4)
        ),
    ),
    max_leaves=12,
)
packed = st.builds(lambda t, v: {"type_url": t, "value": v}, text, st.binary(max_size=300))
event = st.builds(lambda n, a: {"id": n, "payload": a}, uint64, packed)
subscription = st.fixed_dictionaries({"id": text, "payload": packed, "method": text, "pre_hook": st.booleans()})
place = st.fixed_dictionaries({"id": text, "namespace": text, "owner": text})
int32 = st.integers(-(2**31), 2**31 - 1)


def one_of(field, strategy):
    return strategy.map(lambda drawn: {field: drawn})


def message_of(kind, **fields):
    return st.fixed_dictionaries({}, optional=fields).map(lambda drawn: kind(**drawn))


response = st.one_of(one_of("payload", packed), one_of("error", text)).map(lambda r: sdk_pb2.CapabilityResponse(**r))
secret = place.flatmap(lambda p: st.one_of(text.map(lambda v: {"secret": {**p, "value": v}}), st.just({"error": p})))
message = st.one_of(
    value,
    st.just(sdk_pb2.ExecuteRequest(subscribe={})),
    message_of(sdk_pb2.ExecuteRequest, config=st.binary(), trigger=event, max_response_size=uint64),
    message_of(sdk_pb2.ExecuteRequest, config=st.binary(), pre_hook=event),
    message_of(sdk_pb2.ExecutionResult, value=value),
    message_of(sdk_pb2.ExecutionResult, error=text),
    message_of(
        sdk_pb2.ExecutionResult, trigger_subscriptions=one_of("subscriptions", st.lists(subscription, max_size=4))
    ),
    message_of(sdk_pb2.CapabilityRequest, id=text, payload=packed, method=text, callback_id=int32),
    message_of(sdk_pb2.AwaitCapabilitiesResponse, responses=st.dictionaries(int32, response, max_size=4)),
    message_of(sdk_pb2.SecretResponses, responses=st.lists(secret, max_size=4)),
)


@settings(max_examples=400, deadline=None)
@given(message=message)
def test_what_the_library_writes_the_guest_reads_and_writes_again(native, message):
    encoded = message.SerializeToString(deterministic=True)
    number = TYPES[type(message)]
    assert native.call("fuzz_copy", number, encoded) == encoded
    if encoded:
        assert native.call("fuzz_copy", number, encoded, room=len(encoded) - 1) is None


@settings(max_examples=150, deadline=None)
@given(message=message, data=st.data())
def test_every_cut_is_an_error_or_a_shorter_message(native, message, data):
    encoded = message.SerializeToString(deterministic=True)
    cut = encoded[: data.draw(st.integers(0, max(0, len(encoded) - 1)))]
    copied = native.call("fuzz_copy", TYPES[type(message)], cut)
    assert copied in {None, cut}


@settings(max_examples=150, deadline=None)
@given(message=message, data=st.data())
def test_a_flipped_bit_never_leads_astray(native, message, data):
    encoded = bytearray(message.SerializeToString(deterministic=True) or b"\0")
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    copied = native.call("fuzz_copy", TYPES[type(message)], bytes(encoded))
    if copied is not None:
        assert native.call("fuzz_copy", TYPES[type(message)], copied) == copied


@settings(max_examples=400, deadline=None)
@given(data=st.binary(max_size=200), number=st.integers(0, 20))
def test_bytes_that_are_no_message_are_an_error_or_a_message(native, data, number):
    copied = native.call("fuzz_copy", number, data)
    if copied is not None:
        assert len(copied) <= len(data), "a copy is at most as long: it is in the shortest form"
    native.call("fuzz_find", number, data)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=60))
def test_what_the_guest_takes_for_a_message_the_library_takes_too(native, data):
    if native.call("fuzz_copy", 0, data) is not None:
        Empty.FromString(data)


@pytest.mark.parametrize(
    "data",
    [
        bytes([0x08]) + b"\xff" * 9 + b"\x02",
        bytes([0x08]) + b"\x80" * 10 + b"\x01",
        b"\x0a\x05abcd",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x00\x01",
        b"\x0b\x0c",
        b"\x0e",
        b"\x09\x01\x02",
        b"\x0d\x01\x02\x03",
        b"\x80\x80\x80\x80\x80\x01\x00",
    ],
    ids=[
        "varint above 64 bits",
        "varint of eleven bytes",
        "length beyond the end",
        "length near 2^64",
        "field number 0",
        "group",
        "wire type 6",
        "cut fixed64",
        "cut fixed32",
        "field number above 2^29",
    ],
)
def test_a_malformed_field_is_refused(native, data):
    assert native.call("fuzz_copy", 0, data) is None
    assert native.call("fuzz_find", 1, b"\x0a\x01x" + data) is None


def test_the_last_of_several_fields_wins(native):
    assert native.call("fuzz_find", 1, b"\x0a\x01x\x08\x05\x0a\x02yz\x12\x00") == b"yz"


def test_nesting_without_end_is_refused(native):
    nested = b""
    for level in range(80):
        nested = (b"\x2a" if level % 2 else b"\x12") + varint(len(nested)) + nested
    assert native.call("fuzz_copy", 1, nested) is None


@settings(max_examples=300, deadline=None)
@given(
    who=text,
    rest=st.dictionaries(text.filter(lambda key: key != "who"), st.integers(), max_size=3),
    plain=st.booleans(),
)
def test_a_json_string_is_read_as_json_reads_it(native, who, rest, plain):
    document = json.dumps({"who": who, **rest}, ensure_ascii=plain).encode()
    assert native.call("fuzz_json", 0, document) == who.encode()
    for end in range(len(b'{"who": "') + 1):
        assert native.call("fuzz_json", 0, document[:end]) is None


@settings(max_examples=300, deadline=None)
@given(rest=st.binary(max_size=60))
def test_text_that_is_no_json_is_an_error_or_a_string(native, rest):
    native.call("fuzz_json", 0, b'{"who":"' + rest)
    native.call("fuzz_json", 0, rest)
