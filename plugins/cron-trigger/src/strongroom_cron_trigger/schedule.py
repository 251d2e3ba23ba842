"""A cron schedule as text, and the seconds that it names.

Five fields (minute, hour, day of month, month, day of week) or six with seconds first. Words before them say what
differs from the plugin's config for this one schedule: ``CRON_TZ=Europe/Berlin`` (or ``TZ=``), ``CATCH_UP=all``,
``OVERLAP=skip``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from strongroom.plugin import CapabilityError
from strongroom_cron_trigger.fields import problem

__all__ = ["WORDS", "Schedule", "parse_schedule", "parse_zone"]

SCHEDULE_CHARACTERS_MAX: Final = 256
"""A schedule is a line that somebody typed; this bounds the work of reading it."""
ZONE_CHARACTERS_MAX: Final = 64
FIELDS: Final = (5, 6)
CHECKED_RUNS: Final = 12
CHECKED_FROM: Final = 1_767_225_600
"""2026-01-01T00:00:00Z: the same schedule is judged alike whenever it is registered."""
NO_SUCH_DAY: Final = "Bad day-of-month"
"""What the library says of a date that never comes, once each field is a right one by itself."""
ZONE_WORDS: Final = ("CRON_TZ", "TZ")
WORDS: Final = (*ZONE_WORDS, "CATCH_UP", "OVERLAP")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule that was understood. ``words`` are the settings before its fields, without the zone."""

    fields: str
    zone: tzinfo
    words: Mapping[str, str]

    def after(self, unix_s: int) -> Iterator[int]:
        """Every second that it names after ``unix_s``, as Unix seconds in ascending order.

        Where a zone's clock skips an hour, a schedule at a fixed time in that hour is due when the hour is over; where
        the clock repeats an hour, it is due in the first of the two. Other schedules follow the clock as it shows.
        """
        start = datetime.fromtimestamp(unix_s, self.zone)
        found = CronSim(self.fields, start)
        minute, hour = self.fields.split()[-5:-3]
        if self.zone is not UTC and not minute.startswith("*") and not hour.startswith("*"):
            # What the library does for five fields, for six as well.
            found.fixup_tz, found.dt = self.zone, start.replace(tzinfo=None)
        last_s = unix_s
        # In an hour that the clock shows twice the library may begin with the first one, which is over.
        for at in found:
            at_s = int(at.timestamp())
            if at_s > last_s:
                last_s = at_s
                yield at_s

    def check_fastest(self, fastest_s: int) -> None:
        """Raises ``CapabilityError`` when two of the next runs are closer than ``fastest_s`` seconds."""
        before_s: int | None = None
        for count, at_s in enumerate(self.after(CHECKED_FROM)):
            if before_s is not None and at_s - before_s < fastest_s:
                text = f"maximum fastest cron schedule is {_duration(fastest_s)}"
                raise CapabilityError("Public", "User", "LimitExceeded", text)
            before_s = at_s
            if count + 1 == CHECKED_RUNS:
                return
        if before_s is None:
            raise _invalid("it names no time in the next fifty years")


def parse_schedule(untrusted: str, default_zone: tzinfo) -> Schedule:
    """The schedule. Raises ``CapabilityError`` (Public, User, InvalidArgument)."""
    if len(untrusted) > SCHEDULE_CHARACTERS_MAX:
        raise _invalid(f"it is longer than {SCHEDULE_CHARACTERS_MAX} characters")
    parts = untrusted.split()
    if not parts:
        raise _invalid("cron schedule must specify five or six fields")
    zone, words = default_zone, {}
    while parts and "=" in parts[0]:
        word, _, value = parts.pop(0).partition("=")
        if word not in WORDS or word in words:
            raise _invalid(f"{word[:20]!r} before the fields is not one of {', '.join(WORDS)}, each once")
        if word in ZONE_WORDS:
            zone = parse_zone(value)
        else:
            words[word] = value
    if len(parts) not in FIELDS:
        raise _invalid(f"it has {len(parts)} fields, it must have 5, or 6 with seconds first")
    fields = " ".join("*" if part == "?" else part for part in parts)
    if not fields.isascii():
        raise _invalid("its fields hold other characters than ASCII")
    wrong = problem(fields.split())
    if wrong:
        raise _invalid(wrong)
    try:
        CronSim(fields, datetime.fromtimestamp(CHECKED_FROM, UTC))
    except (CronSimError, ValueError, RecursionError) as error:
        day, month = fields.split()[-3:-1]
        if str(error) == NO_SUCH_DAY:
            raise _invalid(f"day of month {day!r}: month {month!r} has no such day") from None
        raise _invalid(str(error)) from None
    return Schedule(fields, zone, words)


def parse_zone(untrusted: str) -> tzinfo:
    """The zone of that name. Raises ``CapabilityError`` (Public, User, InvalidArgument)."""
    if untrusted.upper() in {"UTC", "ETC/UTC", "Z"}:
        return UTC
    try:
        if len(untrusted) <= ZONE_CHARACTERS_MAX:
            return ZoneInfo(untrusted)
    except (ValueError, OSError, LookupError):  # no zone, no name of a zone, a directory of zones
        pass
    raise _invalid(f"there is no time zone {untrusted[:ZONE_CHARACTERS_MAX]!r}")


def _invalid(why: str) -> CapabilityError:
    return CapabilityError("Public", "User", "InvalidArgument", f"invalid cron schedule: {why}")


def _duration(seconds: int) -> str:
    """As Go writes durations, for texts that others compare: 30s, 1m30s, 1h0m0s."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    text = f"{second}s"
    if minutes:
        text = f"{minute}m{text}"
    return f"{hours}h{text}" if hours else text
