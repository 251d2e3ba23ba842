"""Words and numbers of a trustworthiness vector (draft-ietf-rats-ar4si): elements, values, tiers, status.

Rule 1: names and numbers of that draft stand here and nowhere else: they may move.
Rule 2: what is out of range is as bad as can be.
Source: contracts/attestation.md 2.2 and 16.1.
"""

from collections.abc import Mapping
from typing import Final

__all__ = [
    "AFFIRMED",
    "AFFIRMING",
    "CONFIGURATION",
    "CONTRADICTED",
    "CONTRAINDICATED",
    "EXECUTABLES",
    "HARDWARE_ELEMENT",
    "IDENTITY_ELEMENT",
    "NO_CLAIM",
    "NO_STATEMENT",
    "RUNTIME_OPAQUE",
    "UNRECOGNISED",
    "VECTOR",
    "WARNED_OF",
    "WARNING",
    "status_of",
    "tier_of",
]

NO_CLAIM: Final = "none"
AFFIRMING: Final = "affirming"
WARNING: Final = "warning"
CONTRAINDICATED: Final = "contraindicated"
_TIERS: Final = (NO_CLAIM, AFFIRMING, WARNING, CONTRAINDICATED)
"""From the best to the worst, as far as the status goes: what makes no claim does not lower it."""
CONFIGURATION: Final = "configuration"
EXECUTABLES: Final = "executables"
HARDWARE_ELEMENT: Final = "hardware"
IDENTITY_ELEMENT: Final = "instance-identity"
RUNTIME_OPAQUE: Final = "runtime-opaque"
VECTOR: Final = frozenset(
    {
        CONFIGURATION,
        EXECUTABLES,
        HARDWARE_ELEMENT,
        IDENTITY_ELEMENT,
        RUNTIME_OPAQUE,
        "file-system",
        "sourced-data",
        "storage-opaque",
    }
)
NO_STATEMENT: Final = 0
AFFIRMED: Final = 2
WARNED_OF: Final = 32
CONTRADICTED: Final = 96
UNRECOGNISED: Final = 97
"""Hardware or an instance that is not recognised: the value of every simulation."""


def tier_of(value: int) -> str:
    """The tier of one number of a vector: none, affirming, warning or contraindicated."""
    if value in {NO_STATEMENT, 1}:
        return NO_CLAIM
    if AFFIRMED <= value < WARNED_OF:
        return AFFIRMING
    return WARNING if WARNED_OF <= value < CONTRADICTED else CONTRAINDICATED


def status_of(vector: Mapping[str, int]) -> str:
    """The worst tier in ``vector``."""
    return max((tier_of(value) for value in vector.values()), key=_TIERS.index, default=NO_CLAIM)
