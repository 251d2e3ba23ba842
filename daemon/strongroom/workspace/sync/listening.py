"""Where the relay listens, and with which certificate.

Rule: an address that others can reach needs TLS, because tokens cross it.
"""

import ipaddress
import re
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.settings.relay import RelaySettings
from strongroom.workspace.sync import faults

__all__ = ["Listening", "listening", "stays_here"]

_ADDRESS: Final = re.compile(r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([^:\[\]\s]+)):([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Listening:
    """An address, and how TLS is spoken there if it is."""

    host: str
    port: int
    tls: ssl.SSLContext | None


def listening(settings: RelaySettings) -> Listening | None:
    """What the settings ask for; ``None`` when the relay is off. Raises ``Misconfigured``. Port 0 is any free one."""
    if not settings.listen:
        return None
    match = _ADDRESS.fullmatch(settings.listen)
    if match is None or int(match[3]) > 65_535:
        raise faults.listen_malformed("it is not HOST:PORT")
    host, port = match[1] or match[2], int(match[3])
    tls = _tls(settings.certificate_file, settings.key_file)
    if tls is None and not stays_here(host):
        raise faults.listen_needs_tls(host)
    return Listening(host, port, tls)


def stays_here(host: str) -> bool:
    """Whether only this machine can reach ``host``. A name may be resolved to anything, but for the one that is fixed
    (RFC 6761, 6.3)."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        missing = "relay.certificate_file" if certificate is None else "relay.key_file"
        raise faults.certificate_unusable(missing, "a certificate and its key are set together, or neither")
    try:
        status = key.stat()
    except OSError as error:
        raise faults.certificate_unusable("relay.key_file", error.strerror or "it cannot be read") from None
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise faults.certificate_unusable("relay.key_file", "others can read the key: give it mode 0600")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # A password would be asked for at a terminal, which a daemon has not.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except (OSError, ssl.SSLError):
        raise faults.certificate_unusable("relay.certificate_file", "TLS does not take it with this key") from None
    return context
