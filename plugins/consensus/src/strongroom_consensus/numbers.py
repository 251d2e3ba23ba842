"""Which of two numbers is less, by value: 10 × 10^0 and 1 × 10^1 are the same decimal.

Exponents have 32 bits, so a number is never written out before it is known to be small: magnitudes decide first.
"""

import math
from collections.abc import Callable, Mapping
from functools import cmp_to_key
from typing import Any, Final

from strongroom.plugin.messages import values_pb2
from strongroom_consensus.failures import failed
from strongroom_consensus.limits import NUMBER_BYTES_MAX

__all__ = ["NUMBERS", "in_order"]

BITS_PER_DIGIT: Final = math.log2(10)


def in_order(kind: str, untrusted: list[values_pb2.Value]) -> list[values_pb2.Value]:
    """The values of one kind, least first; equal ones by their bytes, so that the order is the same everywhere."""
    by_bytes = sorted(untrusted, key=lambda value: value.SerializeToString(deterministic=True))
    return sorted(by_bytes, key=NUMBERS[kind])


def _float(value: values_pb2.Value) -> tuple[bool, float]:
    """What is not a number comes before all numbers."""
    number = value.float64_value
    return (False, 0.0) if math.isnan(number) else (True, number)


def _integer(value: values_pb2.BigInt) -> int:
    """The integer. A sign below zero makes it negative; zero has no digits."""
    if len(value.abs_val) > NUMBER_BYTES_MAX:
        raise failed(f"a number of {len(value.abs_val)} bytes is more than {NUMBER_BYTES_MAX}")
    magnitude = int.from_bytes(value.abs_val, "big")
    return -magnitude if value.sign < 0 else magnitude


def _compare_decimals(left: tuple[int, int], right: tuple[int, int]) -> int:
    """Below, at or above zero. Each is (coefficient, exponent)."""
    (a, exponent_a), (b, exponent_b) = left, right
    sign_a, sign_b = (a > 0) - (a < 0), (b > 0) - (b < 0)
    if sign_a != sign_b or sign_a == 0:
        return sign_a - sign_b
    if exponent_a < exponent_b:
        return -_compare_decimals(right, left)
    shift = exponent_a - exponent_b
    if shift * BITS_PER_DIGIT > abs(b).bit_length() + 1:
        return sign_a  # the shift alone is more than all of b
    scaled: int = a * 10**shift
    return (scaled > b) - (scaled < b)


_by_decimal: Final = cmp_to_key(_compare_decimals)


def _decimal(value: values_pb2.Value) -> Any:
    """What decimals are sorted by. Any: the type of keys of ``cmp_to_key`` has no name."""
    return _by_decimal((_integer(value.decimal_value.coefficient), value.decimal_value.exponent))


NUMBERS: Final[Mapping[str, Callable[[values_pb2.Value], Any]]] = {
    "int64_value": lambda value: value.int64_value,
    "uint64_value": lambda value: value.uint64_value,
    "float64_value": _float,
    "decimal_value": _decimal,
    "bigint_value": lambda value: _integer(value.bigint_value),
    "time_value": lambda value: (value.time_value.seconds, value.time_value.nanos),
}
"""Kind of a value to what it is sorted by. Any: each kind has its own."""
