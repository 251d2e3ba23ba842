"""Where a room is: its URL as clients write it, and the path of a request as the relay reads it.

Rule: a path is split first and decoded then, once, part by part; so nothing that is encoded can move a border.
Source: contracts/workspace-encryption.md 9 and 12.
"""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote_to_bytes, urlsplit

from strongroom.workspace.sync import faults

__all__ = ["Query", "RoomAddress", "parse_target", "percent_encoded", "room_url"]

# What encodeURIComponent of JavaScript leaves as it is, besides letters, digits and "-_.".
UNRESERVED: Final = "!~*'()"
OWNER_CHARS_MAX: Final = 256
"""An owner is an id of some directory of users; those have 36 to 255 characters."""
GUID_CHARS_MAX: Final = 256
"""Four segments of 64 characters: workspace, collection, row and field."""
DEVICE_CHARS_MAX: Final = 128
"""``<mount>-daemon`` with a mount of 64, or a UUID; it is repeated in every presence frame."""
QUERY_PARTS_MAX: Final = 16
"""A room needs two."""
SCHEMES: Final = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_PATH = re.compile(r"/api/owners/([^/]+)/rooms/([^/]+)")
_SEGMENT = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
# Names of Windows devices: no file can be called so there.
_DEVICE = re.compile(r"con|prn|aux|nul|com[1-9]|lpt[1-9]")


@dataclass(frozen=True, slots=True)
class RoomAddress:
    """Which room: the workspace ``guid`` of an owner."""

    owner_id: str
    guid: str


@dataclass(frozen=True, slots=True)
class Query:
    """What a request says behind its path: a device id, empty if it is unusable, and the tokens that stood there."""

    device_id: str
    tokens: tuple[str, ...] = field(repr=False)

    def __repr__(self) -> str:
        return f"Query(device_id={self.device_id!r}, tokens={len(self.tokens)})"


def percent_encoded(part: str) -> str:
    """One part of a URL as JavaScript's ``encodeURIComponent`` writes it."""
    return quote(part, safe=UNRESERVED)


def room_url(base: str, address: RoomAddress, device_id: str) -> str:
    """The WebSocket URL of a room on the relay at ``base``. Raises ``InvalidInput`` for a base that is no URL."""
    try:
        parts = urlsplit(base)
        port = parts.port
    except ValueError:
        raise faults.url_malformed("it cannot be taken apart") from None
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise faults.url_malformed(f"its scheme is {parts.scheme[:16] or 'absent'}" if parts.hostname else "no host")
    if parts.username is not None or parts.query or parts.fragment:
        raise faults.url_malformed("it holds a user, a query or a fragment")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    place = f"{host}:{port}" if port is not None else host
    owner, guid = percent_encoded(address.owner_id), percent_encoded(address.guid)
    path = f"{parts.path.rstrip('/')}/api/owners/{owner}/rooms/{guid}"
    return f"{SCHEMES[parts.scheme]}://{place}{path}?deviceId={percent_encoded(device_id)}"


def parse_target(target: str) -> tuple[RoomAddress, Query]:
    """The room and the query of a request's target. Raises ``NotFound`` for any other path."""
    path, _, query = target.partition("?")
    match = _PATH.fullmatch(path)
    owner, guid = (_decoded(part) for part in match.groups()) if match else (None, None)
    if not owner or not guid or len(owner) > OWNER_CHARS_MAX or not is_guid(guid):
        raise faults.no_room()
    return RoomAddress(owner, guid), _query(query)


def is_guid(text: str) -> bool:
    """Whether ``text`` is a workspace id, or several segments of that form joined by dots."""
    segments = text.split(".")
    return len(text) <= GUID_CHARS_MAX and all(
        _SEGMENT.fullmatch(segment) and not _DEVICE.fullmatch(segment) for segment in segments
    )


def _query(text: str) -> Query:
    devices: list[str] = []
    tokens: list[str] = []
    for part in text.split("&", QUERY_PARTS_MAX)[:QUERY_PARTS_MAX]:
        name, _, value = part.partition("=")
        wanted = {"deviceId": devices, "token": tokens}.get(name)
        if wanted is not None:
            wanted.append(_decoded(value.replace("+", " ")) or "")
    device = devices[0] if len(devices) == 1 else ""
    return Query(device if len(device) <= DEVICE_CHARS_MAX else "", tuple(tokens))


def _decoded(part: str) -> str | None:
    """A part of a URL, or ``None`` if it is not UTF-8 once decoded, holds control signs, or encodes none at all."""
    try:
        text = unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None
