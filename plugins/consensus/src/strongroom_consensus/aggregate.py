"""From what n observers saw to one result. This host is one observer, n = 1 and f = 0; the rules hold for any n."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import sdk_pb2, values_pb2
from strongroom_consensus import rules
from strongroom_consensus.failures import FAILURES, failed, insufficient

__all__ = ["aggregate"]

Value = values_pb2.Value
Rule = Callable[[Sequence[Value], int], Value]

RULES: Final[Mapping[int, Rule]] = {
    sdk_pb2.AGGREGATION_TYPE_MEDIAN: rules.median,
    sdk_pb2.AGGREGATION_TYPE_IDENTICAL: rules.identical,
    sdk_pb2.AGGREGATION_TYPE_COMMON_PREFIX: rules.common_prefix,
    sdk_pb2.AGGREGATION_TYPE_COMMON_SUFFIX: rules.common_suffix,
    sdk_pb2.AGGREGATION_TYPE_FREQUENCY_LIST: rules.frequency_list,
}


def aggregate(
    observations: Sequence[Value | str],
    descriptor: sdk_pb2.ConsensusDescriptor,
    default: Value | None,
    *,
    faulty_max: int = 0,
) -> Value:
    """The result of ``observations``; a text is an error that an observer saw.

    Whatever fails takes ``default`` if there is one, and raises ``CapabilityError`` (ConsensusFailed,
    InsufficientObservations) if not.
    """
    threshold = faulty_max + 1
    errors = [seen for seen in observations if isinstance(seen, str)]
    values = [seen for seen in observations if not isinstance(seen, str)]
    try:
        if len(errors) >= threshold:
            raise failed("; ".join(sorted(set(errors))))
        return _by_descriptor(values, descriptor, default, threshold)
    except CapabilityError as error:
        if error.name not in FAILURES or default is None:
            raise
        return default


def _by_descriptor(
    values: Sequence[Value], descriptor: sdk_pb2.ConsensusDescriptor, default: Value | None, threshold: int
) -> Value:
    if len(values) < threshold:
        raise insufficient()
    if descriptor.WhichOneof("descriptor") == "fields_map":
        return _by_field(values, descriptor.fields_map.fields, default, threshold)
    rule = RULES.get(descriptor.aggregation)
    if rule is None:
        text = f"unsupported aggregation type {descriptor.aggregation}"
        raise CapabilityError("Public", "User", "InvalidArgument", text)
    return rule(values, threshold)


def _by_field(
    values: Sequence[Value],
    descriptors: Mapping[str, sdk_pb2.ConsensusDescriptor],
    default: Value | None,
    threshold: int,
) -> Value:
    """Each field by itself, in the order of their names. A map without a field does not count for it."""
    maps = [value.map_value.fields for value in values if value.HasField("map_value")]
    if len(maps) < threshold:
        raise insufficient()
    defaults = dict(default.map_value.fields) if default is not None and default.HasField("map_value") else {}
    answer = Value()
    answer.map_value.SetInParent()
    for key in sorted(descriptors):
        seen = [fields[key] for fields in maps if key in fields]
        instead = defaults.get(key)
        try:
            result = _by_descriptor(seen, descriptors[key], instead, threshold)
        except CapabilityError as error:
            if error.name not in FAILURES:
                raise
            if instead is None:
                text = f"aggregation for field failed '{key}': {error.message}"
                raise CapabilityError(error.visibility, error.origin, error.name, text) from error
            result = instead
        answer.map_value.fields[key].CopyFrom(result)
    return answer
