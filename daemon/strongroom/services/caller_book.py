"""The callers' file as the host goes by it: whose token is it, whose certificate, and is it over."""

import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from strongroom.errors import Forbidden
from strongroom.settings.callers import CallerEntry

__all__ = ["TOKEN_CHARS_MAX", "CallerBook", "Metadata", "token_in", "unknown"]

TOKEN_CHARS_MAX: Final = 512
"""Tokens of ours have 43 characters; a longer one is not hashed."""
SCHEME: Final = "bearer "
HEADER: Final = "authorization"
Metadata: TypeAlias = Sequence[tuple[str, str | bytes]] | None


class CallerBook:
    """The callers' file, as it was read last."""

    def __init__(self, entries: Sequence[CallerEntry] = (), *, now_s: Callable[[], float] = time.time) -> None:
        self._entries = tuple(entries)
        self._now_s = now_s

    def replace(self, entries: Sequence[CallerEntry]) -> None:
        """Go by other ones, from the next call on."""
        self._entries = tuple(entries)

    def by_token(self, untrusted: str) -> CallerEntry:
        """Whose token it is. Raises ``Forbidden``."""
        found = None
        if 0 < len(untrusted) <= TOKEN_CHARS_MAX:
            digest = hashlib.sha256(untrusted.encode(errors="replace")).digest()
            for entry in self._entries:
                # All of them, whichever it is: the time says nothing.
                if entry.token_sha256 and hmac.compare_digest(entry.token_sha256, digest):
                    found = entry
        if found is None:
            raise Forbidden(
                "SR-AUTH-003",
                "the token is not known here",
                why="no entry of callers_file has its digest",
                fix="make one with `strongroom callers token`, add its entry and `strongroom reload`",
            )
        self._check_time(found)
        return found

    def by_certificate(self, names: Sequence[str]) -> CallerEntry | None:
        """Whose certificate bears one of ``names``: the first entry of the file. Raises ``Forbidden`` when it ended."""
        wanted = {name.lower() for name in names}
        named = (entry for entry in self._entries if entry.certificate)
        found = next((entry for entry in named if entry.certificate.lower() in wanted), None)
        if found is not None:
            self._check_time(found)
        return found

    def _check_time(self, entry: CallerEntry) -> None:
        if entry.ends_at and self._now_s() >= entry.ends_at:
            raise Forbidden(
                "SR-AUTH-004",
                f"the entry of {entry.name} has expired",
                why="callers_file says until when it holds",
                fix="ask the operator for a new one",
                caller=entry.name,
            )


def unknown() -> Forbidden:
    """Of somebody who comes where nothing is given without a proof, and has none that is known."""
    return Forbidden(
        "SR-AUTH-006",
        "nobody may call here without a token, or a certificate that is known",
        why="callers_file names nobody like this caller",
        fix="send the metadata `authorization: Bearer TOKEN`, or ask the operator for an entry",
    )


def token_in(metadata: Metadata) -> str | None:
    """The token that is shown, if any. Raises ``Forbidden`` for what is not read as one."""
    values = [value for key, value in metadata or () if key == HEADER]
    if not values:
        return None
    value = values[0]
    if len(values) != 1 or not isinstance(value, str) or not value.lower().startswith(SCHEME):
        raise Forbidden(
            "SR-AUTH-005",
            "the metadata `authorization` is not one bearer token",
            why="it is read only as `Bearer TOKEN`, and only once",
            fix="send `authorization: Bearer TOKEN`",
        )
    return value[len(SCHEME) :].strip()
