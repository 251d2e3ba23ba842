"""Numbers, texts and values on the wire: known bytes, round trips, and what is refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.errors import InvalidInput, LimitExceeded, StrongroomError
from strongroom.workspace.yjs import json_text
from strongroom.workspace.yjs.lib0 import Reader, utf8, utf16_length, write_sint, write_text, write_uint
from strongroom.workspace.yjs.limits import INTEGER_MAX, JSON_LENGTH_MAX, NESTING_MAX
from strongroom.workspace.yjs.values import UNDEFINED, BigInt, read_value, skip_values, write_value


def written(value):
    out = bytearray()
    write_value(out, value)
    return bytes(out)


def number(write, *value, **sign):
    out = bytearray()
    write(out, *value, **sign)
    return out.hex()


@pytest.mark.parametrize(
    ("value", "wire"),
    [(0, "00"), (127, "7f"), (128, "8001"), (16383, "ff7f"), (16384, "808001"), (INTEGER_MAX, "ffffffffffffff0f")],
)
def test_a_varuint_has_seven_bits_a_byte(value, wire):
    assert number(write_uint, value) == wire
    assert Reader(bytes.fromhex(wire)).uint() == value


@pytest.mark.parametrize(
    ("value", "wire"), [(0, "00"), (63, "3f"), (-1, "41"), (-63, "7f"), (64, "8001"), (-64, "c001"), (8191, "bf7f")]
)
def test_a_signed_varint_has_six_bits_and_a_sign_in_its_first_byte(value, wire):
    assert number(write_sint, value) == wire
    assert Reader(bytes.fromhex(wire)).sint() == (abs(value), value < 0)


def test_minus_zero_differs_from_zero():
    assert number(write_sint, 0, negative=True) == "40"
    assert Reader(b"\x40").sint() == (0, True)


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        ("", "SR-WS-030"),
        ("80", "SR-WS-030"),
        ("8000", "SR-WS-045"),
        ("ffffffffffffff1f", "SR-WS-035"),
        ("ffffffffffffffffff01", "SR-WS-035"),
    ],
    ids=["nothing", "cut", "longer than needed", "above 53 bits", "above 64 bits"],
)
def test_a_number_that_no_peer_writes_is_refused(wire, code):
    with pytest.raises(InvalidInput) as refused:
        Reader(bytes.fromhex(wire)).uint()
    assert refused.value.code == code


def test_a_signed_number_that_no_peer_writes_is_refused():
    for wire, code in (("8000", "SR-WS-045"), ("80ffffffffffffff0f", "SR-WS-035"), ("80", "SR-WS-030")):
        with pytest.raises(InvalidInput) as refused:
            Reader(bytes.fromhex(wire)).sint()
        assert refused.value.code == code


def test_the_length_of_a_text_counts_utf_16_units():
    assert [utf16_length(text) for text in ("", "a", "ü", "日", "😀", "a😀b", "\ud83d")] == [0, 1, 1, 1, 2, 4, 1]


def test_half_a_sign_becomes_the_replacement_character_and_two_halves_become_one_sign():
    assert utf8("a\ud83d").decode() == "a\ufffd"
    assert utf8("\ude00\ud83d").decode() == "\ufffd\ufffd"
    assert utf8("\ud83d\ude00") == "😀".encode()


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        (UNDEFINED, "7f"),
        (None, "7e"),
        (True, "78"),
        (False, "79"),
        (0, "7d00"),
        (-0.0, "7d40"),
        (1.0, "7d01"),
        (2**31 - 1, "7dbfffffff0f"),
        (-(2**31 - 1), "7dffffffff0f"),
        (2**31, "7c4f000000"),
        (0.5, "7c3f000000"),
        (math.inf, "7c7f800000"),
        (math.nan, "7b7ff8000000000000"),
        (0.1, "7b3fb999999999999a"),
        (1767227000000, "7b4279b76f004c0000"),
        (BigInt(-1), "7affffffffffffffff"),
        ("ü", "7702c3bc"),
        (b"\x01\x02", "74020102"),
        ([None], "75017e"),
        ({"b": 1, "a": 2}, "76020162" + "7d01" + "0161" + "7d02"),
    ],
)
def test_a_value_has_the_bytes_that_lib0_writes(value, wire):
    assert written(value).hex() == wire
    assert skip_values(bytes.fromhex(wire), 0, 1) == len(wire) // 2
    back = read_value(Reader(bytes.fromhex(wire)))
    assert str(back) == str(value) or back == value


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.just(UNDEFINED)
    | st.integers(-INTEGER_MAX, INTEGER_MAX)
    | st.floats(allow_nan=False)
    | st.integers(-(2**63), 2**63 - 1).map(BigInt)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abü😀", max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_every_value_comes_back(value):
    data = written(value)
    assert read_value(Reader(data)) == value
    assert written(read_value(Reader(data))) == data
    assert skip_values(b"\xff" + data + b"\xff", 1, 1) == len(data) + 1


def outcome(call):
    try:
        return call()
    except StrongroomError as refused:
        return refused.code


@given(st.binary(max_size=40) | VALUES.map(written), st.integers(0, 60), st.integers(0, 255))
def test_skipping_and_reading_agree_about_every_byte_string(data, place, byte):
    data = data[:place] + bytes([byte]) + data[place + 1 :]

    def read():
        reader = Reader(data)
        read_value(reader)
        return reader.pos

    assert outcome(lambda: skip_values(data, 0, 1)) == outcome(read)


@pytest.mark.parametrize("value", [object(), {1: 2}, 2**53 + 1, 10**400, BigInt(2**63), {"a": {1, 2}}, bytearray(b"x")])
def test_a_value_that_the_format_cannot_carry_is_refused(value):
    with pytest.raises(InvalidInput, match="cannot be written into a Yjs document") as refused:
        written(value)
    assert refused.value.code == "SR-WS-042"


def test_nesting_has_a_limit_in_every_direction():
    deep: object = None
    for _ in range(NESTING_MAX):
        deep = [deep]
    assert read_value(Reader(written(deep))) == deep
    assert skip_values(written(deep), 0, 1)
    with pytest.raises(InvalidInput, match="nested more than"):
        written([deep])
    too_deep = b"\x75\x01" * 200_000 + b"\x7e"
    for read in (lambda: skip_values(too_deep, 0, 1), lambda: read_value(Reader(too_deep))):
        with pytest.raises(LimitExceeded, match="levels of nesting"):
            read()
    for text in ("[" * 200_000, '{"a":' * 200_000, '"' * 200_001 + "[" * 200):
        with pytest.raises(StrongroomError) as refused:
            json_text.parse(text)
        assert refused.value.code in {"SR-WS-034", "SR-WS-038"}


@pytest.mark.parametrize(
    "text", ["", "x", "{", "NaN", "Infinity", "'a'", '{"a":1,}', "01", "1.", '"\u0001"', "[1] 2", "\ufeff1"]
)
def test_what_is_no_json_is_refused(text):
    with pytest.raises(InvalidInput) as refused:
        json_text.parse(text)
    assert refused.value.code == "SR-WS-038"


def test_a_json_text_has_a_limit():
    with pytest.raises(LimitExceeded, match="a JSON text in the update has") as refused:
        json_text.parse("1" * (JSON_LENGTH_MAX + 1))
    assert refused.value.code == "SR-WS-033"


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ('{"b":1,"10":2,"9":3,"a":{"01":4}}', '{"9":3,"10":2,"b":1,"a":{"01":4}}'),
        (
            "[1e21,1e20,123456789012345680000,1e-6,1e-7,-0,1.50,5e-324]",
            "[1e+21,100000000000000000000,123456789012345680000,0.000001,1e-7,0,1.5,5e-324]",
        ),
        ("[1e400,9007199254740993]", "[null,9007199254740992]"),
        (r'"\u00fc\ud83d\ude00\/\u0001\u2028\ud800"', '"ü😀/\\u0001\u2028\\ud800"'),
    ],
    ids=["order of members", "digits", "rounding", "escapes"],
)
def test_json_is_written_again_as_javascript_does(text, again):
    assert json_text.stringify(json_text.parse(text)) == again


def test_what_json_has_no_words_for_is_written_as_javascript_does():
    assert json_text.stringify({"a": UNDEFINED, "b": [UNDEFINED, math.nan], "c": b"\x01\x02"}) == (
        '{"b":[null,null],"c":{"0":1,"1":2}}'
    )
    for value in (BigInt(1), UNDEFINED):
        with pytest.raises(InvalidInput) as refused:
            json_text.stringify(value)
        assert refused.value.code == "SR-WS-042"


def test_a_text_that_is_not_utf_8_is_refused():
    out = bytearray()
    write_text(out, "ü")
    with pytest.raises(InvalidInput, match="the text of a name is not UTF-8"):
        Reader(bytes(out[:1]) + b"\xff\xff").text("a name")
