"""Whether a request may in, from its target and its headers.

Rule: deny by default. Without a token that is known now, and known for the owner that the URL names, nothing is done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from strongroom.workspace.sync import faults
from strongroom.workspace.sync.room_url import RoomAddress, parse_target
from strongroom.workspace.sync.subprotocols import Dialect, bearers, chosen, parse
from strongroom.workspace.sync.tokens import Grant, TokenFile

__all__ = ["Asked", "RequestHeaders", "admitted", "ask"]

_SCHEME = "bearer "


class RequestHeaders(Protocol):
    """Headers of a request, names in any case."""

    def get_all(self, key: str) -> Sequence[str]:
        """The values of the lines with this name."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for. ``grant`` is ``None`` without a token that is known."""

    address: RoomAddress
    device_id: str
    dialect: Dialect | None
    grant: Grant | None


def ask(target: str, headers: RequestHeaders, tokens: TokenFile, origins: Sequence[str]) -> Asked:
    """Read a request. Raises ``NotFound`` for a path that is no room, ``Forbidden`` for a web page that may not ask."""
    address, query = parse_target(target)
    for origin in headers.get_all("Origin"):
        if origin not in origins:
            raise faults.origin_refused()
    offers = parse(headers.get_all("Sec-WebSocket-Protocol"))
    shown = (*bearers(offers), *query.tokens, *_authorization(headers))
    return Asked(address, query.device_id, chosen(offers), tokens.admit(shown))


def admitted(asked: Asked) -> Grant:
    """What the token allows in the room that was asked for. Raises ``Forbidden``."""
    if asked.grant is None:
        raise faults.not_admitted()
    if asked.grant.owner_id != asked.address.owner_id:
        raise faults.other_owner()
    return asked.grant


def _authorization(headers: RequestHeaders) -> tuple[str, ...]:
    lines = headers.get_all("Authorization")
    return tuple(line[len(_SCHEME) :].strip() for line in lines if line.lower().startswith(_SCHEME))
