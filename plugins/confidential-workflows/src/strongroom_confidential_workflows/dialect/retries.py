"""Ids of requests to an enclave, and when a failed one is sent again.

Source: contracts/confidential.md 9.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from strongroom.plugin import CapabilityError

__all__ = ["ATTEMPTS_MAX", "WAIT_FIRST_S", "Retry", "after_failure", "reference_id", "request_id"]

ATTEMPTS_MAX: Final = 3
WAIT_FIRST_S: Final = 2.0
"""Before the second attempt; it doubles for each one after."""


def request_id(execution_id: str) -> bytes:
    """The 32 bytes that name a request: SHA-256 of the text of its execution id."""
    return hashlib.sha256(execution_id.encode()).digest()


def reference_id(attempt: int, first: str) -> str:
    """The reference id of an attempt, counted from 1: ``first``, then ``confidential-retry-1`` and on."""
    return first if attempt <= 1 else f"confidential-retry-{attempt - 1}"


@dataclass(frozen=True, slots=True)
class Retry:
    """The next attempt, counted from 1, and how long to wait before it."""

    attempt: int
    wait_s: float


def after_failure(error: CapabilityError, *, attempt: int) -> Retry:
    """What follows when ``attempt`` ended in ``error``. Raises ``CapabilityError`` when nothing does.

    An error of the user's stops at once and stays as it is; after the last attempt the text says how many there were.
    """
    if error.origin == "User":
        raise error
    if attempt >= ATTEMPTS_MAX:
        message = f"failed after {ATTEMPTS_MAX} retries: {error.message}"
        raise CapabilityError(error.visibility, error.origin, error.name, message) from error
    return Retry(attempt + 1, WAIT_FIRST_S * 2 ** (attempt - 1))
