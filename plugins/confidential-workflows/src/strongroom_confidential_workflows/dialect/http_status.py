"""The HTTP status and text of what an enclave refuses, and which calls it knows. No server is here.

Source: contracts/confidential.md 10 and 10.3, and 13 for the limits of an execution.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from strongroom.plugin import (
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

__all__ = ["CALLS", "HttpRefusal", "app_refusal", "refusal", "route_refusal"]

CALLS: Final[Mapping[str, frozenset[str]]] = {
    "/publicKeys": frozenset({"GET"}),
    "/requests": frozenset({"POST"}),
    "/config": frozenset({"POST", "PATCH"}),
    "/settings": frozenset({"POST"}),
    "/memory": frozenset({"GET"}),
}
_BUSY: Final = frozenset({"SR-DIAL-018", "SR-DIAL-019", "SR-DIAL-026"})
"""Limits that pass by themselves; every other one is of the input."""
_STATUS: Final = (
    (Conflict, 409),
    (Forbidden, 400),
    (InvalidInput, 400),
    (LimitExceeded, 400),
    (NotFound, 400),
    (WrongState, 400),
    (Unavailable, 502),
    (TimedOut, 504),
)


@dataclass(frozen=True, slots=True)
class HttpRefusal:
    """A status and a text."""

    status: int
    text: str


def route_refusal(method: str, path: str) -> HttpRefusal | None:
    """404 for a path that is not known, 405 for another method, nothing for a call of the protocol."""
    if path not in CALLS:
        return HttpRefusal(404, "not found")
    return None if method in CALLS[path] else HttpRefusal(405, "method not allowed")


def refusal(error: Exception) -> HttpRefusal:
    """What is said of a failure: nothing but the status of one that strongroom did not raise on purpose."""
    if not isinstance(error, StrongroomError):
        return HttpRefusal(500, "internal error")
    if error.code in _BUSY:
        return HttpRefusal(429, str(error))
    return HttpRefusal(next((status for kind, status in _STATUS if isinstance(error, kind)), 500), str(error))


def app_refusal(error: Exception) -> HttpRefusal:
    """What is said when the app failed: 504 in time, 502 without its binary, else 500."""
    said = refusal(error)
    if said.status in {502, 504}:
        return said
    return HttpRefusal(500, f"error executing enclave app request: {said.text}")
