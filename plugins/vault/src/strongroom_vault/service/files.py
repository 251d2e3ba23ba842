"""Files with certificates and keys, of the service and of a host that calls it, read with what may be wrong named.

Rule 1: a private key that others can read is refused, and so is one that is no regular file.
Rule 2: certificates are parsed before gRPC gets them, since it says of a wrong one only that no connection came about.
"""

import os
import ssl
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from strongroom.crypto.certificates import load_pem_certificates
from strongroom.plugin import InvalidInput, Misconfigured

__all__ = ["Credentials", "load_credentials"]

PEM_BYTES_MAX: Final = 256 * 1024
"""A bundle of a hundred certificates takes less."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """One side of mutual TLS, all PEM: its key, its certificate with those above it, and the CA of the other side."""

    key: bytes = field(repr=False)
    certificate: bytes
    authority: bytes


def load_credentials(certificate_file: Path, key_file: Path, authority_file: Path, *, now: datetime) -> Credentials:
    """What the three files hold. Raises ``Misconfigured``, which names the file and what to do."""
    certificate, authority = _read(certificate_file), _read(authority_file)
    key = _read(key_file, is_private=True)
    _check_certificates(certificate_file, certificate, now)
    _check_certificates(authority_file, authority, now)
    _check_pair(certificate_file, key_file)
    return Credentials(key, certificate, authority)


def _read(path: Path, *, is_private: bool = False) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _refused(path, error.strerror or "it cannot be opened", "correct the path, or make the file") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _refused(path, "it is not a regular file", "name a file in PEM")
        if is_private and status.st_mode & 0o077:
            mode = f"{stat.S_IMODE(status.st_mode):04o}"
            raise _refused(path, f"others can read it (mode {mode})", f"chmod 600 {path}, and get a new key for it")
        with os.fdopen(os.dup(descriptor), "rb") as file:
            content = file.read(PEM_BYTES_MAX + 1)
    finally:
        os.close(descriptor)
    if len(content) > PEM_BYTES_MAX:
        raise _refused(path, f"it has more than {PEM_BYTES_MAX} bytes", "name the file that was meant")
    return content


def _check_certificates(path: Path, content: bytes, now: datetime) -> None:
    try:
        found: Sequence[tuple[datetime, datetime]] = [
            (each.not_before, each.not_after) for each in load_pem_certificates(content)
        ]
    except InvalidInput as error:
        raise _refused(path, str(error), "name a file with certificates in PEM") from None
    if not found:
        raise _refused(path, "it holds no certificate in PEM", "name a file with certificates in PEM")
    begin, end = found[0]
    if not begin <= now <= end:
        why = f"its certificate is good from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
        raise _refused(path, why, "get a new one, and look at the clock of this machine")


def _check_pair(certificate_file: Path, key_file: Path) -> None:
    # A passphrase would be asked for at a terminal; a service has none.
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate_file, key_file, password=_no_passphrase)
    except (ssl.SSLError, OSError, ValueError):
        why = f"it is no private key in PEM without a passphrase, or not that of {certificate_file}"
        raise _refused(key_file, why, "name the key that the certificate was made for") from None


def _no_passphrase() -> bytes:
    return b""


def _refused(path: Path, why: str, fix: str) -> Misconfigured:
    return Misconfigured("SR-VAULT-040", f"TLS file {path} cannot be used", why=why, fix=fix, where=str(path))
