"""The five aggregations (capability-wire 11.4), over observations of which at most ``f`` are faulty.

``threshold`` is f + 1: that many observations that agree hold an honest one. Equal means the same bytes in the
deterministic serialization.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from strongroom.plugin.messages import values_pb2
from strongroom_consensus.failures import failed, insufficient
from strongroom_consensus.numbers import NUMBERS, in_order

__all__ = ["common_prefix", "common_suffix", "frequency_list", "identical", "median"]

Value = values_pb2.Value


def _bytes(value: Value) -> bytes:
    return value.SerializeToString(deterministic=True)


def median(observations: Sequence[Value], threshold: int) -> Value:
    """The middle value, the left of two. Only one kind may have enough observations, and only its values count."""
    kinds: dict[str, list[Value]] = defaultdict(list)
    for value in observations:
        kinds[value.WhichOneof("value") or ""].append(value)
    enough = [kind for kind, values in kinds.items() if len(values) >= threshold]
    if not enough:
        raise insufficient()
    if len(enough) > 1:
        raise failed("observations of more than one type reach the threshold")
    if enough[0] not in NUMBERS:
        raise failed("unsupported type for median aggregation")
    values = in_order(enough[0], kinds[enough[0]])
    return values[(len(values) - 1) // 2]


def identical(observations: Sequence[Value], threshold: int) -> Value:
    """The one value that enough observations are."""
    counts = Counter(_bytes(value) for value in observations)
    enough = [data for data, count in counts.items() if count >= threshold]
    if not enough:
        raise failed("no values met f+1 threshold for identical consensus")
    if len(enough) > 1:
        raise failed("not identical, multiple values with f+1 occurrences")
    return Value.FromString(enough[0])


def common_prefix(observations: Sequence[Value], threshold: int) -> Value:
    """The longest list that enough lists start with."""
    return _as_list(_longest(_lists("common prefix", observations, threshold), threshold))


def common_suffix(observations: Sequence[Value], threshold: int) -> Value:
    """The longest list that enough lists end with."""
    lists = [list(reversed(values)) for values in _lists("common suffix", observations, threshold)]
    return _as_list(list(reversed(_longest(lists, threshold))))


def frequency_list(observations: Sequence[Value], threshold: int) -> Value:
    """How often each value was observed: the most frequent first, then by bytes. Nulls are not counted."""
    if len(observations) < threshold:
        raise insufficient()
    counts = Counter(_bytes(value) for value in observations if value.WhichOneof("value") is not None)
    answer = Value()
    answer.list_value.SetInParent()
    for data, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        fields = answer.list_value.fields.add().map_value.fields
        fields["value"].ParseFromString(data)
        fields["count"].int64_value = count
    return answer


def _lists(name: str, observations: Sequence[Value], threshold: int) -> list[list[Value]]:
    """The observations that are lists, of which there must be enough."""
    found = [list(value.list_value.fields) for value in observations if value.HasField("list_value")]
    if len(found) < threshold:
        if len(observations) >= threshold:
            raise failed(f"unsupported type for {name} aggregation")
        raise insufficient()
    return found


def _longest(lists: list[list[Value]], threshold: int) -> list[Value]:
    """The longest beginning that ``threshold`` lists share.

    Of two equally long ones that which more lists share, then that whose first difference has the smaller bytes: an
    honest majority never gets here, and everybody must still choose alike.
    """
    groups = [(lists, list[Value]())]
    while True:
        longer: list[tuple[list[list[Value]], list[Value]]] = []
        for members, beginning in groups:
            at = len(beginning)
            by_next: dict[bytes, list[list[Value]]] = defaultdict(list)
            for member in members:
                if len(member) > at:
                    by_next[_bytes(member[at])].append(member)
            for _, same in sorted(by_next.items()):
                if len(same) >= threshold:
                    longer.append((same, same[0][: at + 1]))
        if not longer:
            return max(groups, key=lambda group: len(group[0]))[1]
        groups = longer


def _as_list(values: Sequence[Value]) -> Value:
    answer = Value()
    answer.list_value.SetInParent()
    answer.list_value.fields.extend(values)
    return answer
