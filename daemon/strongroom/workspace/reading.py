"""What reading an entry gives: nothing, a value, or the reason why there is none to show.

Absent and unreadable are different things: what cannot be read here is there all the same, and must not be written over
because it seemed to be missing. Source: contracts/workspace-encryption.md 7, "Later reading API".
"""

from dataclasses import dataclass, field

__all__ = ["Absent", "Present", "Reading", "Unreadable"]


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no such entry."""


@dataclass(frozen=True, slots=True)
class Present:
    """The value, as JSON."""

    value: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """There is an entry, and ``reason`` says why it is not shown; ``key_version`` is what its header names, if any."""

    reason: str
    key_version: int | None


Reading = Absent | Present | Unreadable
