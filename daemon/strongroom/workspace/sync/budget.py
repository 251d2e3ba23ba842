"""``Budget``: how many bytes the relay holds in memory for the peers of one owner.

Each connection has limits of its own; many of them at their limits would take more memory than a machine has.
"""

from collections import Counter

__all__ = ["Budget"]


class Budget:
    """What is held now, by owner. Used on the relay's loop."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._held: Counter[str] = Counter()

    def has_place(self, owner_id: str, size: int) -> bool:
        """Whether ``size`` bytes more may be held. Where nothing is, any number: a document is one message."""
        held = self._held[owner_id]
        return not held or held + size <= self._bytes_max

    def take(self, owner_id: str, size: int) -> None:
        """So many more are held from now on; fewer, if it is negative."""
        self._held[owner_id] += size
        if self._held[owner_id] <= 0:
            del self._held[owner_id]

    def held(self, owner_id: str) -> int:
        """How many are held for one owner."""
        return self._held.get(owner_id, 0)
