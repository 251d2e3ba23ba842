"""The request as a whole: sizes, depths, and descriptors that say something."""

from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import sdk_pb2, values_pb2
from strongroom_consensus.limits import DEPTH_MAX, FIELDS_MAX, OBSERVATION_BYTES_MAX, exceeded

__all__ = ["check_descriptor", "check_inputs", "check_value"]


def check_inputs(untrusted: sdk_pb2.SimpleConsensusInputs) -> None:
    """Raises ``CapabilityError`` for a request that is too big, too deep, or says nothing."""
    if (size := untrusted.ByteSize()) > OBSERVATION_BYTES_MAX:
        raise exceeded("observation", f"{size} bytes, the limit is {OBSERVATION_BYTES_MAX}")
    observation = untrusted.WhichOneof("observation")
    if observation is None:
        raise _wrong("the request holds no observation")
    if observation == "value":
        check_value("observation", untrusted.value)
        check_descriptor(untrusted.descriptors)
    if untrusted.HasField("default"):
        check_value("default", untrusted.default)


def check_value(what: str, untrusted: values_pb2.Value) -> None:
    """Raises ``CapabilityError`` when lists and maps stand too deep in each other."""
    level, depth = [untrusted], 0
    while level:
        depth += 1
        if depth > DEPTH_MAX:
            raise exceeded(f"depth of the {what}", f"more than {DEPTH_MAX} levels")
        inner: list[values_pb2.Value] = []
        for value in level:
            kind = value.WhichOneof("value")
            if kind == "list_value":
                inner.extend(value.list_value.fields)
            elif kind == "map_value":
                inner.extend(value.map_value.fields.values())
        level = inner


def check_descriptor(untrusted: sdk_pb2.ConsensusDescriptor) -> None:
    """Raises ``CapabilityError`` unless every leaf names an aggregation that exists."""
    level, depth, seen = [untrusted], 0, 0
    while level:
        depth += 1
        seen += len(level)
        if depth > DEPTH_MAX:
            raise exceeded("depth of the descriptors", f"more than {DEPTH_MAX} levels")
        if seen > FIELDS_MAX:
            raise exceeded("descriptors", f"more than {FIELDS_MAX} fields")
        inner: list[sdk_pb2.ConsensusDescriptor] = []
        for descriptor in level:
            if descriptor.WhichOneof("descriptor") == "fields_map":
                inner.extend(descriptor.fields_map.fields.values())
            elif descriptor.aggregation not in _KNOWN:
                raise _wrong(f"unsupported aggregation type {descriptor.aggregation}")
        level = inner


_KNOWN = frozenset(sdk_pb2.AggregationType.values()) - {sdk_pb2.AGGREGATION_TYPE_UNSPECIFIED}


def _wrong(text: str) -> CapabilityError:
    return CapabilityError("Public", "User", "InvalidArgument", text)
