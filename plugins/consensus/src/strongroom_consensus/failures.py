"""How consensus fails: the two cases that a default takes the place of."""

from typing import Final

from strongroom.plugin import CapabilityError

__all__ = ["FAILURES", "failed", "insufficient"]

FAILURES: Final = frozenset({"ConsensusFailed", "InsufficientObservations"})


def failed(text: str) -> CapabilityError:
    """The observations do not agree, or cannot."""
    return CapabilityError("Public", "User", "ConsensusFailed", text)


def insufficient() -> CapabilityError:
    """Too few observations that count."""
    return CapabilityError("Public", "User", "InsufficientObservations", "insufficient observations to reach consensus")
