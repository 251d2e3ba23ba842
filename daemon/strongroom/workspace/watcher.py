"""What a document calls when an array of it changed, and the origins that are shown to nobody."""

from collections.abc import Sequence
from typing import Any, Protocol

from strongroom.workspace.entry import Entry

__all__ = ["ArrayWatcher", "Delta", "PrivateOrigin"]

Delta = list[dict[str, Any]]  # Any: values are what a peer sent
"""What changed in an array, from left to right: ``retain`` n, ``insert`` values, ``delete`` n."""


class PrivateOrigin:
    """The origin of a transaction that strongroom makes for itself, such as sealing values again."""

    __slots__ = ("purpose",)

    def __init__(self, purpose: str) -> None:
        self.purpose = purpose

    def __repr__(self) -> str:
        """What it is for."""
        return f"PrivateOrigin({self.purpose!r})"


class ArrayWatcher(Protocol):
    """What keeps itself in step with one array. Every call comes with the document's lock held."""

    def mirrored(self) -> Sequence[Entry]:
        """The entries of the array in its order, as they were absorbed; ``ts`` is -1 for what is no entry."""

    def absorb(self, delta: Delta, origin: object) -> None:
        """Take over what a commit changed. May call ``tell_later``, ``write_at_end`` and ``sweep_at_end``."""

    def write(self) -> None:
        """Write what waits; a transaction is open, and every commit before it was absorbed."""

    def sweep(self) -> None:
        """Remove what lost; a transaction with a private origin is open."""
