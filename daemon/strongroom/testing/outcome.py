"""What a guest under test came to."""

from dataclasses import dataclass
from typing import Final

from strongroom.errors import InvalidInput, Refused, StrongroomError, TimedOut
from strongroom.pb.sdk.v1alpha import sdk_pb2

__all__ = ["GuestOutcome", "InvalidModule", "failure_text", "invalid_module"]

_SAID_BY_RUNNER: Final = frozenset({"SR-GUEST-011", "SR-GUEST-014"})
"""Errors whose reason is the text of the guest contract, word for word."""


@dataclass(frozen=True, slots=True)
class GuestOutcome:
    """The end of one guest."""

    result: sdk_pb2.ExecutionResult | None
    """What the guest answered, also when that is an error of its own; ``None`` when it ended without an answer."""
    error: str | None
    """The host's own words when there is no result (a trap, a limit, the deadline, no response); else ``None``."""
    logs: list[str]
    """Log lines in the order in which the guest wrote them, cut and marked at their limit."""
    calls: list[sdk_pb2.CapabilityRequest]
    """Capability calls in the order in which the guest started them, those of consensus among them."""
    memory_bytes: int
    """Size of the guest's linear memory at its end, in bytes; it never shrinks."""
    duration_s: float
    """Time that the guest took, in seconds; compiling and waiting for a runner are not in it."""


class InvalidModule(InvalidInput):
    """The module was refused at admission: it is too large, no WebAssembly, or does not keep to the guest contract."""


def invalid_module(refusal: Refused) -> InvalidModule:
    """``refusal`` of a module as the exception that authors know."""
    return InvalidModule(refusal.code, refusal.what, why=refusal.why, fix=refusal.fix, **refusal.details)


def failure_text(error: StrongroomError) -> str:
    """What a host says of ``error``, in the words of the guest contract and with the name of the limit."""
    if isinstance(error, TimedOut):
        return f"{error.why}: {error.what} ({error.details.get('setting', '')})"
    return error.why if error.code in _SAID_BY_RUNNER and error.why else str(error)
