"""Which scheduled seconds are due: after downtime, after a pause, and when the clock was set.

Rule 1: a second is named by what the schedule says, never by when it was delivered, so it is the same event again.
Rule 2: nothing here does I/O or looks at a clock.
"""

from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from strongroom.plugin import CapabilityError
from strongroom_cron_trigger.schedule import Schedule

__all__ = ["CATCH_UPS", "OVERLAPS", "Due", "Marks", "Policy", "due"]

CATCH_UPS: Final = ("none", "last", "all")
OVERLAPS: Final = ("allow", "skip", "queue")
ON_TIME_S: Final = 10
"""A second that is this late is on time: a busy host and a quick restart are no downtime."""
WRONG_CLOCK_S: Final = 26 * 3600
"""A clock is set back by an hour or, with a wrong zone, by a day. Beyond that it was wrong before."""
LOOK_BACK_S: Final = (60, 3600, 86_400)
"""How far is looked back first, so that a long downtime does not mean walking through all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What to do about seconds that were missed. ``events_max`` bounds ``all``; the oldest are left out."""

    catch_up: str = "last"
    window_s: int = 604_800
    events_max: int = 1000
    overlap: str = "allow"

    def with_words(self, schedule: Schedule) -> "Policy":
        """The policy of one schedule. Raises ``CapabilityError`` for words with another value."""
        catch_up = schedule.words.get("CATCH_UP", self.catch_up)
        overlap = schedule.words.get("OVERLAP", self.overlap)
        for word, value, known in (("CATCH_UP", catch_up, CATCH_UPS), ("OVERLAP", overlap, OVERLAPS)):
            if value not in known:
                text = f"invalid cron schedule: {word} must be one of {', '.join(known)}"
                raise CapabilityError("Public", "User", "InvalidArgument", text)
        return replace(self, catch_up=catch_up, overlap=overlap)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """How far a schedule is done, in Unix seconds.

    Everything up to ``done_s`` was fired or left out. When something was left out between ``before_s`` and
    ``left_out_s``, a clock that is set back to there shows that it had been wrong, and those seconds come after all.
    """

    done_s: int
    before_s: int = 0
    left_out_s: int = 0

    def settled(self, now_s: int) -> "Marks":
        """The marks to go by at ``now_s``: new ones when the clock that made these was wrong."""
        wrong = self.done_s - now_s > WRONG_CLOCK_S and not 0 < self.before_s <= now_s
        return Marks(done_s=now_s) if wrong else self

    def from_s(self, now_s: int) -> int:
        """After which second to go on at ``now_s``. While the clock is behind, nothing is due a second time."""
        behind = self.done_s > now_s and 0 < self.before_s <= now_s
        return self.before_s if behind else self.done_s

    def after(self, from_s: int, fired_s: int, *, left_out: bool) -> "Marks":
        """The marks once ``fired_s`` was fired, having gone on after ``from_s``."""
        if from_s == self.done_s:
            if left_out:
                return Marks(done_s=fired_s, before_s=from_s, left_out_s=fired_s)
            kept = fired_s - self.left_out_s <= WRONG_CLOCK_S
            return replace(self, done_s=fired_s) if kept else Marks(done_s=fired_s)
        if from_s == self.before_s and fired_s < self.done_s:
            return replace(self, before_s=fired_s)
        return Marks(done_s=fired_s)


@dataclass(frozen=True, slots=True)
class Due:
    """The seconds to fire now, in ascending order, and whether the policy left some out."""

    seconds: tuple[int, ...]
    left_out: bool


def due(schedule: Schedule, policy: Policy, from_s: int, now_s: int) -> Due:
    """What is due at ``now_s`` when everything up to ``from_s`` is done."""
    on_time = _between(schedule, max(from_s, now_s - ON_TIME_S - 1), now_s)
    late_to_s = now_s - ON_TIME_S - 1
    if from_s >= late_to_s:
        return Due(on_time, left_out=False)
    if policy.catch_up == "none" or (policy.catch_up == "last" and on_time):
        left_out = next(schedule.after(from_s), now_s + 1) <= late_to_s
        return Due(on_time, left_out)
    wanted = 1 if policy.catch_up == "last" else policy.events_max
    late, whole = _latest(schedule, max(from_s, now_s - policy.window_s), late_to_s, wanted)
    if whole and from_s < now_s - policy.window_s:
        whole = next(schedule.after(from_s), now_s) >= now_s - policy.window_s
    return Due((*late, *on_time), left_out=not whole)


def _between(schedule: Schedule, from_s: int, to_s: int) -> tuple[int, ...]:
    """Its seconds after ``from_s`` up to and with ``to_s``."""
    found = []
    for at_s in schedule.after(from_s):
        if at_s > to_s:
            break
        found.append(at_s)
    return tuple(found)


def _latest(schedule: Schedule, from_s: int, to_s: int, count: int) -> tuple[tuple[int, ...], bool]:
    """The latest ``count`` seconds after ``from_s`` up to ``to_s``, and whether these are all."""
    kept: deque[int] = deque(maxlen=count)
    for start_s in sorted({max(from_s, to_s - back_s) for back_s in (*LOOK_BACK_S, to_s - from_s)}, reverse=True):
        kept.clear()
        seen = 0
        for at_s in schedule.after(start_s):
            if at_s > to_s:
                break
            kept.append(at_s)
            seen += 1
        if seen >= count:
            return tuple(kept), next(schedule.after(from_s)) == kept[0]
    return tuple(kept), True
