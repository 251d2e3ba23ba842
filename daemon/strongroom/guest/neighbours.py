"""Owners who share runners: whose turn it is, and who is likely to come again."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, Protocol, TypeVar

__all__ = ["NEIGHBOUR_S", "Neighbours"]

NEIGHBOUR_S: Final = 5.0
"""Who was served so lately is likely to come again: a runner is kept for him."""


class Owned(Protocol):
    """Somebody who waits."""

    owner: str


W = TypeVar("W", bound=Owned)


class Neighbours:
    """When each owner was given a runner last. Owners are as many as the operator allowed."""

    def __init__(self) -> None:
        self._served_s: dict[str, float] = {}

    def served(self, owner: str) -> None:
        """That owner was given a runner now."""
        self._served_s[owner] = time.monotonic()

    def in_turn(self, waiting: Sequence[W], at_work: Iterable[str]) -> Sequence[W]:
        """Those who wait, in the order in which they are to be served: owners in turn, those of whose runs fewer are
        ``at_work`` first, then who was served longest ago; those of one owner as they came."""
        if all(waiter.owner == waiting[0].owner for waiter in waiting):
            return waiting
        ahead = Counter(at_work)
        places: list[tuple[int, float, int]] = []
        for index, waiter in enumerate(waiting):
            places.append((ahead[waiter.owner], self._served_s.get(waiter.owner, 0.0), index))
            ahead[waiter.owner] += 1
        return [waiting[index] for _, _, index in sorted(places)]

    def is_near(self, owner: str) -> bool:
        """Whether an owner had a runner lately."""
        return self._served_s.get(owner, float("-inf")) > time.monotonic() - NEIGHBOUR_S

    def is_near_without(self, at_work: set[str]) -> bool:
        """Whether somebody had a runner lately of whose runs none is ``at_work``."""
        return any(map(self.is_near, self._served_s.keys() - at_work))
