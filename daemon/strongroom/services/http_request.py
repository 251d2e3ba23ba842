"""The little of HTTP/1.1 that probes speak: a request line, headers that are counted, and one answer, after which the
connection ends.

Only GET and HEAD, no body, and a host that may stand there: a page of the web that has its name point to this machine
(DNS rebinding) is not answered. Source: RFC 9110, RFC 9112.
"""

import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from strongroom.settings.observe import is_loopback

__all__ = ["END_OF_HEAD", "HEAD_BYTES_MAX", "Answer", "Refusal", "Request", "encoded", "parse", "plain"]

HEAD_BYTES_MAX: Final = 8_192
"""Of a request with its headers; a scraper sends some hundred."""
HEADERS_MAX: Final = 64
TARGET_CHARACTERS_MAX: Final = 256
END_OF_HEAD: Final = b"\r\n\r\n"
METHODS: Final = frozenset({"GET", "HEAD"})
_LINE: Final = re.compile(r"([A-Z]{1,16}) (/[!-~]{0,4096}) HTTP/1\.[01]")
# Blanks around a value are taken off later: beside each other, three repetitions that all match them would take hours.
_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}):([\t -~\x80-\xff]*)")
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z._-]{1,253})(?::[0-9]{1,5})?")
_PHRASES: Final = {each.value: each.phrase for each in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for. ``query`` is what follows a question mark, as it stands."""

    method: str
    path: str
    query: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """A request that is not answered as it was asked; ``answer`` says why."""

    def __init__(self, status: int, text: str, **headers: str) -> None:
        super().__init__(text)
        self.answer = plain(status, text, headers)


def plain(status: int, text: str, headers: Mapping[str, str] | None = None) -> Answer:
    """A line of text."""
    return Answer(status, f"{text}\n".encode(), headers=headers or {})


def parse(untrusted: bytes, *, hosts: Collection[str] | None) -> Request:
    """The request whose head is ``untrusted``. ``hosts`` are names that may be asked for beside those of this machine;
    none where everybody who comes has opened a file for it. Raises ``Refusal``."""
    line, *fields = untrusted.split(b"\r\n")
    found = _LINE.fullmatch(line.decode("latin-1"))
    if found is None:
        raise Refusal(400, "this is no request of HTTP/1.1")
    method, target = found.groups()
    if method not in METHODS:
        raise Refusal(405, "only GET and HEAD are answered", Allow="GET, HEAD")
    if len(target) > TARGET_CHARACTERS_MAX:
        raise Refusal(414, f"the path is longer than {TARGET_CHARACTERS_MAX} characters")
    headers = _headers(fields)
    if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
        raise Refusal(413, "a request with a body is not read")
    if hosts is not None and not _may_ask(headers.get("host", ""), hosts):
        raise Refusal(421, "the host that is asked for is none of this machine")
    path, _, query = target.partition("?")
    return Request(method, path, query)


def encoded(answer: Answer, *, with_body: bool) -> bytes:
    """The bytes of ``answer``; without its body for HEAD."""
    lines = {
        "Content-Type": answer.content_type,
        "Content-Length": str(len(answer.body)),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        **answer.headers,
        "Connection": "close",
    }
    head = [f"HTTP/1.1 {answer.status} {_PHRASES.get(answer.status, 'Unknown')}"]
    head += [f"{name}: {value}" for name, value in lines.items()]
    return "\r\n".join(head).encode("latin-1") + END_OF_HEAD + (answer.body if with_body else b"")


def _headers(fields: list[bytes]) -> dict[str, str]:
    if len(fields) > HEADERS_MAX:
        raise Refusal(431, f"there are more than {HEADERS_MAX} headers")
    headers: dict[str, str] = {}
    for each in fields:
        found = _HEADER.fullmatch(each.decode("latin-1"))
        if found is None:
            raise Refusal(400, "a header cannot be read")
        name = found[1].lower()
        if name in headers and name in {"host", "content-length", "transfer-encoding"}:
            raise Refusal(400, f"the header {name} stands twice")
        headers[name] = found[2].strip(" \t")
    return headers


def _may_ask(text: str, hosts: Collection[str]) -> bool:
    found = _HOST.fullmatch(text)
    if found is None:
        return False
    host = found[1].strip("[]").lower()
    if is_loopback(host) or host in hosts:
        return True
    try:
        # A page cannot have an address point elsewhere.
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
