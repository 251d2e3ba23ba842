"""``Entry``, what a store keeps for one key, and ``Change``, what its observers are told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Change", "Entry", "Handler"]


class Entry:
    """A key, its value and the time of the write in Unix milliseconds.

    Two entries may say the same and still be two, so they are compared by identity: stores know their own again.
    """

    __slots__ = ("key", "ts", "val")

    def __init__(self, key: str, val: object, ts: int) -> None:
        self.key = key
        self.val = val
        self.ts = ts

    def __repr__(self) -> str:
        """Neither key nor value: both are the users'."""
        return f"<Entry ts={self.ts}>"


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one key. ``new_value`` is ``None`` for a deletion; ``ts`` is the time of the entry, else 0."""

    action: Literal["add", "update", "delete"]
    new_value: object = field(default=None, repr=False)
    ts: int = 0


Handler = Callable[[Mapping[str, Change], object], None]
"""Called with the changes by key, never none, and the origin of the transaction; once for each transaction."""
