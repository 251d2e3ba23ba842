"""One request and its answer over one line, with every size counted while it is read.

Bodies are given as they came: a compressed answer, which nobody asked for, stays compressed, so no bomb goes off here.
"""

import socket
from dataclasses import dataclass, field
from typing import Final

from urllib3 import HTTPHeaderDict, HTTPResponse
from urllib3.connection import HTTPConnection

from strongroom_http_actions.headers import Fields
from strongroom_http_actions.refusals import limited, unavailable
from strongroom_http_actions.target import Target

__all__ = ["Answer", "exchange"]

AGENT: Final = "strongroom"
FIRST_FINAL_STATUS: Final = 200
LAST_STATUS: Final = 599


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the far side said. A status of any kind is data."""

    status: int
    fields: Fields
    body: bytes = field(repr=False)

    def location(self) -> str:
        """Where a redirect points, or an empty text."""
        return next((value for name, value in self.fields if name.lower() == "location"), "")


def exchange(
    line: socket.socket, target: Target, method: str, fields: Fields, body: bytes, *, timeout_s: float, bytes_max: int
) -> Answer:
    """Send, and read the answer. Raises ``CapabilityError`` for what is too big or no HTTP; ``OSError``,
    ``http.client.HTTPException`` and ``urllib3`` errors for a line that breaks.
    """
    connection = HTTPConnection(target.host, target.port, timeout=timeout_s)
    connection.auto_open = 0
    connection.sock = line
    _send(connection, target, method, fields, body)
    response = connection.getresponse()
    if not FIRST_FINAL_STATUS <= response.status <= LAST_STATUS:
        raise unavailable(f"the far side answered with status {response.status}, which ends no request")
    return Answer(status=response.status, fields=_fields(response, bytes_max), body=_body(response, bytes_max))


def _send(connection: HTTPConnection, target: Target, method: str, fields: Fields, body: bytes) -> None:
    """Fields of one name stay several, and the bytes of a value are its UTF-8."""
    headers = HTTPHeaderDict({"Host": target.host_header, "Connection": "close"})
    for name, value in fields:
        headers.add(name, value.encode().decode("latin-1"))
    headers.setdefault("Accept-Encoding", "identity")
    headers.setdefault("User-Agent", AGENT)
    connection.request(
        method, target.path, body=body or None, headers=headers, preload_content=False, decode_content=False
    )


def _fields(response: HTTPResponse, bytes_max: int) -> Fields:
    fields = tuple(response.headers.iteritems())
    if (size := _size(fields)) > bytes_max:
        raise limited("response", f"headers of {size} bytes, the limit is {bytes_max}")
    return fields


def _size(fields: Fields) -> int:
    return sum(len(name) + len(value) for name, value in fields)


def _body(response: HTTPResponse, bytes_max: int) -> bytes:
    """The whole body, or a refusal as soon as it is clear that it is too big."""
    room = bytes_max - _size(tuple(response.headers.iteritems()))
    if response.length_remaining is not None and response.length_remaining > room:
        raise limited("response", f"{response.length_remaining} bytes are announced, the limit is {bytes_max}")
    parts: list[bytes] = []
    while chunk := response.read(room + 1, decode_content=False):
        parts.append(chunk)
        room -= len(chunk)
        if room < 0:
            raise limited("response", f"more than the limit of {bytes_max} bytes")
    return b"".join(parts)
