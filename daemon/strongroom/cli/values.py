"""``values.v1.Value`` as JSON, for people and programs that do not speak protobuf.

Bytes are base64, times RFC 3339, decimals text so that no digit is lost, whole numbers JSON numbers of any length.
"""

import base64
import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from strongroom.pb.values.v1 import values_pb2

__all__ = ["rfc3339", "to_json"]

# Python refuses to print integers beyond some thousand digits, since that takes time square in their length.
INTEGER_BITS_MAX: Final = 8_192
EXPONENT_MAX: Final = 1_000


def to_json(value: values_pb2.Value) -> Any:  # Any: JSON
    """``value`` as what ``json.dumps`` takes. A value that says nothing is null."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "map_value":
        return {name: to_json(value.map_value.fields[name]) for name in sorted(value.map_value.fields)}
    if kind == "list_value":
        return [to_json(item) for item in value.list_value.fields]
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    if kind == "bigint_value":
        return _integer(value.bigint_value)
    if kind == "decimal_value":
        return _decimal(value.decimal_value)
    if kind == "time_value":
        return rfc3339(value.time_value)
    if kind == "float64_value":
        number = value.float64_value
        return number if math.isfinite(number) else str(number)
    return getattr(value, kind)


def rfc3339(time: Timestamp) -> str:
    """``time`` in UTC with 0, 3, 6 or 9 digits, as protobuf's JSON has it.

    What no calendar has is given as seconds and nanoseconds.
    """
    try:
        text = datetime.fromtimestamp(time.seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{time.seconds}s{time.nanos}ns"
    digits = f"{time.nanos:09}" if 0 <= time.nanos < 1_000_000_000 else ""
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{text}.{digits}Z" if digits else f"{text}Z"


def _big(value: values_pb2.BigInt) -> int:
    magnitude = int.from_bytes(value.abs_val, "big")
    return -magnitude if value.sign < 0 else magnitude


def _integer(value: values_pb2.BigInt) -> int | str:
    number = _big(value)
    return number if number.bit_length() <= INTEGER_BITS_MAX else hex(number)


def _decimal(value: values_pb2.Decimal) -> str:
    coefficient = _big(value.coefficient)
    if coefficient.bit_length() > INTEGER_BITS_MAX or abs(value.exponent) > EXPONENT_MAX:
        return f"{hex(coefficient)}*10**{value.exponent}"
    sign = 1 if coefficient < 0 else 0
    digits = tuple(int(digit) for digit in str(abs(coefficient)))
    return format(Decimal((sign, digits, value.exponent)), "f")
