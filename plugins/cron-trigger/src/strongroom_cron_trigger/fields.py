"""What is wrong with the fields of a schedule, in words that name the field, the value and what it may be.

The library says no more than which field it is. What passes here and not there is refused in the library's words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["problem"]


@dataclass(frozen=True, slots=True)
class Field:
    """A field: its values are whole numbers from ``lowest`` to ``highest``, or ``names`` that stand for them."""

    name: str
    lowest: int
    highest: int
    names: tuple[str, ...] = ()
    last: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """Which values there are."""
        numbers = f"{self.lowest} to {self.highest}"
        return f"{numbers} or {self.names[0]} to {self.names[-1]}" if self.names else numbers

    def number(self, text: str) -> int | None:
        """The value that ``text`` stands for; ``None`` when there is no such value."""
        if text in self.names:
            return self.names.index(text) + self.lowest
        if not text.isdecimal() or len(text) > DIGITS_MAX:
            return None
        return int(text) if self.lowest <= int(text) <= self.highest else None


DIGITS_MAX: Final = 9
MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
FIELDS: Final = (
    Field("second", 0, 59),
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day of month", 1, 31, last=("L", "LW")),
    Field("month", 1, 12, MONTHS),
    Field("day of week", 0, 7, DAYS),
)
WEEK: Final = FIELDS[5]
DIGITS_OF_WEEK: Final = frozenset("01234567")
NTH_MAX: Final = 5
"""A weekday comes at most five times in a month."""


def problem(parts: Sequence[str]) -> str:
    """Why the five or six fields are no schedule; empty when nothing is wrong with any of them by itself."""
    for field, untrusted in zip(FIELDS[-len(parts) :], parts, strict=True):
        for item in untrusted.upper().split(","):
            why = _of_item(field, item)
            if why:
                return f"{field.name} {untrusted!r}: {why}"
    return ""


def _of_item(field: Field, item: str) -> str:
    if not item:
        return "a part of it is empty"
    if field is WEEK and ("L" in item or "#" in item) and item not in field.names:
        return _of_counted_day(item)
    values, slash, step = item.partition("/")
    if slash and (why := _of_step(field, step)):
        return why
    if values == "*" or values in field.last:
        return ""
    first, dash, last = values.partition("-")
    low, high = field.number(first), field.number(last) if dash else None
    if low is None:
        return _no_value(field, first)
    if not dash:
        return ""
    if high is None:
        return _no_value(field, last)
    if high < low:
        start, end = (field.names[-1], field.names[0]) if field.names else (str(field.highest), str(field.lowest))
        return f"the range {values} goes backwards; write {first}-{start},{end}-{last}"
    return ""


def _of_step(field: Field, step: str) -> str:
    count = 7 if field is WEEK else field.highest - field.lowest + 1
    if step.isdecimal() and len(step) <= DIGITS_MAX and 1 <= int(step) <= count:
        return ""
    return f"the step {step[:20]!r} is not one of 1 to {count}"


def _of_counted_day(item: str) -> str:
    """``5L`` is the last Friday of a month, ``5#2`` the second one."""
    day, mark, nth = item.partition("#")
    if not mark:
        return "" if item[-1] == "L" and item[:-1] in DIGITS_OF_WEEK else "the last of a day is written 0L to 7L"
    if WEEK.number(day) is None:
        return _no_value(WEEK, day)
    if not nth.isdecimal() or len(nth) > 1 or not 1 <= int(nth) <= NTH_MAX:
        return f"{nth[:20]!r} after # is not one of 1 to {NTH_MAX}"
    return ""


def _no_value(field: Field, value: str) -> str:
    return f"{value[:20]!r} is not one of {field.allowed}"
