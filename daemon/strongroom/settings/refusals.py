"""How a wrong file of an operator is refused: always with ``file:dotted.key``, and with the nearest known name.

Every error of this package is made here, so that all of them read alike and none of them shows a value, which may be
a secret in the wrong place.
"""

import difflib
from collections.abc import Iterable
from typing import Final

from strongroom.errors import Misconfigured

__all__ = ["duplicate_key", "missing_key", "nearest", "too_large", "unknown_key", "unreadable", "wrong_value"]

# A list that does not fit on a screen helps nobody.
KNOWN_SHOWN_MAX: Final = 30
CORRECT: Final = "correct it there; docs/settings.md has every key with its kind, plugins.yaml those of plugins"
CORRECT_FILE: Final = "correct the file, or its name; `strongroom config validate` reads settings and manifest alike"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that ``name`` was probably meant to be, or None when nothing is near."""
    names = sorted(known)
    found = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if found:
        return found[0]
    # A person who writes `run_timeout` means `run_timeout_ms`: a prefix is nearer than any spelling distance says.
    longer = [candidate for candidate in names if len(name) >= 3 and candidate.startswith(name)]
    return longer[0] if len(longer) == 1 else None


def unknown_key(where: str, known: Iterable[str]) -> Misconfigured:
    """The last part of ``where`` is a key that nobody reads."""
    names = sorted(known)
    key = where.rsplit(":", 1)[-1].rsplit(".", 1)[-1]
    guess = nearest(key, names)
    return Misconfigured(
        "SR-CONF-001",
        f"{where} is not a known key",
        why=f"did you mean {guess}?" if guess else "nothing known has a name near it",
        fix=f"known here: {', '.join(names)}"
        if len(names) <= KNOWN_SHOWN_MAX
        else "`strongroom config show` lists all",
        where=where,
        nearest=guess or "",
    )


def wrong_value(where: str, why: str, *, fix: str = "") -> Misconfigured:
    """The value at ``where`` has the wrong type, or is out of its range. ``why`` must not repeat the value."""
    return Misconfigured("SR-CONF-002", f"{where} has a wrong value", why=why, fix=fix or CORRECT, where=where)


def unreadable(where: str, why: str, *, fix: str = "") -> Misconfigured:
    """The file is not there, not a file, or not the YAML that is read here."""
    return Misconfigured("SR-CONF-003", f"{where} cannot be read", why=why, fix=fix or CORRECT_FILE, where=where)


def too_large(where: str, *, size: int, limit: int) -> Misconfigured:
    """The file is larger than anything an operator writes by hand."""
    return Misconfigured(
        "SR-CONF-004",
        f"{where} is too large",
        why=f"it has {size} bytes or more, the limit is {limit}",
        fix="keep configuration short; data does not belong in it",
        where=where,
        size=size,
        limit=limit,
    )


def duplicate_key(where: str, *, line: int, first_line: int) -> Misconfigured:
    """The same key stands twice in one mapping, and which of the two was meant cannot be known."""
    return Misconfigured(
        "SR-CONF-005",
        f"{where} is written twice",
        why=f"in lines {first_line} and {line}",
        fix="keep one of them",
        where=where,
        line=line,
    )


def missing_key(where: str, why: str, *, fix: str = "") -> Misconfigured:
    """Something that must be there is not."""
    return Misconfigured("SR-CONF-006", f"{where} is missing", why=why, fix=fix, where=where)
