"""``Winners``: which entry of each key counts, decided from what came into an array and what left it.

Of two entries of one key the one with the higher time wins; of equals the one further right.
Source: contracts/workspace-encryption.md 6.
"""

from collections.abc import Iterable
from typing import Final

from strongroom.workspace.entry import Change
from strongroom.workspace.mirror import Mirror, Slot

__all__ = ["Winners"]

DELETED_KEPT_MAX: Final = 10_000
"""Keys deleted here whose time is remembered; older ones are forgotten. About a megabyte."""


class Winners:
    """The winners by key, and the losers that are still in the array."""

    def __init__(self, mirror: Mirror) -> None:
        self.mirror = mirror
        self.by_key: dict[str, Slot] = {}
        self.losers: dict[Slot, None] = {}
        self._deleted: dict[str, int] = {}

    def resolve(self, removed: Iterable[Slot], added: Iterable[Slot]) -> dict[str, Change]:
        """Take over what the mirror has taken over already, and say what it means for each key.

        Deletions come first, so that an entry taken out and pushed again in one transaction is an update.
        """
        by_key, losers = self.by_key, self.losers
        before: dict[str, Slot | None] = {}
        for slot in removed:
            losers.pop(slot, None)
            if by_key.get(slot.key) is slot:
                before[slot.key] = by_key.pop(slot.key)
        for slot in added:
            key, ts = slot.key, slot.ts
            if ts < 0:
                continue
            rival = by_key.get(key)
            if rival is None:
                if self._deleted and self._deleted.get(key) == ts:
                    losers[slot] = None
                    continue
                before.setdefault(key, None)
                by_key[key] = slot
            elif ts > rival.ts or (ts == rival.ts and self._is_right(slot, rival)):
                before.setdefault(key, rival)
                losers[rival] = None
                by_key[key] = slot
            else:
                losers[slot] = None
        return self._changes(before)

    def remember_deleted(self, slot: Slot) -> None:
        """A user deletes ``slot`` here.

        A peer that has not seen that may seal the entry again at the same moment, which makes a new one with the same
        time. Such an entry has lost as well, or the deleted value would come back.
        """
        self._deleted.pop(slot.key, None)
        self._deleted[slot.key] = slot.ts
        if len(self._deleted) > DELETED_KEPT_MAX:
            del self._deleted[next(iter(self._deleted))]

    def _changes(self, before: dict[str, Slot | None]) -> dict[str, Change]:
        changes: dict[str, Change] = {}
        for key, was in before.items():
            now = self.by_key.get(key)
            if now is None:
                if was is not None:
                    changes[key] = Change("delete")
            elif now is not was:
                changes[key] = Change("update" if was else "add", now.val, now.ts)
        return changes

    def _is_right(self, slot: Slot, other: Slot) -> bool:
        return self.mirror.position(slot) > self.mirror.position(other)
