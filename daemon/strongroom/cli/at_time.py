"""A time that a person names: RFC 3339 with its zone, or Unix seconds."""

from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from strongroom.cli.exits import Exit
from strongroom.cli.failure import Failure, bad_data

__all__ = ["At", "time_of"]

At = Annotated[
    str,
    typer.Option("--at", help="Time to verify at, as 2026-07-01T00:00:00Z or Unix seconds.", metavar="TIME"),
]
_UNIX_MAX_S: Final = 253_402_300_799
"""The end of the year 9999, after which no date can be written."""


def time_of(text: str) -> datetime:
    """The time in ``text``. Raises ``Failure``."""
    try:
        if text.isascii() and text.isdigit():
            return datetime.fromtimestamp(min(int(text[:20]), _UNIX_MAX_S + 1), UTC)
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise _no_time("it is no date") from None
    if found.tzinfo is None:
        raise _no_time("it does not say its time zone")
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise _no_time("no calendar has it") from None


def _no_time(why: str) -> Failure:
    return bad_data(
        "SR-CLI-102",
        "--at is no time",
        why=why,
        fix="write it as 2026-07-01T00:00:00Z, or as seconds since 1970",
        exit_code=Exit.USAGE,
    )
