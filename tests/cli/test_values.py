"""Values as JSON: nothing is lost, and nothing that a guest can return breaks the output."""

import json

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from strongroom.cli.values import to_json
from strongroom.pb.values.v1.values_pb2 import BigInt, Decimal, List, Map, Value


def big(number: int) -> BigInt:
    return BigInt(
        abs_val=abs(number).to_bytes((abs(number).bit_length() + 7) // 8, "big"), sign=(number > 0) - (number < 0)
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Value(), None),
        (Value(string_value="é\n"), "é\n"),
        (Value(bool_value=False), False),
        (Value(bytes_value=b"\0\xff"), "AP8="),
        (Value(int64_value=-(2**63)), -(2**63)),
        (Value(uint64_value=2**64 - 1), 2**64 - 1),
        (Value(float64_value=1.5), 1.5),
        (Value(float64_value=float("nan")), "nan"),
        (Value(float64_value=float("-inf")), "-inf"),
        (Value(bigint_value=big(-(2**200))), -(2**200)),
        (Value(bigint_value=big(0)), 0),
        (Value(decimal_value=Decimal(coefficient=big(12345), exponent=-2)), "123.45"),
        (Value(decimal_value=Decimal(coefficient=big(-5), exponent=3)), "-5000"),
        (Value(time_value=Timestamp(seconds=1_767_323_045, nanos=500_000_000)), "2026-01-02T03:04:05.500Z"),
        (Value(time_value=Timestamp(seconds=1_767_323_045)), "2026-01-02T03:04:05Z"),
        (Value(time_value=Timestamp(seconds=2**60, nanos=5)), f"{2**60}s5ns"),
        (Value(list_value=List(fields=[Value(bool_value=True), Value()])), [True, None]),
        (Value(map_value=Map(fields={"b": Value(int64_value=1), "a": Value()})), {"a": None, "b": 1}),
    ],
    ids=lambda item: str(item.WhichOneof("value")) if isinstance(item, Value) else "json",
)
def test_every_kind_of_value_has_its_json(value, expected):
    assert to_json(value) == expected
    json.dumps(to_json(value), allow_nan=False)


@pytest.mark.parametrize(
    "value",
    [
        Value(bigint_value=BigInt(abs_val=b"\xff" * 50_000, sign=1)),
        Value(decimal_value=Decimal(coefficient=BigInt(abs_val=b"\xff" * 50_000, sign=-1), exponent=1)),
        Value(decimal_value=Decimal(coefficient=big(1), exponent=2**31 - 1)),
        Value(decimal_value=Decimal(coefficient=big(1), exponent=-(2**31))),
    ],
    ids=["huge-integer", "huge-coefficient", "huge-exponent", "tiny-exponent"],
)
def test_a_number_that_no_one_can_print_is_still_json(value):
    assert len(json.dumps(to_json(value))) < 200_000
