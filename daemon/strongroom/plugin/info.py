"""What a capability says of itself on the wire."""

from collections.abc import Mapping
from typing import Final

from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.plugin.capability import Capability, Kind

__all__ = ["KIND_OF", "TYPE_OF", "capability_info"]

TYPE_OF: Final[Mapping[Kind, "capabilities_pb2.CapabilityType.ValueType"]] = {
    "trigger": capabilities_pb2.CAPABILITY_TYPE_TRIGGER,
    "action": capabilities_pb2.CAPABILITY_TYPE_ACTION,
    "consensus": capabilities_pb2.CAPABILITY_TYPE_CONSENSUS,
    "target": capabilities_pb2.CAPABILITY_TYPE_TARGET,
    "combined": capabilities_pb2.CAPABILITY_TYPE_COMBINED,
}
KIND_OF: Final[Mapping[int, Kind]] = {value: kind for kind, value in TYPE_OF.items()}


def capability_info(capability: Capability) -> capabilities_pb2.CapabilityInfoReply:
    """The answer to ``Info``. ``version`` is filled, though readers take it from the id."""
    return capabilities_pb2.CapabilityInfoReply(
        id=capability.id,
        capability_type=TYPE_OF[capability.kind],
        description=capability.description,
        version=capability.id.rpartition("@")[2],
        isLocal=True,
    )
