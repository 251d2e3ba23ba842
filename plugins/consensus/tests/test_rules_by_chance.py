"""The rules against slow, obvious versions of themselves, over whatever hypothesis thinks of."""

from fractions import Fraction
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as some

from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import sdk_pb2, values_pb2
from strongroom_consensus.aggregate import aggregate
from strongroom_consensus.numbers import in_order

Value = values_pb2.Value
AGGREGATIONS = [sdk_pb2.ConsensusDescriptor(aggregation=number) for number in range(1, 6)]
COEFFICIENTS = some.integers(-(10**12), 10**12) | some.sampled_from([0, 1, -1, 10, 10**40])


def decimal(coefficient, exponent):
    size = (abs(coefficient).bit_length() + 7) // 8
    sign = (coefficient > 0) - (coefficient < 0)
    number = values_pb2.BigInt(abs_val=abs(coefficient).to_bytes(size, "big"), sign=sign)
    return Value(decimal_value=values_pb2.Decimal(coefficient=number, exponent=exponent))


def fraction(value):
    number = value.decimal_value.coefficient
    magnitude = int.from_bytes(number.abs_val, "big") * (-1 if number.sign < 0 else 1)
    return magnitude * Fraction(10) ** value.decimal_value.exponent


@given(some.lists(some.builds(decimal, COEFFICIENTS, some.integers(-60, 60)), min_size=1, max_size=8))
def test_decimals_are_in_the_order_of_their_values(values):
    ordered = [fraction(value) for value in in_order("decimal_value", values)]
    assert ordered == sorted(ordered)


LEAVES = some.one_of(
    some.builds(lambda n: Value(int64_value=n), some.integers(-2, 2)),
    some.builds(lambda t: Value(string_value=t), some.sampled_from(["", "a", "b"])),
    some.just(Value()),
)


def listed(values):
    made = Value()
    made.list_value.SetInParent()
    made.list_value.fields.extend(values)
    return made


LISTS = some.lists(some.builds(lambda n: Value(int64_value=n), some.integers(0, 1)), max_size=4).map(listed)
OBSERVATIONS = some.lists(LEAVES | LISTS | some.sampled_from(["an error", "another"]), max_size=6)


def outcome(observations, descriptor, default, faulty_max):
    try:
        result = aggregate(observations, descriptor, default, faulty_max=faulty_max)
        return result.SerializeToString(deterministic=True)
    except CapabilityError as error:
        return f"{error.name}: {error.message}"


@given(OBSERVATIONS, some.sampled_from(AGGREGATIONS), some.integers(0, 2), some.randoms())
def test_the_order_of_observers_means_nothing(observations, descriptor, faulty_max, chance):
    shuffled = list(observations)
    chance.shuffle(shuffled)
    assert outcome(observations, descriptor, None, faulty_max) == outcome(shuffled, descriptor, None, faulty_max)


@given(OBSERVATIONS, some.sampled_from(AGGREGATIONS), some.integers(0, 2))
def test_with_a_default_nothing_fails(observations, descriptor, faulty_max):
    default = Value(string_value="instead")
    found = outcome(observations, descriptor, None, faulty_max)
    expected = default.SerializeToString() if isinstance(found, str) else found
    assert outcome(observations, descriptor, default, faulty_max) == expected


@settings(max_examples=200)
@given(some.lists(LISTS, min_size=1, max_size=5), some.integers(0, 2))
def test_no_longer_beginning_is_shared_by_enough_lists(lists, faulty_max):
    threshold = faulty_max + 1
    if len(lists) < threshold:
        return
    found = aggregate(lists, AGGREGATIONS[2], None, faulty_max=faulty_max).list_value.fields
    longest = 0
    for chosen in combinations([value.list_value.fields for value in lists], threshold):
        shared = 0
        while all(len(one) > shared and one[shared] == chosen[0][shared] for one in chosen):
            shared += 1
        longest = max(longest, shared)
    assert len(found) == longest
    assert sum(list(value.list_value.fields[: len(found)]) == list(found) for value in lists) >= threshold
