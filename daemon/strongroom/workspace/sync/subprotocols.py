"""What a client offers in ``Sec-WebSocket-Protocol``: a dialect, and perhaps its token.

Rule 1: only a dialect is ever echoed. A token that came as a subprotocol stays unanswered.
Rule 2: two tokens are none: a relay that picked one could be talked into the wrong one.
Rule 3: a browser fails the handshake when it offered subprotocols and none is echoed; so a token is offered together
with a dialect.

Source: contracts/workspace-encryption.md 12.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

__all__ = ["BEARER", "Dialect", "bearers", "chosen", "offer", "parse"]

BEARER: Final = "bearer."
OFFERS_MAX: Final = 16
"""A dialect and a token are two."""


class Dialect(StrEnum):
    """How frames are written; the value is the subprotocol. ``STRONGROOM`` is what y-websocket speaks: an outer message
    type and V1 updates. It holds also where a client offers no dialect."""

    STRONGROOM = "strongroom"
    EPICENTER = "epicenter"


def parse(header_values: Sequence[str]) -> list[str]:
    """The offers in the lines of the header, in order."""
    offers = [offer.strip() for line in header_values for offer in line.split(",", OFFERS_MAX)]
    return [offer for offer in offers if offer][:OFFERS_MAX]


def bearers(offers: Sequence[str]) -> tuple[str, ...]:
    """The tokens among the offers."""
    return tuple(offer.removeprefix(BEARER) for offer in offers if offer.startswith(BEARER))


def chosen(offers: Sequence[str]) -> Dialect | None:
    """The dialect that is echoed: the first that is known, or none."""
    known = set(Dialect)
    return next((Dialect(offer) for offer in offers if offer in known), None)


def offer(dialect: Dialect, token: str | None) -> list[str]:
    """What a client offers."""
    return [dialect.value] if token is None else [dialect.value, BEARER + token]
