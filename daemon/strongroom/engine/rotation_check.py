"""What sealing again would come to: everything that it would seal again is opened, and nothing is changed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

__all__ = ["PROBLEMS_MAX", "Checkable", "Checked", "Looked", "check_all"]

PROBLEMS_MAX: Final = 100
"""Reasons of one thing that are kept; there may be as many as blobs, and all are counted."""


@dataclass(slots=True)
class Looked:
    """How many blobs open, how many do not, and why some of those do not."""

    opens: int = 0
    closed: int = 0
    problems: list[str] = field(default_factory=list)

    def cannot(self, problem: str, blobs: int = 1) -> None:
        """Count what cannot be opened."""
        self.closed += blobs
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)


@runtime_checkable
class Checkable(Protocol):
    """A sealed thing that can be looked at."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def stays(self) -> str:
        """Why its blobs keep their version; empty for what is sealed again."""

    def look(self) -> Looked:
        """Open everything that would be sealed again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One thing that has something to seal again."""

    name: str
    opens: int
    closed: int
    problems: Sequence[str] = ()


def check_all(things: Iterable[object]) -> list[Checked]:
    """Look at each thing that would be sealed again. Raises what it raises."""
    found = [(thing.name, thing.look()) for thing in things if isinstance(thing, Checkable) and not thing.stays]
    return [
        Checked(name=name, opens=looked.opens, closed=looked.closed, problems=tuple(looked.problems))
        for name, looked in found
        if looked.opens or looked.closed
    ]
