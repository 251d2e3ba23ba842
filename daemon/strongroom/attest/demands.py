"""What a policy demands of facts, and one accepted release: demands that are compared together, never mixed.

Rule 1: a fact that is not there, or is of another type, meets no demand.
Rule 2: a demand that lists no value is met by nothing.
Source: contracts/attestation.md 16.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from strongroom.attest.evidence import is_same

__all__ = [
    "Demand",
    "Entry",
    "shown",
]

SHOWN_MAX: Final = 400
"""Characters of a fact that a check shows: four registers of SHA-384 in hex."""

Value = bytes | int | bool | str | tuple[Any, ...]  # Any: pairs of a register and its value


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One line of an entry: ``fact`` must be one of ``allowed``, or at least ``minimum``.

    ``key`` is its name in the policy, ``element`` what of the vector it speaks for, ``code`` the refusal.
    """

    key: str
    fact: str
    code: str
    element: str
    allowed: frozenset[Value] = frozenset()
    minimum: int | None = None

    def accepts(self, facts: Mapping[str, Any]) -> bool:  # Any: see Claims
        """Whether ``facts`` meet it."""
        found = facts.get(self.fact)
        if self.minimum is not None:
            return type(found) is int and found >= self.minimum
        return any(_is_equal(found, each) for each in self.allowed)

    def covers(self, other: "Demand") -> bool:
        """Whether everything that meets ``other`` meets this."""
        if self.minimum is None:
            return other.minimum is None and other.allowed <= self.allowed
        return other.minimum is not None and other.minimum >= self.minimum

    def wanted(self) -> str:
        """What it asks for, for people."""
        if self.minimum is not None:
            return f"at least {self.minimum}"
        return " or ".join(sorted(map(shown, self.allowed)))[:SHOWN_MAX] or "nothing: the list is empty"


@dataclass(frozen=True, slots=True)
class Entry:
    """One measured release of a kind."""

    kind: str
    name: str
    demands: tuple[Demand, ...]

    def covers(self, other: "Entry") -> bool:
        """Whether everything that ``other`` accepts is accepted by this. Only entries of one kind cover each other."""
        if self.kind != other.kind:
            return False
        theirs = {each.key: each for each in other.demands}
        return all(each.key in theirs and each.covers(theirs[each.key]) for each in self.demands)


def shown(value: object) -> str:
    """A fact as people read it: bytes in hex, registers by number."""
    if isinstance(value, bytes):
        return (value.hex() or "no bytes")[:SHOWN_MAX]
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        value = tuple(value.items())
    if isinstance(value, tuple | list | frozenset):
        parts = [f"{each[0]}={shown(each[1])}" if _is_pair(each) else shown(each) for each in value]
        return ", ".join(parts)[:SHOWN_MAX] or "none"
    text = "nothing" if value is None else str(value)[:SHOWN_MAX] or "an empty text"
    # A certificate can hold what moves the cursor of a terminal.
    return text if text.isprintable() else ascii(text)[:SHOWN_MAX]


def _is_equal(found: object, wanted: Value) -> bool:
    if isinstance(found, bytes) and isinstance(wanted, bytes):
        return is_same(found, wanted)
    # By type as well: in Python True equals 1.
    return type(found) is type(wanted) and found == wanted


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2
