"""Times as RFC 3339 with up to nine digits of a second, read into whole nanoseconds since 1970.

The standard library stops at microseconds, and a hash covers the nanoseconds.
Source: contracts/confidential.md 10, "JSON notes"; RFC 3339 5.6.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from strongroom_confidential_workflows.dialect.messages import malformed

__all__ = ["NS_PER_S", "read_time", "write_time"]

NS_PER_S: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})"
)


def read_time(place: str, untrusted: object) -> int:
    """Unix nanoseconds. Raises ``InvalidInput`` for another form, and for a time before 1970."""
    match = _TIME.fullmatch(untrusted) if isinstance(untrusted, str) else None
    if match is None:
        raise malformed(place, "a time as RFC 3339 has it")
    try:
        instant = datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00"))
        seconds = (instant - _EPOCH) // timedelta(seconds=1)
    except (ValueError, OverflowError):
        raise malformed(place, "a time that exists") from None
    found = seconds * NS_PER_S + int((match[2] or "").ljust(9, "0"))
    if found < 0:
        raise malformed(place, "a time since 1970")
    return found


def write_time(unix_ns: int) -> str:
    """The time in UTC, without zeros at the end of its fraction. Raises ``InvalidInput`` after the year 9999."""
    seconds, fraction = divmod(unix_ns, NS_PER_S)
    try:
        whole = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    except OverflowError:
        raise malformed("the time", "before the year 10000") from None
    digits = f"{fraction:09d}".rstrip("0")
    return f"{whole}.{digits}Z" if digits else f"{whole}Z"
