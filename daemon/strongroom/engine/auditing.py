"""What is written down about calls and deeds: who did what to what, and who is asked to write it down.

Rule 1: where a deed cannot be undone, its record is on the disk before it; every other one at the latest before its
caller hears that it was done.
Rule 2: facts are names, numbers and codes. Payloads and values of secrets never come here.
"""

from contextvars import ContextVar
from typing import Final, Protocol

__all__ = ["CALLER", "Audit", "NoAudit", "Pending"]

CALLER: Final[ContextVar[str]] = ContextVar("strongroom_caller", default="")
"""Name of whoever made the call that is being answered; empty outside of calls."""


class Pending(Protocol):
    """A record that is on its way to the disk."""

    def wait(self) -> None:
        """Return once it is there. Raises ``Unavailable`` where what cannot be recorded is refused."""


class Audit(Protocol):
    """Takes records from any thread. ``caller`` is filled in from ``CALLER``."""

    def record(
        self,
        action: str,
        *,
        subject: str,
        owner: str = "",
        outcome: str = "done",
        caller: str = "",
        reason: str = "",
        **facts: str | int,
    ) -> None:
        """Have it on the disk when this returns. Raises ``Unavailable`` where what cannot be recorded is refused."""

    def begin(
        self,
        action: str,
        *,
        subject: str,
        owner: str = "",
        outcome: str = "done",
        caller: str = "",
        reason: str = "",
        **facts: str | int,
    ) -> Pending:
        """As ``record``, for who has something else to do meanwhile. Never raises."""

    def check(self) -> None:
        """Raises ``Unavailable`` when no record can be made now and what cannot be recorded is refused."""


class NoAudit:
    """Writes nothing down: for tests, and for engines without a host."""

    def record(
        self,
        action: str,
        *,
        subject: str,
        owner: str = "",
        outcome: str = "done",
        caller: str = "",
        reason: str = "",
        **facts: str | int,
    ) -> None:
        """Nothing."""

    def begin(
        self,
        action: str,
        *,
        subject: str,
        owner: str = "",
        outcome: str = "done",
        caller: str = "",
        reason: str = "",
        **facts: str | int,
    ) -> Pending:
        """Nothing, at once."""
        return self

    def check(self) -> None:
        """Nothing is refused."""

    def wait(self) -> None:
        """There is nothing to wait for."""
