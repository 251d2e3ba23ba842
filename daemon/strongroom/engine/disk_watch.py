"""Whether there is room on the disks of this host, and what is refused while there is not.

Rule 1: below the low mark nothing new is accepted. What is left is kept for what was accepted before: its ends, its
answers and the records of both. So it needs no file of its own that keeps the room.
Rule 2: above the high mark it goes on by itself; between the two it stays as it is, so that it does not flicker.
Rule 3: where a write was refused, some of ours are tried; when those fail too the disk counts as full, whatever it says
of itself, until one succeeds: a quota, or the disk of a database elsewhere, is seen in no other way.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from strongroom.errors import Exhausted, StorageFault, StrongroomError, Unavailable
from strongroom.telemetry import logs

__all__ = ["DiskMarks", "DiskRoom", "DiskWatch", "EnoughRoom"]

LOOK_S: Final = 2.0
"""How old what is known of a disk may be; looking costs a call of the system."""
FRESH_S: Final = 0.1
"""How old it may be when something is accepted: a small disk fills up in no time."""
TRIES: Final = 3
TRY_S: Final = 0.2
"""So many writes of ours fail, so far apart, before a disk counts as full: one that recovers at once is let alone."""
LARGE_BYTES: Final = 1_000_000
"""Before so much is accepted it is looked anew."""
LOW_PART: Final = 10
HIGH_PART: Final = 7
"""The marks are no more than a tenth and a seventh of a file system: a small one would never be above them."""
RETRY_MS: Final = 2_000
UNKNOWN: Final = -1
log = logs.get("engine")


class DiskRoom(Protocol):
    """Says whether there is room."""

    def check(self, what: str, needed_bytes: int = 0, *, at: Path | None = None) -> None:
        """Raises ``Exhausted`` when ``what`` is not accepted now, which takes about ``needed_bytes``, also ``at`` some
        place of its own."""


class EnoughRoom:
    """There is room: for engines without a host, and for tests."""

    def check(self, what: str, needed_bytes: int = 0, *, at: Path | None = None) -> None:
        """Nothing is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskMarks:
    """Bytes that are free: below ``low`` nothing new is accepted, from ``high`` on it is again."""

    low_bytes: int
    high_bytes: int


@dataclass(frozen=True, slots=True)
class _Found:
    place: str
    free_bytes: int
    low_bytes: int
    high_bytes: int


class DiskWatch:
    """Looks at directories every few seconds, and when it is told that a disk is full.

    ``marks`` and ``places`` are asked for each time. ``probe`` writes a little to the database and raises when that
    fails; ``spare_bytes`` is what the database has free within its file, on the first of the places.
    """

    def __init__(
        self,
        places: Callable[[], Mapping[str, Path]],
        marks: Callable[[], DiskMarks],
        *,
        probe: Callable[[], None],
        spare_bytes: Callable[[], int],
        look_s: float = LOOK_S,
    ) -> None:
        self._places = places
        self._marks = marks
        self._probe = probe
        self._spare_bytes = spare_bytes
        self._look_s = look_s
        self._looking = threading.Lock()
        self._looked_s = float("-inf")
        self._suspected = False
        self._failed = 0
        self._refused = False
        self._low = ""
        self._found: _Found | None = None
        self._changed = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_low(self) -> bool:
        """Whether nothing new is accepted for want of room."""
        return bool(self._low) or self._refused

    @property
    def free_bytes(self) -> int:
        """What is free where least is, beside the mark; -1 before it was looked."""
        return UNKNOWN if self._found is None else self._found.free_bytes

    @property
    def place(self) -> str:
        """The name of the place of which ``free_bytes`` tells."""
        return "" if self._found is None else self._found.place

    def start(self) -> None:
        """Look now, and from now on."""
        self.look()
        self._thread = threading.Thread(target=self._run, name="disk", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closed.set()
        self._changed.set()
        if self._thread is not None:
            self._thread.join()

    def refused(self) -> None:
        """A write of somebody was refused; never waits."""
        if not self._suspected:
            self._suspected = True
            self._changed.set()

    def check(self, what: str, needed_bytes: int = 0, *, at: Path | None = None) -> None:
        """Raises ``Exhausted`` when ``what`` is not accepted now, which takes about ``needed_bytes``, also ``at`` some
        place of its own."""
        if needed_bytes >= LARGE_BYTES or time.monotonic() - self._looked_s > FRESH_S:
            self.look()
        found = [each for each in (self._found, self._look_at(str(at), at) if at is not None else None) if each]
        short = next((each for each in found if each.free_bytes < each.low_bytes + needed_bytes), None)
        if not self.is_low and short is None:
            return
        short = short or self._found
        free, low = (0, 0) if short is None else (short.free_bytes, short.low_bytes)
        if self._refused or short is None:
            why = "a write was refused, and none has succeeded since"
        else:
            why = f"{free} bytes are free in {short.place}, of which {low} are kept for what was accepted before"
        raise Exhausted(
            "SR-DISK-001",
            f"there is no room for {what}",
            why=why,
            fix="free some space on the host; it goes on by itself within seconds",
            size=needed_bytes,
            limit=max(free - low, 0),
            setting="disk.low_bytes",
            free_bytes=free,
            needed_bytes=low + needed_bytes,
            retry_ms=RETRY_MS,
        )

    def look(self) -> None:
        """Look at every place now."""
        with self._looking:
            self._looked_s = time.monotonic()
            found = [each for name, path in self._places().items() if (each := self._look_at(name, path)) is not None]
            if found:
                self._found = min(found, key=lambda each: each.free_bytes - each.low_bytes)
            was_low = bool(self._low)
            low = [each for each in found if each.free_bytes < (each.high_bytes if was_low else each.low_bytes)]
            self._low = low[0].place if low else ""
            if was_low != bool(low):
                self._say()

    def _look_at(self, name: str, path: Path) -> _Found | None:
        try:
            of = os.statvfs(path)
        except OSError:
            # It is not there, or not now; whoever uses it says what is wrong.
            return None
        size, free, marks = of.f_blocks * of.f_frsize, of.f_bavail * of.f_frsize, self._marks()
        low = min(marks.low_bytes, size // LOW_PART)
        high = max(low, min(marks.high_bytes, size // HIGH_PART))
        if free < high and name == next(iter(self._places()), ""):
            free += self._spare()
        return _Found(name, free, low, high)

    def _spare(self) -> int:
        try:
            return self._spare_bytes()
        except StrongroomError:
            return 0

    def _run(self) -> None:
        while not self._closed.is_set():
            self._changed.wait(min(TRY_S, self._look_s) if self._suspected else self._look_s)
            self._changed.clear()
            if self._closed.is_set():
                return
            try:
                self.look()
                if self._suspected:
                    self._suspected = not self._succeeds()
            except Exception:
                # The last line of defence: a host whose disks nobody looks at any more would not go on by itself.
                log.exception("looking at the disks failed")

    def _succeeds(self) -> bool:
        """Whether a write of ours succeeds; it is not tried where there is no room to be seen."""
        if self._low:
            return False
        try:
            self._probe()
        except StorageFault as error:
            self._failed += 1
            if self._failed == TRIES:
                log.error("the disk takes no writes: this host accepts nothing new", extra={"why": str(error)})
                self._refused = True
            return False
        except Unavailable:
            # A database that is away says so itself; whether it has room is seen when it is back.
            return False
        if self._refused:
            log.warning("the disk takes writes again: this host accepts what comes")
        self._refused, self._failed = False, 0
        return True

    def _say(self) -> None:
        found = self._found
        facts = {} if found is None else {"place": found.place, "free_bytes": found.free_bytes}
        if self._low:
            log.error("there is little room left: this host accepts nothing new until there is more", extra=facts)
        else:
            log.warning("there is room again: this host accepts what comes", extra=facts)
