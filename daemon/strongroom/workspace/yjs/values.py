"""Values of lib0's kind "any": JSON, and beyond it undefined, bytes and 64-bit integers.

In Python: None, bool, int, float, str, bytes, list, dict with str keys; ``UNDEFINED``; ``BigInt``. A number without
fraction and below 2^31 is an integer on the wire whatever its Python type, because JavaScript has one type for both.
"""

import math
import struct
from collections.abc import Mapping
from enum import Enum
from typing import Final

from strongroom.workspace.yjs import faults
from strongroom.workspace.yjs.lib0 import (
    Reader,
    long_uint,
    write_bytes,
    write_negative_zero,
    write_sint,
    write_text,
    write_uint,
)
from strongroom.workspace.yjs.limits import NESTING_MAX

__all__ = ["UNDEFINED", "BigInt", "Undefined", "Value", "read_value", "skip_values", "write_value"]

_UNDEFINED, _NULL, _INTEGER, _FLOAT32, _FLOAT64, _BIGINT, _FALSE, _TRUE, _STRING, _OBJECT, _ARRAY, _BYTES = range(
    127, 115, -1
)
_INTEGER_MAX: Final = 2**31 - 1
_FIXED: Final = {_UNDEFINED: 0, _NULL: 0, _FALSE: 0, _TRUE: 0, _FLOAT32: 4, _FLOAT64: 8, _BIGINT: 8}
"""Tags whose value has a fixed number of bytes."""
_FLOATS: Final = {_FLOAT32: ">f", _FLOAT64: ">d"}
_WITH_LENGTH: Final = frozenset((_STRING, _BYTES))
_NESTED: Final = frozenset((_OBJECT, _ARRAY))


class Undefined(Enum):
    """JavaScript's undefined, which differs from null."""

    UNDEFINED = "undefined"


UNDEFINED: Final = Undefined.UNDEFINED


class BigInt(int):
    """A JavaScript BigInt of 64 bits, which differs from a number of the same size."""


Value = object
"""One of the types that the docstring of this module lists."""


def write_value(out: bytearray, value: Value, depth: int = 0) -> None:
    """Append ``value``. Objects keep the order of their members.

    Raises SR-WS-042 for what the format cannot carry: other types, keys that are no text, whole numbers that a float
    cannot hold exactly, and nesting beyond ``NESTING_MAX``.
    """
    if depth > NESTING_MAX:
        raise faults.value_unsuited(f"it is nested more than {NESTING_MAX} deep")
    if isinstance(value, str):
        out.append(_STRING)
        write_text(out, value)
    elif isinstance(value, bool):
        out.append(_TRUE if value else _FALSE)
    elif isinstance(value, BigInt):
        out.append(_BIGINT)
        try:
            out += int(value).to_bytes(8, "big", signed=True)
        except OverflowError:
            raise faults.value_unsuited("a BigInt has more than 64 bits") from None
    elif isinstance(value, int | float):
        _write_number(out, value)
    elif isinstance(value, Mapping):
        out.append(_OBJECT)
        write_uint(out, len(value))
        for key, member in value.items():
            if not isinstance(key, str):
                raise faults.value_unsuited("the name of a member is no text")
            write_text(out, key)
            write_value(out, member, depth + 1)
    elif isinstance(value, bytes):
        out.append(_BYTES)
        write_bytes(out, value)
    elif isinstance(value, list | tuple):
        out.append(_ARRAY)
        write_uint(out, len(value))
        for item in value:
            write_value(out, item, depth + 1)
    elif value is None or value is UNDEFINED:
        out.append(_NULL if value is None else _UNDEFINED)
    else:
        raise faults.value_unsuited(f"its type is {type(value).__name__}")


def _write_number(out: bytearray, value: float) -> None:
    if -_INTEGER_MAX <= value <= _INTEGER_MAX and value == int(value):
        out.append(_INTEGER)
        if value == 0 and math.copysign(1, value) < 0:
            write_negative_zero(out)
        else:
            write_sint(out, int(value))
        return
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if number != value and not math.isnan(number):
        raise faults.value_unsuited("a whole number is too large for a JavaScript number to hold exactly")
    if math.isnan(number):
        out += b"\x7b\x7f\xf8\x00\x00\x00\x00\x00\x00"
        return
    try:
        short = struct.pack(">f", number)
        exact = struct.unpack(">f", short)[0] == number
    except OverflowError:
        exact = False
    if exact:
        out.append(_FLOAT32)
        out += short
    else:
        out.append(_FLOAT64)
        out += struct.pack(">d", number)


def read_value(reader: Reader, depth: int = 0) -> Value:
    """The value where ``reader`` stands. Members keep their order; of a name that stands twice the last one counts."""
    if depth > NESTING_MAX:
        raise faults.too_many("levels of nesting", depth, NESTING_MAX)
    tag = reader.byte()
    if tag == _STRING:
        return reader.text("a value")
    if tag == _INTEGER:
        magnitude, negative = reader.sint()
        if negative:
            return -magnitude if magnitude else -0.0
        return magnitude
    if tag == _BYTES:
        return reader.bytes("a value")
    if tag == _OBJECT:
        members: dict[str, Value] = {}
        for _ in range(reader.uint()):
            name = reader.text("the name of a member")
            members[name] = read_value(reader, depth + 1)
        return members
    if tag == _ARRAY:
        return [read_value(reader, depth + 1) for _ in range(reader.uint())]
    return _read_fixed(reader, tag)


def _read_fixed(reader: Reader, tag: int) -> Value:
    if tag not in _FIXED:
        raise faults.unknown_kind("tag of a value", tag)
    raw = reader.take(_FIXED[tag], "a value")
    if tag in _FLOATS:
        number: float = struct.unpack(_FLOATS[tag], raw)[0]
        return number
    if tag == _BIGINT:
        return BigInt(int.from_bytes(raw, "big", signed=True))
    return {_NULL: None, _UNDEFINED: UNDEFINED, _FALSE: False, _TRUE: True}[tag]


def skip_values(data: bytes, pos: int, count: int) -> int:
    """The position behind ``count`` values at ``pos``: checks all that ``read_value`` checks, and makes nothing.

    This loop meets every value of every update from outside, so it handles one-byte lengths in line and has a stack of
    its own in place of recursion.
    """
    size = len(data)
    levels: list[tuple[int, bool]] = []
    left, named = count, False
    try:
        while True:
            if not left:
                if not levels:
                    break
                left, named = levels.pop()
                continue
            left -= 1
            if named:
                length = data[pos]
                pos += 1
                if length > 0x7F:
                    length, pos = long_uint(data, pos - 1)
                start, pos = pos, pos + length
                text = data[start:pos]
                if not text.isascii():
                    text.decode()
            tag = data[pos]
            pos += 1
            if tag in _WITH_LENGTH:
                length = data[pos]
                pos += 1
                if length > 0x7F:
                    length, pos = long_uint(data, pos - 1)
                start, pos = pos, pos + length
                if pos > size:
                    break
                if tag == _STRING:
                    text = data[start:pos]
                    if not text.isascii():
                        text.decode()
            elif tag in _FIXED:
                pos += _FIXED[tag]
            elif tag in _NESTED:
                length = data[pos]
                pos += 1
                if length > 0x7F:
                    length, pos = long_uint(data, pos - 1)
                if len(levels) >= NESTING_MAX and length:
                    raise faults.too_many("levels of nesting", len(levels) + 1, NESTING_MAX)
                levels.append((left, named))
                left, named = length, tag == _OBJECT
            elif tag == _INTEGER:
                if data[pos] < 0x80:
                    pos += 1
                else:
                    reader = Reader(data, pos)
                    reader.sint()
                    pos = reader.pos
            else:
                raise faults.unknown_kind("tag of a value", tag)
    except IndexError:
        raise faults.truncated("a value") from None
    except UnicodeDecodeError:
        # A text that ends behind the data is cut short before it is wrong.
        raise (faults.truncated if pos > size else faults.bad_text)("a value") from None
    if pos > size:
        raise faults.truncated("a value")
    return pos
