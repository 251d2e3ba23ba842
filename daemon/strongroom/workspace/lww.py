"""``LwwStore``: keys and values in an array of entries, where the later time wins.

An entry is ``{key, val, ts}``. Of two entries of one key the one with the higher ``ts`` wins; of equals the one further
right in the merged array. Losers are removed. A write takes the entry of its key out and pushes a new one.

Rule 1: nothing is written before the transaction ends; until then reads see what waits (``pending``).
Rule 2: the array is changed only where the mirror is in step with it, and the mirror only by what the library reports.
Rule 3: time goes forward: later than now or one after the last time seen, whoever wrote it. A time further ahead than
``AHEAD_MS_MAX`` is not handed out, and one that comes from elsewhere is reported and not followed.
Rule 4: what stands in the array and is no entry is left where it is.
Source: contracts/workspace-encryption.md 6 and 17 rows 1 and 12.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from strongroom.workspace.document import Document
from strongroom.workspace.entry import Change, Entry, Handler
from strongroom.workspace.handlers import Handlers
from strongroom.workspace.lww_clock import LwwClock
from strongroom.workspace.mirror import Mirror, Slot, slot_of
from strongroom.workspace.placing import insert_entries, remove, replace_run, runs
from strongroom.workspace.stored_value import check_key, check_stored
from strongroom.workspace.watcher import Delta, PrivateOrigin
from strongroom.workspace.winners import Winners

__all__ = ["LwwStore", "Make"]

Make = Callable[[int], object]
"""Gives the value for the time that it will be written with."""
_log = logging.getLogger("strongroom.workspace")


class LwwStore:
    """The store of the array ``name``; a document has one for each. ``now_ms`` is Unix time.

    Safe for any thread: everything happens under the document's lock. Handlers run with it held.
    """

    def __init__(self, document: Document, name: str, *, now_ms: Callable[[], int]) -> None:
        self.document: Final = document
        self.name: Final = name
        self._clock = LwwClock(now_ms)
        self._pending: dict[str, Entry] = {}
        self._pending_deletes: set[str] = set()
        facts = {"guid": document.guid, "array": name}
        self._handlers, self._above = Handlers(document.lock, facts), Handlers(document.lock, facts)
        with document.settled():
            document.watch(name, self)
            slots = [slot_of(value) for value in document.contents(name)]
            self._mirror = Mirror(slots)
            self._winners = Winners(self._mirror)
            self._take([], slots, None)

    # Reading.

    @property
    def size(self) -> int:
        """How many entries are confirmed: what waits in an open transaction does not count."""
        return len(self._winners.by_key)

    def entry(self, key: str) -> Entry | None:
        """The entry of ``key``, with what waits in an open transaction."""
        with self.document.lock:
            if key in self._pending:
                return self._pending[key]
            return None if key in self._pending_deletes else self._winners.by_key.get(key)

    def get(self, key: str) -> object:
        """The value of ``key``; ``None`` where there is none, which ``has`` tells from a stored null."""
        entry = self.entry(key)
        return entry.val if entry else None

    def has(self, key: str) -> bool:
        """Whether ``key`` has an entry."""
        return self.entry(key) is not None

    def entries(self) -> list[Entry]:
        """Every entry: those that wait first, then the others in the order of the array; no key twice."""
        with self.document.lock:
            hidden = self._pending_deletes | self._pending.keys()
            winners = self._winners.by_key
            confirmed = [slot for slot in self._mirror if slot.ts >= 0 and winners.get(slot.key) is slot]
            if hidden:
                confirmed = [slot for slot in confirmed if slot.key not in hidden]
            return [*self._pending.values(), *confirmed]

    def ahead(self) -> list[Entry]:
        """Entries whose time is too far ahead. They win until the clock gets there."""
        with self.document.lock:
            limit = self._clock.limit_ts
            return [entry for entry in self._winners.by_key.values() if entry.ts > limit]

    def observe(self, handler: Handler) -> Callable[[], None]:
        """Call ``handler`` after each transaction that changed something; returns what ends that.

        It runs with the document's lock held; what it raises is logged, and the others are called all the same.
        Transactions of ours, such as sealing again, have the origin ``None``.
        """
        return self._handlers.add(handler)

    def observe_from_above(self, handler: Handler) -> None:
        """``observe`` for the store that seals: it knows its own transactions by their ``PrivateOrigin``."""
        self._above.add(handler)

    # Writing.

    def set(self, key: str, value: object) -> None:
        """Write ``value``, or what it gives when it is a function of the time that it will have.

        Raises ``InvalidInput`` for a value or a key that an array cannot hold, ``LimitExceeded`` when the entry would
        need a time too far ahead; then nothing was written.
        """
        self.bulk_set([(key, value)])

    def bulk_set(self, entries: Iterable[tuple[str, object]]) -> None:
        """``set`` for each of ``entries``, in one transaction. When one is refused, none is written."""
        with self.document.transaction():
            staged: dict[str, Entry] = {}
            for key, value in entries:
                check_key(key)
                rival = staged.get(key) or self.entry(key)
                ts = self._clock.stamp(self.name, rival.ts if rival else -1)
                staged.pop(key, None)  # as it is pushed: the last one stands last
                staged[key] = Entry(key, check_stored(value(ts) if callable(value) else value), ts)
            for key, entry in staged.items():
                self._pending.pop(key, None)
                self._pending[key] = entry
            self.document.write_at_end(self)

    def delete(self, key: str) -> None:
        """Remove the entry of ``key``. Nothing happens where there is none."""
        self.bulk_delete([key])

    def bulk_delete(self, keys: Iterable[str]) -> None:
        """``delete`` for each of ``keys``, in one transaction."""
        with self.document.transaction():
            for key in keys:
                self._pending.pop(key, None)
                if key in self._winners.by_key:
                    self._pending_deletes.add(key)
            if self._pending_deletes:
                self.document.write_at_end(self)

    def replace_in_place(self, replacements: Iterable[tuple[str, Make]], origin: PrivateOrigin) -> int:
        """Give entries other values and keep their times and places; returns how many there were.

        It is a transaction of its own, also within another one. An edit by anybody wins against it: an edit has a
        later time, and a replaced entry stands where the one before stood. Keys without an entry are left out.
        """
        with self.document.apart(origin):
            made = {
                slot: Entry(key, check_stored(make(slot.ts)), slot.ts)
                for key, make in replacements
                if (slot := self._winners.by_key.get(key)) is not None
            }
            placed = self._mirror.positions(list(made))
            entries = {position: made[slot] for position, slot in placed}
            for first, end in runs(list(entries)):
                replace_run(self.document, self.name, first, [entries[position] for position in range(first, end)])
            return len(made)

    def next_ts(self) -> int:
        """The time that the next write would have."""
        with self.document.lock:
            return self._clock.next()

    # What the document calls.

    def write(self) -> None:
        """Carry out what waits."""
        pending, self._pending = self._pending, {}
        deletes, self._pending_deletes = self._pending_deletes, set()
        winners = self._winners.by_key
        # A peer's entry that was merged since may be later; then ours has lost before it was written.
        # Sets of all winners would cost a table of a hundred thousand entries milliseconds for each write.
        met = [key for key in pending if key in winners and key not in deletes]
        lost = {key for key in met if winners[key].ts > pending[key].ts}
        entries = [entry for key, entry in pending.items() if key not in lost]
        gone = [winners[key] for key in (pending.keys() | deletes) - lost if key in winners]
        for key in deletes - pending.keys():
            if key in winners:
                self._winners.remember_deleted(winners[key])
        array = self.document.array(self.name)
        remove(array, self._positions(gone))
        if entries:
            insert_entries(self.document, self.name, len(array), entries)

    def sweep(self) -> None:
        """Remove what lost."""
        losers, self._winners.losers = self._winners.losers, {}
        remove(self.document.array(self.name), self._positions(list(losers)))

    def mirrored(self) -> list[Slot]:
        """Every entry in the order of the array, losers among them; ``ts`` is -1 for what is none."""
        return list(self._mirror)

    def absorb(self, delta: Delta, origin: object) -> None:
        """Follow the array, find the winners, and have the handlers told."""
        removed: list[Slot] = []
        added: list[Slot] = []
        position = 0
        for change in delta:
            if "retain" in change:
                position += change["retain"]
            elif "insert" in change:
                slots = [slot_of(value) for value in change["insert"]]
                self._mirror.insert(position, slots)
                added += slots
                position += len(slots)
            else:
                removed += self._mirror.delete(position, change["delete"])
        if len(self._mirror) != len(self.document.array(self.name)):
            # Text where entries belong: the library reports it in other units than it counts it.
            removed += list(self._mirror)
            added = [slot_of(value) for value in self.document.contents(self.name)]
            self._mirror = self._winners.mirror = Mirror(added)
        self._take(removed, added, origin)

    def _take(self, removed: list[Slot], added: list[Slot], origin: object) -> None:
        if ahead := self._clock.see(slot.ts for slot in added):
            facts = {"guid": self.document.guid, "array": self.name, "entries": ahead}
            _log.warning("entries were written too far ahead of this clock and win until then", extra=facts)
        changes = self._winners.resolve(removed, added)
        if self._winners.losers:
            self.document.sweep_at_end(self)
        if changes and (self._handlers or self._above):
            self.document.tell_later(lambda: self._tell(changes, origin))

    def _tell(self, changes: Mapping[str, Change], origin: object) -> None:
        self._above.tell(changes, origin)
        self._handlers.tell(changes, None if isinstance(origin, PrivateOrigin) else origin)

    def _positions(self, slots: list[Slot]) -> list[int]:
        if len(slots) == 1:
            return [self._mirror.position(slots[0])]
        return [position for position, _ in self._mirror.positions(slots)]
