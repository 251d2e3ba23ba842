"""Fetch a binary over https from a listed host, and from nowhere else.

The name is resolved once, every address it has must be public, and the connection goes to a checked address, so a name
that changes its answer between check and use leads nowhere. Redirects are refused: they would leave the list.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from strongroom.plugin import CapabilityError
from strongroom_confidential_workflows.limits import BINARY_BYTES_MAX
from strongroom_confidential_workflows.request import refused

__all__ = ["AllowedHttps", "is_public", "resolve"]

PORT: Final = 443
_CHUNK_BYTES: Final = 1 << 16
_OK: Final = 200
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_TRANSLATED: Final = ipaddress.IPv6Network("64:ff9b::/96")

Resolve = Callable[[str, int], list[str]]


def resolve(host: str, port: int) -> list[str]:
    """Every address of ``host``."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Whether ``address`` is on the public Internet: not private, loopback, link-local, multicast or reserved."""
    try:
        parsed = ipaddress.ip_address(address.split("%", 1)[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed in _TRANSLATED:  # NAT64: the last 32 bits are an IPv4 address
            return is_public(str(ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)))
        embedded = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo and parsed.teredo[1])
        if embedded:
            return is_public(str(embedded))
        if parsed not in _GLOBAL_UNICAST:
            return False
    return parsed.is_global and not parsed.is_multicast


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedHttps:
    """Listed hosts, lower case, each ``name`` (port 443) or ``name:port``."""

    hosts: frozenset[str]
    resolve: Resolve = resolve
    trust: Callable[[], ssl.SSLContext] = ssl.create_default_context
    is_allowed_address: Callable[[str], bool] = field(default=is_public)

    def __call__(self, untrusted_url: str, deadline: float) -> bytes:
        """The body behind ``untrusted_url``. Raises ``CapabilityError``."""
        try:
            parts = urlsplit(untrusted_url)
            host, port = (parts.hostname or "").rstrip("."), parts.port or PORT
        except ValueError:
            raise refused("InvalidArgument", "binary_url is not a valid https address") from None
        if parts.username is not None or parts.password is not None or parts.fragment:
            raise refused("InvalidArgument", "binary_url may not carry a user, a password or a fragment")
        if (host if port == PORT else f"{host}:{port}") not in self.hosts:
            raise refused("PermissionDenied", "binary_url: this host is not listed under https_hosts of this plugin")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not target.isascii() or not target.isprintable() or " " in target:
            raise refused("InvalidArgument", "binary_url holds characters that must be percent-encoded")
        try:
            return self._get(host, port, target, deadline)
        except TimeoutError:
            raise _unavailable("the host did not answer in time") from None
        except ssl.SSLError as error:
            raise _unavailable(f"TLS failed ({error.reason})") from None
        except (OSError, http.client.HTTPException) as error:
            raise _unavailable(f"the connection failed ({type(error).__name__})") from None

    def _get(self, host: str, port: int, target: str, deadline: float) -> bytes:
        addresses = self.resolve(host, port)
        if not addresses or not all(self.is_allowed_address(address) for address in addresses):
            raise refused("PermissionDenied", "binary_url: this host has an address that is not public")
        raw = socket.create_connection((addresses[0], port), timeout=_left(deadline))
        with self.trust().wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False) as secured:
            # A timeout on a socket starts anew with each byte; this one does not.
            end = threading.Timer(_left(deadline), _hang_up, [secured])
            end.daemon = True
            end.start()
            try:
                return _answer(host, port, target, secured)
            except OSError:
                _left(deadline)
                raise
            finally:
                end.cancel()


def _answer(host: str, port: int, target: str, secured: ssl.SSLSocket) -> bytes:
    secured.do_handshake()
    connection = http.client.HTTPSConnection(host, port)
    connection.sock = secured
    connection.request("GET", target, headers={"Accept-Encoding": "identity", "User-Agent": "strongroom"})
    response = connection.getresponse()
    if response.status != _OK:
        why = "a redirect, which is not followed" if 300 <= response.status < 400 else "not 200"
        raise _unavailable(f"status {response.status}, {why}")
    return _body(response)


def _body(response: http.client.HTTPResponse) -> bytes:
    """The whole body, within the limit of size."""
    parts: list[bytes] = []
    size = 0
    while chunk := response.read1(_CHUNK_BYTES):
        size += len(chunk)
        if size > BINARY_BYTES_MAX:
            raise refused("LimitExceeded", f"binary: more than the limit of {BINARY_BYTES_MAX} bytes")
        parts.append(chunk)
    if response.length:
        raise ConnectionError
    return b"".join(parts)


def _hang_up(secured: ssl.SSLSocket) -> None:
    """End the connection under whoever reads it. The plain shutdown: TLS state belongs to the reading thread."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(secured, socket.SHUT_RDWR)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _unavailable(why: str) -> CapabilityError:
    return CapabilityError("Public", "System", "Unavailable", f"binary_url could not be fetched: {why}")
