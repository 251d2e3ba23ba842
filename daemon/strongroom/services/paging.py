"""Page tokens: where the next page starts, in a form that callers hand back and need not understand."""

import base64
import binascii
import re
from typing import Final

from strongroom.errors import InvalidInput, LimitExceeded

__all__ = ["checked_index", "decode_token", "encode_token", "page_size"]

PLACE_MAX: Final = 2**63 - 1
"""What a database can compare a time or an index with."""
PLACE: Final = re.compile("[0-9]{1,19}", re.ASCII)
PAGE_SIZE_MAX: Final = 500
"""One answer stays below a megabyte."""


def page_size(untrusted_size: int, default: int) -> int:
    """The number of entries of a page. Raises ``LimitExceeded``."""
    if untrusted_size > PAGE_SIZE_MAX:
        raise LimitExceeded(
            "SR-API-002",
            f"a page of {untrusted_size} entries is asked for, more than {PAGE_SIZE_MAX}",
            fix="ask for several pages",
            size=untrusted_size,
            limit=PAGE_SIZE_MAX,
            setting="page_size_max",
        )
    return untrusted_size or default


def encode_token(created_at: int, key: str) -> str:
    """The token of the page behind the entry with that time (Unix ms) and key."""
    return base64.urlsafe_b64encode(f"{created_at}|{key}".encode()).decode()


def decode_token(untrusted_token: str) -> tuple[int, str] | None:
    """Where the page starts; nothing for the first page. Raises ``InvalidInput``."""
    if not untrusted_token:
        return None
    try:
        decoded = base64.b64decode(untrusted_token.encode(), altchars=b"-_", validate=True)
        created_at, key = decoded.decode().split("|", 1)
        # Python reads more as a number than what was written here, and a database less as a text.
        if not key.isprintable() or not PLACE.fullmatch(created_at) or (place := int(created_at)) > PLACE_MAX:
            raise ValueError(created_at)
    except (ValueError, binascii.Error):
        raise InvalidInput(
            "SR-API-003",
            "the page token is not one of ours",
            fix="hand back next_page_token as it was, or none for the first page",
            field="page_token",
        ) from None
    return place, key


def checked_index(untrusted_index: int) -> int:
    """The index of the first event that is wanted. Raises ``InvalidInput``."""
    if untrusted_index > PLACE_MAX:
        raise InvalidInput(
            "SR-API-010",
            f"{untrusted_index} is not the index of an event",
            fix="go on from the index after the last event that arrived",
            field="from_index",
        )
    return untrusted_index
