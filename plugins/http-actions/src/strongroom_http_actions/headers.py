"""Header fields of a request, checked, and of an answer, in the form that guests know.

A value with a line break would be a second header, and fields about the connection would change where one request ends
and the next begins. Both are refused and never repaired.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from strongroom.plugin.messages import http_pb2
from strongroom_http_actions.limits import HEADERS_MAX
from strongroom_http_actions.refusals import invalid, limited

__all__ = ["Fields", "answered", "checked", "is_private_to_origin"]

Fields = tuple[tuple[str, str], ...]

# RFC 9110, 5.6.2
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_BREAKS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# RFC 9110, 7.6.1 and 7.2; this client sets them itself, or does not speak what they ask for.
_OURS: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# What may follow a redirect to another origin. Everything else may be a key, whatever it is called.
_HARMLESS: Final = frozenset({"accept", "accept-language", "content-type", "user-agent"})


def checked(request: http_pb2.Request) -> Fields:
    """The fields of ``request`` in the order of their names. Raises ``CapabilityError``."""
    if request.headers and request.multi_headers:
        raise invalid("request must set either Headers or MultiHeaders, not both")
    fields = tuple(_one_field_each(request))
    if len(fields) > HEADERS_MAX:
        raise limited("headers", f"{len(fields)} fields, the limit is {HEADERS_MAX}")
    for name, value in fields:
        if not _NAME.fullmatch(name):
            raise invalid("headers: a name is not a token of RFC 9110")
        if name.lower() in _OURS:
            raise invalid(f"headers: {name} is set by this host")
        if _BREAKS.search(value):
            raise invalid(f"headers: the value of {name} holds control characters")
    return fields


def _one_field_each(request: http_pb2.Request) -> Iterable[tuple[str, str]]:
    if request.headers:
        yield from sorted(request.headers.items())
    for name in sorted(request.multi_headers):
        for value in request.multi_headers[name].values:
            yield name, value


def is_private_to_origin(name: str) -> bool:
    """Whether a field must not be sent to another origin than the one it was written for."""
    return name.lower() not in _HARMLESS


def answered(fields: Iterable[tuple[str, str]]) -> Mapping[str, Sequence[str]]:
    """Values by name, each name written as guests in Go look it up: ``Content-Type``, ``Etag``."""
    values: dict[str, list[str]] = {}
    for name, value in fields:
        canonical = "-".join(part.capitalize() for part in name.split("-"))
        values.setdefault(canonical, []).append(_text(value))
    return values


def _text(value: str) -> str:
    """``value`` was read as Latin-1, as HTTP says; most servers mean UTF-8."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value
