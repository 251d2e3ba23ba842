"""Which span of which trace this thread works in, as the ``traceparent`` that travels with calls.

It is a number that means nothing to who does not collect traces. One from outside is believed in one thing only: that
our spans belong under it. Source: W3C Trace Context 2, section 3.2.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

__all__ = ["TRACEPARENT", "checked", "current", "given", "within"]

TRACEPARENT: Final = "traceparent"
"""The name of the header, and of the metadata of a call."""
_FORM: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_CURRENT: ContextVar[str] = ContextVar("traceparent", default="")


def current() -> str:
    """That of the span that this thread works in; empty when there is none."""
    return _CURRENT.get()


def checked(untrusted: str | bytes | None) -> str:
    """``untrusted`` when it is a traceparent; else nothing, as the standard has it. Version 00 alone is understood."""
    found = _FORM.fullmatch(untrusted) if isinstance(untrusted, str) else None
    # Zeros stand for no trace and no span.
    return found[0] if found is not None and int(found[1], 16) and int(found[2], 16) else ""


def given(metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
    """The one in the metadata of a call; nothing where there is none, or more than one."""
    found = [value for name, value in metadata or () if name == TRACEPARENT]
    return checked(found[0]) if len(found) == 1 else ""


@contextmanager
def within(traceparent: str) -> Iterator[None]:
    """What this thread does inside of the block belongs under ``traceparent``."""
    token = _CURRENT.set(traceparent)
    try:
        yield
    finally:
        _CURRENT.reset(token)
