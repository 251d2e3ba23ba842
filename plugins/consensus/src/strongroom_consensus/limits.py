"""What a workflow may bring to consensus. KB is decimal, as everywhere in the contract."""

from typing import Final

from strongroom.plugin import CapabilityError

__all__ = [
    "DEPTH_MAX",
    "FIELDS_MAX",
    "NUMBER_BYTES_MAX",
    "OBSERVATION_BYTES_MAX",
    "REPORT_BYTES_MAX",
    "exceeded",
]

OBSERVATION_BYTES_MAX: Final = 100_000  # cre-guest section 12
REPORT_BYTES_MAX: Final = 100_000  # a report is made of an observation; Keccak over so much takes 0.3 s
DEPTH_MAX: Final = 32  # of lists and maps, and of descriptors; protobuf itself refuses about 33 maps in each other
FIELDS_MAX: Final = 1_000  # of all descriptors together
NUMBER_BYTES_MAX: Final = 4_096  # of a big integer that is compared: almost 10,000 decimal digits


def exceeded(what: str, detail: str) -> CapabilityError:
    """A limit error, as capability-wire section 7 writes it."""
    return CapabilityError("Public", "User", "LimitExceeded", f"{what}: {detail}")
