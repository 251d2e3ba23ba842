"""Every aggregation with one and with several observers, of whom some err or lie."""

import math

import pytest

from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import sdk_pb2, values_pb2
from strongroom_consensus.aggregate import aggregate

Value = values_pb2.Value
MEDIAN, IDENTICAL, PREFIX, SUFFIX, FREQUENCY = (sdk_pb2.ConsensusDescriptor(aggregation=n) for n in (1, 2, 3, 4, 5))
NULL = Value()


def i(number):
    return Value(int64_value=number)


def u(number):
    return Value(uint64_value=number)


def f(number):
    return Value(float64_value=number)


def s(text):
    return Value(string_value=text)


def big(number):
    sign = (number > 0) - (number < 0)
    magnitude = abs(number).to_bytes((abs(number).bit_length() + 7) // 8, "big")
    return Value(bigint_value=values_pb2.BigInt(abs_val=magnitude, sign=sign))


def dec(coefficient, exponent):
    return Value(decimal_value=values_pb2.Decimal(coefficient=big(coefficient).bigint_value, exponent=exponent))


def at(seconds, nanos=0):
    made = Value()
    made.time_value.seconds, made.time_value.nanos = seconds, nanos
    return made


def items(*values):
    made = Value()
    made.list_value.SetInParent()
    made.list_value.fields.extend(values)
    return made


def fields(**values):
    made = Value()
    made.map_value.SetInParent()
    for key, value in values.items():
        made.map_value.fields[key].CopyFrom(value)
    return made


def by_field(**descriptors):
    return sdk_pb2.ConsensusDescriptor(fields_map=sdk_pb2.FieldsMap(fields=descriptors))


def refusal(observations, descriptor, *, faulty_max=0):
    with pytest.raises(CapabilityError) as caught:
        aggregate(observations, descriptor, None, faulty_max=faulty_max)
    assert caught.value.visibility == "Public"
    return caught.value.name, caught.value.message


INSUFFICIENT = ("InsufficientObservations", "insufficient observations to reach consensus")


@pytest.mark.parametrize("descriptor", [MEDIAN, IDENTICAL, PREFIX, SUFFIX, FREQUENCY, by_field(a=MEDIAN)], ids=range(6))
def test_too_few_observations_decide_nothing(descriptor):
    assert refusal([], descriptor) == INSUFFICIENT
    assert refusal([i(1)], descriptor, faulty_max=1) == INSUFFICIENT
    assert refusal([i(1), "an error"], descriptor, faulty_max=1) == INSUFFICIENT


@pytest.mark.parametrize(
    ("observations", "middle"),
    [
        ([i(5)], i(5)),
        ([i(3), i(-1), i(2)], i(2)),
        ([i(4), i(3), i(2), i(1)], i(2)),
        ([u(2**64 - 1), u(0), u(2**63)], u(2**63)),
        ([f(0.5), f(-math.inf), f(math.inf), f(0.25)], f(0.25)),
        ([f(1), f(math.nan), f(2)], f(1)),
        ([big(-(10**30)), big(10**30), big(0)], big(0)),
        ([big(256), big(255), big(2)], big(255)),
        ([dec(1, 1), dec(95, -1), dec(11, 0)], dec(1, 1)),
        ([dec(-1, 5), dec(-1, 6), dec(1, -9)], dec(-1, 5)),
        ([dec(0, 2**31 - 1), dec(1, -(2**31)), dec(1, 2**31 - 1)], dec(1, -(2**31))),
        ([dec(10**30, -30), dec(1, 0), dec(1, 1)], dec(10**30, -30)),
        ([at(5, 1), at(5, 2), at(4, 999_999_999)], at(5, 1)),
    ],
    ids=[
        "one", "odd", "even takes the left", "unsigned", "float", "not a number is least", "big", "big by value",
        "decimal by value", "negative decimal", "exponents without end", "equal decimals", "time",
    ],
)  # fmt: skip
def test_the_median_is_the_middle_value(observations, middle):
    assert aggregate(observations, MEDIAN, None) == middle
    assert aggregate(list(reversed(observations)), MEDIAN, None) == middle


def test_only_one_kind_counts_for_a_median():
    assert aggregate([i(1), i(9), u(5)], MEDIAN, None, faulty_max=1) == i(1)
    assert refusal([i(1), i(2), u(1), u(2)], MEDIAN, faulty_max=1)[0] == "ConsensusFailed"
    assert refusal([i(1), u(1), f(1)], MEDIAN, faulty_max=1) == INSUFFICIENT


@pytest.mark.parametrize(
    "value",
    [s("1"), Value(bool_value=True), Value(bytes_value=b"1"), items(i(1)), fields(a=i(1)), NULL],
    ids=["text", "bool", "bytes", "list", "map", "null"],
)
def test_there_is_no_median_of_what_has_no_order(value):
    assert refusal([value], MEDIAN) == ("ConsensusFailed", "unsupported type for median aggregation")


def test_a_number_without_end_is_not_compared():
    name, message = refusal([big(2 ** (8 * 4097)), big(1)], MEDIAN)
    assert (name, message) == ("ConsensusFailed", "a number of 4098 bytes is more than 4096")


@pytest.mark.parametrize("value", [i(1), s("a"), NULL, items(), fields(b=i(1), a=i(2)), f(math.nan)], ids=str)
def test_identical_values_are_the_result(value):
    assert aggregate([value], IDENTICAL, None).SerializeToString(deterministic=True) == value.SerializeToString(
        deterministic=True
    )
    liar = s("something else")
    agreed = aggregate([value, liar, value], IDENTICAL, None, faulty_max=1)
    assert agreed.SerializeToString(deterministic=True) == value.SerializeToString(deterministic=True)


def test_identical_maps_are_identical_in_any_order_of_their_keys():
    assert aggregate([fields(a=i(1), b=i(2)), fields(b=i(2), a=i(1))], IDENTICAL, None, faulty_max=1) == fields(
        a=i(1), b=i(2)
    )


def test_values_that_differ_are_not_identical():
    none = "no values met f+1 threshold for identical consensus"
    several = "not identical, multiple values with f+1 occurrences"
    assert refusal([i(1), i(2)], IDENTICAL, faulty_max=1) == ("ConsensusFailed", none)
    assert refusal([i(1), u(1)], IDENTICAL, faulty_max=1) == ("ConsensusFailed", none)
    assert refusal([i(1), i(2)], IDENTICAL) == ("ConsensusFailed", several)
    assert refusal([i(1), i(1), i(2), i(2)], IDENTICAL, faulty_max=1) == ("ConsensusFailed", several)


@pytest.mark.parametrize(
    ("lists", "faulty_max", "prefix"),
    [
        (["abc"], 0, "abc"),
        ([""], 0, ""),
        (["abc", "abd"], 1, "ab"),
        (["abc", "xbc"], 1, ""),
        (["abc", "abd", "abd"], 1, "abd"),
        (["abc", "ab", "a"], 1, "ab"),
        (["abc", "", ""], 1, ""),
        (["ab", "ab", "xyz", "xyz"], 1, "xyz"),
        (["ab", "ab", "ab", "xy", "xy"], 1, "ab"),
        (["xy", "xy", "ab", "ab"], 1, "ab"),
        (["aab", "xab", "yab"], 1, ""),
    ],
    ids=[
        "one", "empty", "two", "first differs", "a liar", "shorter ones", "mostly empty", "the longest of two",
        "the more of two", "the smaller of two", "agreeing later does not help",
    ],
)  # fmt: skip
def test_the_longest_beginning_and_end_that_enough_lists_share(lists, faulty_max, prefix):
    observed = [items(*map(s, text)) for text in lists]
    assert aggregate(observed, PREFIX, None, faulty_max=faulty_max) == items(*map(s, prefix))
    backwards = [items(*map(s, reversed(text))) for text in lists]
    assert aggregate(backwards, SUFFIX, None, faulty_max=faulty_max) == items(*map(s, reversed(prefix)))


@pytest.mark.parametrize(
    ("descriptor", "name"), [(PREFIX, "common prefix"), (SUFFIX, "common suffix")], ids=["prefix", "suffix"]
)
def test_only_lists_have_a_beginning_and_an_end(descriptor, name):
    assert refusal([s("abc")], descriptor) == ("ConsensusFailed", f"unsupported type for {name} aggregation")
    assert aggregate([items(i(1)), s("x"), items(i(1))], descriptor, None, faulty_max=1) == items(i(1))
    assert refusal([items(i(1)), s("x")], descriptor, faulty_max=1)[0] == "ConsensusFailed"


def test_a_frequency_list_counts_values_by_count_and_then_by_bytes():
    def counted(*pairs):
        return items(*(fields(value=value, count=i(count)) for value, count in pairs))

    observed = [s("b"), s("a"), i(7), s("b"), NULL, s("c")]
    in_bytes = sorted([s("a"), i(7), s("c")], key=lambda v: v.SerializeToString())
    assert aggregate(observed, FREQUENCY, None, faulty_max=1) == counted((s("b"), 2), *((v, 1) for v in in_bytes))
    assert aggregate([s("a")], FREQUENCY, None) == counted((s("a"), 1))
    assert aggregate([NULL], FREQUENCY, None) == items()


def test_fields_are_decided_one_by_one():
    descriptor = by_field(price=MEDIAN, name=IDENTICAL, inner=by_field(deep=MEDIAN))
    observed = [
        fields(price=i(n), name=s("x" if n else "liar"), inner=fields(deep=f(n), dropped=i(1)), more=i(n))
        for n in range(3)
    ]
    assert aggregate(observed, descriptor, None, faulty_max=1) == fields(
        price=i(1), name=s("x"), inner=fields(deep=f(1.0))
    )
    assert aggregate([fields(a=NULL)], by_field(a=IDENTICAL), None) == fields(a=NULL)
    assert aggregate([fields(a=i(1))], by_field(), None) == fields()


def test_a_field_that_fails_takes_its_own_default_or_names_itself():
    descriptor = by_field(b=IDENTICAL, a=MEDIAN, c=by_field(d=MEDIAN))
    observed = [fields(a=s("no number"), b=i(1), c=fields())]
    assert refusal(observed, descriptor) == (
        "ConsensusFailed",
        "aggregation for field failed 'a': unsupported type for median aggregation",
    )
    inner = [fields(a=i(1), b=i(1), c=fields())]
    assert refusal(inner, descriptor) == (
        "InsufficientObservations",
        f"aggregation for field failed 'c': aggregation for field failed 'd': {INSUFFICIENT[1]}",
    )
    default = fields(a=i(0), b=i(9), c=fields(d=i(0)))
    assert aggregate(observed, descriptor, default) == fields(a=i(0), b=i(1), c=fields(d=i(0)))
    assert aggregate(observed, descriptor, fields(a=i(0), c=fields(x=i(2)))) == fields(a=i(0), b=i(1), c=fields(x=i(2)))


def test_what_fails_as_a_whole_takes_the_default_as_a_whole():
    assert aggregate([s("x")], MEDIAN, i(4)) == i(4)
    assert aggregate([i(1)], IDENTICAL, NULL, faulty_max=1) == NULL
    assert aggregate([s("x")], by_field(a=MEDIAN), s("other")) == s("other")
    assert aggregate([fields(a=s("x"), b=i(1))], by_field(a=MEDIAN, b=MEDIAN), fields(b=i(2))) == fields(b=i(2))


def test_errors_fail_consensus_with_what_was_observed_unless_there_is_a_default():
    assert refusal(["no route: to host\n"], MEDIAN) == ("ConsensusFailed", "no route: to host\n")
    assert aggregate(["no route"], MEDIAN, i(4)) == i(4)
    assert refusal(["b", i(1), "a", "b"], MEDIAN, faulty_max=1) == ("ConsensusFailed", "a; b")
    assert aggregate(["liar", i(1), i(3)], MEDIAN, None, faulty_max=1) == i(1)


@pytest.mark.parametrize("kind", [0, 99], ids=["none", "unknown"])
def test_an_aggregation_that_does_not_exist_is_the_callers_fault_whatever_the_default(kind):
    descriptor = sdk_pb2.ConsensusDescriptor(aggregation=kind)
    with pytest.raises(CapabilityError, match=f"unsupported aggregation type {kind}") as caught:
        aggregate([fields(a=i(1))], by_field(a=descriptor), fields(a=i(1)))
    assert caught.value.name == "InvalidArgument"
