"""What reading an entry gives: nothing, a value, or the reason why there is none to show.

Absent and unreadable are different things: what cannot be read here is there all the same, and must not be written over
because it seemed to be missing. Source: contracts/workspace-encryption.md 7, "Later reading API".
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

__all__ = ["Absent", "Present", "Reading", "Unreadable", "warn_of"]

WARNINGS_MAX: Final = 10
"""Of one transaction; the others are counted. A peer could fill the log of this host otherwise."""
_log: Final = logging.getLogger("strongroom.workspace")


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no such entry."""


@dataclass(frozen=True, slots=True)
class Present:
    """The value, as JSON."""

    value: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """There is an entry, and ``reason`` says why it is not shown; ``key_version`` is what its header names, if any."""

    reason: str
    key_version: int | None


Reading = Absent | Present | Unreadable


def warn_of(unreadable: Mapping[str, str]) -> None:
    """Log the keys of entries that cannot be read, with the reasons."""
    for key, reason in islice(unreadable.items(), WARNINGS_MAX):
        _log.warning('[encrypted-kv] Failed to decrypt entry "%s": %s', key, reason)
    if len(unreadable) > WARNINGS_MAX:
        _log.warning("[encrypted-kv] %d more entries cannot be read", len(unreadable) - WARNINGS_MAX)
