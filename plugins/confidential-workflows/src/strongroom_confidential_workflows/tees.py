"""What a backend provides, by the kind of its evidence. The plugin says so when it is asked, and the enclave runner
checks against it itself, so that a wrong match needs two mistakes.

The messages of the network name one type of TEE, AWS Nitro. What they have no name for satisfies no requirement for a
TEE, and a process satisfies none, whatever it locks itself into.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from strongroom.plugin.messages import sdk_pb2

__all__ = ["Tees", "provided_tees"]

Tees = tuple[sdk_pb2.TeeTypeAndRegions, ...]
_TYPES: Final[Mapping[str, "sdk_pb2.TeeType.ValueType"]] = {"nitro": sdk_pb2.TEE_TYPE_AWS_NITRO}


def provided_tees(kind: str, regions: Iterable[str] = ()) -> Tees:
    """The TEEs of a backend whose evidence is of ``kind``, in the regions that its operator names."""
    if kind not in _TYPES:
        return ()
    return (sdk_pb2.TeeTypeAndRegions(type=_TYPES[kind], regions=regions),)
