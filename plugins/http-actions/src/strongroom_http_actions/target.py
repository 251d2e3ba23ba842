"""Where a request goes: the parts of a URL that two programs could read in two ways are refused.

Parsers differ about backslashes, control characters, credentials, and hosts such as ``0x7f.1``, and each difference is
a way around a check of the host. So one strict form is accepted here, and the same values are then connected to.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urljoin

from strongroom.plugin import CapabilityError
from strongroom_http_actions.refusals import invalid, unavailable

__all__ = ["DEFAULT_PORTS", "Target", "target_of", "target_of_redirect"]

DEFAULT_PORTS: Final = {"https": 443, "http": 80}
HOST_CHARS_MAX: Final = 253
_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>[^#]*)(?:#.*)?", re.DOTALL
)
_AUTHORITY: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
# What may stand in a path or query as it is; everything else is percent-encoded, as browsers do.
_PLAIN: Final = "%/:?@!$&'()*+,;=~-._[]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """``host`` is a lower-case name or an IP address without brackets; ``path`` begins with a slash."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Who answers."""
        return self.scheme, self.host, self.port

    @property
    def host_header(self) -> str:
        """The value of the ``Host`` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if DEFAULT_PORTS[self.scheme] == self.port else f"{host}:{self.port}"


def target_of(untrusted_url: str) -> Target:
    """The parts of ``untrusted_url``. Raises ``CapabilityError`` (User, InvalidArgument)."""
    url = untrusted_url.strip(" \t\r\n")
    if not url:
        raise invalid("url is empty")
    if _CONTROL.search(url):
        raise invalid("url holds control characters")
    found = _URL.fullmatch(url)
    if found is None or (scheme := found["scheme"].lower()) not in DEFAULT_PORTS:
        raise invalid("url must begin with https://, or with http:// for an origin that allow_hosts lists so")
    if "@" in found["authority"]:
        raise invalid("url may not carry a user or a password: use a header")
    authority = _AUTHORITY.fullmatch(found["authority"])
    if authority is None:
        raise invalid(
            "url: the host is not a name in ASCII (write xn--… for others), an IPv4 address or [an IPv6 address]"
        )
    port = int(authority["port"]) if authority["port"] else DEFAULT_PORTS[scheme]
    if not 1 <= port <= 65_535:
        raise invalid("url: the port must be in 1..65535")
    rest = found["rest"]
    path = quote(rest if rest.startswith("/") else f"/{rest}", safe=_PLAIN)
    return Target(scheme=scheme, host=_host(authority["host"].lower()), port=port, path=path)


def target_of_redirect(untrusted_location: str, base: Target) -> Target:
    """The target of a ``Location`` header, which may be relative. Raises ``CapabilityError`` (System, Unavailable)."""
    try:
        if _CONTROL.search(untrusted_location):
            raise ValueError
        return target_of(urljoin(f"{base.scheme}://{base.host_header}{base.path}", untrusted_location))
    except (ValueError, CapabilityError):
        raise unavailable("the far side redirects to what is no http or https url") from None


def _host(host: str) -> str:
    """``host`` in the one form that it has here."""
    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            raise invalid("url: the host is not a valid IPv6 address") from None
    host = host.removesuffix(".")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        # Resolvers read 2130706433, 0177.1 and 0x7f.0.0.1 as addresses. Four decimal numbers are the one form taken.
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise invalid("url: write an IPv4 address as four decimal numbers") from None
    if len(host) > HOST_CHARS_MAX or not all(_LABEL.fullmatch(label) for label in labels):
        raise invalid("url: the host is not a valid name")
    return host
