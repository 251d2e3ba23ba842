"""Whether there is room for one more run: on this host, and in the share of its owner.

Rule 1: no owner takes all that there is. Where there are several, each holds less than a few times what is left, so the
first that takes much has four fifths, the next one four fifths of the rest, and a newcomer always has some.
Rule 2: while other owners come and go, an owner has no more workers than there are runners for it. More of them execute
nothing more, and each that brings its run to where it waits for a runner keeps the one interpreter of the host busy.
Rule 3: what the host as a whole has no room for is ``Unavailable``; what an owner has used up is ``Exhausted``.
"""

import time
from collections import Counter
from typing import Final

from strongroom.engine.handles import Place, RunHandle
from strongroom.engine.limits import EngineLimits
from strongroom.engine.owner_limits import StartRates
from strongroom.errors import Exhausted, Unavailable
from strongroom.guest.neighbours import Neighbours

__all__ = ["Room"]

TAKEN_PER_FREE: Final = 4
"""An owner holds less than so many times what is free."""
WORKERS_MIN: Final = 2
"""Left to an owner whatever there are of runners: one run is stored while the next is executed."""
RETRY_MS: Final = 1_000


class Room:
    """What each owner holds: runs that are queued or executed, and runs that wait. The lock of its user guards it."""

    def __init__(self, limits: EngineLimits, starts: StartRates) -> None:
        """``limits`` are looked at each time: they may change."""
        self._limits = limits
        self._starts = starts
        self._neighbours = Neighbours()
        self._active: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._since: dict[str, float] = {}
        self.backlog: Counter[tuple[str, str]] = Counter()
        """Runs that are queued for a worker, by module and owner."""
        self.unstarted: Counter[str] = Counter()
        """Runs whose guest was not executed yet, by workflow."""
        self.active = 0
        """Runs that are accepted and do not wait for anything outside."""
        self.waiting = 0
        """Runs that wait for something outside."""

    @property
    def queued(self) -> int:
        """Runs that are queued for a worker."""
        return len(self._since)

    def oldest_queued_s(self) -> float:
        """How long the one has been queued that has been for longest; 0 without any."""
        now_s = time.monotonic()
        return now_s - min(list(self._since.values()), default=now_s)

    def move(self, handle: RunHandle, place: Place) -> None:
        """Every change of place of a run that is counted."""
        before, handle.place = handle.place, place
        if parked := (place is Place.PARKED) - (before is Place.PARKED):
            self.add_waiting(handle.owner, parked)
            self.add_active(handle.owner, -parked)
        self.backlog[handle.module, handle.owner] += (place is Place.QUEUED) - (before is Place.QUEUED)
        if place is Place.QUEUED:
            self._since[handle.run_id] = time.monotonic()
        else:
            self._since.pop(handle.run_id, None)

    def active_of(self, owner: str) -> int:
        """Runs of one owner that are accepted and do not wait."""
        return self._active[owner]

    def executing_max(self, owner: str) -> int:
        """How many runs of an owner may be executed at once."""
        return self._limits.owners.of(owner).runs_executing_max

    def local_max(self, owner: str) -> int:
        """How many of them may be local: the last runner is kept for other owners while they come and go."""
        most = self.executing_max(owner)
        if self._limits.owners.is_shared and self._neighbours.is_near_without({owner}):
            most = min(most, max(self._limits.runners_max - 1, WORKERS_MIN))
        return most

    def take(self, owner: str, size: int = 0) -> None:
        """Count one more run that is accepted, whose payload has ``size`` bytes.

        Raises ``Unavailable`` and ``Exhausted`` where it does not fit.
        """
        limits = self._limits.owners.of(owner)
        accepted, waits = "accepted and not finished", "waiting"
        if self.active >= self._limits.runs_queued_max:
            raise _full("SR-RUN-007", accepted, self._limits.runs_queued_max, "limits.runs_queued_max")
        if self.waiting >= self._limits.runs_waiting_max:
            raise _full("SR-RUN-024", waits, self._limits.runs_waiting_max, "limits.runs_waiting_max")
        free = self._limits.runs_queued_max - self.active
        self._check(owner, "SR-LIMIT-002", accepted, self._active[owner], limits.runs_queued_max, free)
        free = self._limits.runs_waiting_max - self.waiting
        self._check(owner, "SR-LIMIT-003", waits, self._waiting[owner], limits.runs_waiting_max, free)
        self._starts.take(owner, size)
        self.add_active(owner, 1)
        self._neighbours.served(owner)

    def add_unstarted(self, workflow_id: str, change: int) -> None:
        """So many more runs of a workflow are accepted whose guest was not executed yet."""
        _add(self.unstarted, workflow_id, change)

    def add_active(self, owner: str, change: int) -> None:
        """So many more runs of an owner are accepted and do not wait."""
        self.active += change
        _add(self._active, owner, change)

    def add_waiting(self, owner: str, change: int) -> None:
        """So many more runs of an owner wait."""
        self.waiting += change
        _add(self._waiting, owner, change)

    def _check(self, owner: str, code: str, what: str, held: int, limit: int, free: int) -> None:
        setting = SETTINGS[code]
        if limit and held >= limit:
            why = f"the limit {setting} is {limit}"
        elif self._limits.owners.is_shared and held >= TAKEN_PER_FREE * free:
            limit = held
            why = f"the host has room for {free} more, which is kept for other owners"
        else:
            return
        raise Exhausted(
            code,
            f"{held} runs of owner {owner} are {what}",
            why=why,
            fix="try again in a moment, or raise the limit",
            size=held + 1,
            limit=limit,
            setting=setting,
            retry_ms=RETRY_MS,
        )


SETTINGS: Final = {"SR-LIMIT-002": "owners.runs_queued_max", "SR-LIMIT-003": "owners.runs_waiting_max"}


def _add(counts: Counter[str], owner: str, change: int) -> None:
    counts[owner] += change
    if not counts[owner]:
        del counts[owner]


def _full(code: str, what: str, limit: int, setting: str) -> Unavailable:
    """The refusal of a run that does not fit below ``limit``; ``what`` is what so many runs are."""
    return Unavailable(
        code,
        f"{limit} runs are {what}",
        why=f"the limit {setting} is {limit}",
        fix="try again in a moment, or raise the limit",
        limit=limit,
        setting=setting,
        retry_ms=RETRY_MS,
    )
