"""The text of a failed capability call: ``Visibility:Origin:Code:message`` (capability-wire section 7)."""

from collections.abc import Mapping
from typing import Final

from strongroom.errors import (
    Cancelled,
    CapabilityError,
    Conflict,
    Forbidden,
    InvalidInput,
    LimitExceeded,
    NotFound,
    StrongroomError,
    TimedOut,
    Unavailable,
    WrongState,
)

__all__ = ["CODES", "HIDDEN_MESSAGE", "error_of", "format_error", "parse_error", "readable", "remote_form"]

CODES: Final[Mapping[str, int]] = {
    "Canceled": 1,
    "Unknown": 2,
    "InvalidArgument": 3,
    "DeadlineExceeded": 4,
    "NotFound": 5,
    "AlreadyExists": 6,
    "PermissionDenied": 7,
    "ResourceExhausted": 8,
    "FailedPrecondition": 9,
    "Aborted": 10,
    "OutOfRange": 11,
    "Unimplemented": 12,
    "Internal": 13,
    "Unavailable": 14,
    "DataLoss": 15,
    "Unauthenticated": 16,
    "ConsensusFailed": 100,
    "LimitExceeded": 101,
    "InsufficientObservations": 102,
}
HIDDEN_MESSAGE: Final = "error whilst executing capability - the error message is not publicly reportable"
PARTS: Final = 4
# What our own exceptions are called on the wire. The first class that fits decides, so subclasses stand first.
OWN: Final[tuple[tuple[type[StrongroomError], str, str], ...]] = (
    (LimitExceeded, "User", "LimitExceeded"),
    (InvalidInput, "User", "InvalidArgument"),
    (NotFound, "User", "NotFound"),
    (Conflict, "User", "AlreadyExists"),
    (WrongState, "User", "FailedPrecondition"),
    (Forbidden, "User", "PermissionDenied"),
    (Unavailable, "System", "Unavailable"),
    (TimedOut, "System", "DeadlineExceeded"),
    (Cancelled, "System", "Canceled"),
)


def format_error(error: CapabilityError) -> str:
    """``error`` as it travels."""
    return f"{error.visibility}:{error.origin}:{error.name}:{error.message}"


def parse_error(untrusted: str) -> CapabilityError:
    """The error that ``untrusted`` stands for. Any text is one: what is not in the format is Private, System, Unknown.

    An unknown visibility counts as Private and an unknown origin as System, so that doubt never publishes anything.
    """
    parts = untrusted.split(":", PARTS - 1)
    if len(parts) < PARTS:
        return CapabilityError("Private", "System", "Unknown", untrusted)
    visibility, origin, name, message = parts
    return CapabilityError(
        visibility if visibility in {"Public", "Private"} else "Private",
        origin if origin in {"User", "System"} else "System",
        name if name in CODES else "Unknown",
        message,
    )


def remote_form(error: CapabilityError) -> CapabilityError:
    """``error`` as it may leave this machine: the message of a private one is replaced, the rest stays."""
    if error.visibility == "Public":
        return error
    return CapabilityError(error.visibility, error.origin, error.name, HIDDEN_MESSAGE)


def readable(error: CapabilityError) -> str:
    """``error`` for logs: ``[3]InvalidArgument: message``."""
    return f"[{CODES.get(error.name, CODES['Unknown'])}]{error.name}: {error.message}"


def error_of(raised: BaseException) -> CapabilityError:
    """What a plugin raised, as a capability error. What is not one of ours is Private, System, Unknown."""
    if isinstance(raised, CapabilityError):
        return raised
    for kind, origin, name in OWN:
        if isinstance(raised, kind):
            return CapabilityError("Public", origin, name, str(raised))
    return CapabilityError("Private", "System", "Unknown", f"{type(raised).__name__}: {raised}")
