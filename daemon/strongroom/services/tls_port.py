"""The API over TCP: TLS always, with certificates of clients where an authority for them is set."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

import grpc

from strongroom.crypto.key_files import read_private_file
from strongroom.errors import Misconfigured
from strongroom.settings.api import ApiSettings

__all__ = ["TlsPort"]

FILE_BYTES_MAX: Final = 1_000_000
"""A certificate with its chain has some kilobytes, a list of authorities a few hundred."""
UNUSABLE: Final = "SR-AUTH-008"


class TlsPort:
    """One address. ``settings.listen`` is set."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings
        self.port = 0
        """Where it listens, once it does."""

    def check(self) -> None:
        """Raises ``Misconfigured`` when its certificate, key or authorities cannot be used."""
        self._credentials()

    def bind(self, listen: Callable[[str, grpc.ServerCredentials], int]) -> None:
        """Have ``listen`` serve on it. Raises ``Misconfigured``."""
        credentials = self._credentials()
        try:
            self.port = listen(self._settings.listen, credentials)
        except RuntimeError:
            self.port = 0
        if not self.port:
            raise Misconfigured(
                "SR-AUTH-009",
                f"the API cannot listen on {self._settings.listen}",
                why="the address is taken, not of this machine, or not allowed to this user",
                fix="choose another api.listen, or stop what listens there",
                where="api.listen",
            )

    def release(self) -> None:
        """Nothing is left over."""

    def _credentials(self) -> grpc.ServerCredentials:
        settings = self._settings
        if settings.tls_certificate_file is None or settings.tls_key_file is None:
            raise Misconfigured(
                "SR-AUTH-007",
                "the API is to listen without TLS",
                why="tokens would cross the network in the clear",
                fix="set api.tls_certificate_file and api.tls_key_file, or leave api.listen empty",
                where="api.listen",
            )
        try:
            key = read_private_file(
                settings.tls_key_file, bytes_max=FILE_BYTES_MAX, code=UNUSABLE, what="key of the API"
            )
        except FileNotFoundError:
            raise _unusable(settings.tls_key_file, "api.tls_key_file", "there is no such file") from None
        certificate = _read(settings.tls_certificate_file, "api.tls_certificate_file")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # The library would tell of a key that does not fit on stderr, at each connection.
            context.load_cert_chain(settings.tls_certificate_file, settings.tls_key_file, password=lambda: b"")
        except (OSError, ssl.SSLError):
            why = "TLS does not take it with the key of api.tls_key_file"
            raise _unusable(settings.tls_certificate_file, "api.tls_certificate_file", why) from None
        authorities = None
        if settings.tls_client_ca_file is not None:
            authorities = _read(settings.tls_client_ca_file, "api.tls_client_ca_file")
            try:
                context.load_verify_locations(cadata=authorities.decode("ascii"))
            except (ValueError, ssl.SSLError):
                why = "it holds no PEM certificate of an authority"
                raise _unusable(settings.tls_client_ca_file, "api.tls_client_ca_file", why) from None
        return grpc.ssl_server_credentials(
            [(key, certificate)], root_certificates=authorities, require_client_auth=authorities is not None
        )


def _read(path: Path, where: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise _unusable(path, where, error.strerror or type(error).__name__) from None
    if len(content) > FILE_BYTES_MAX:
        raise _unusable(path, where, f"it has more than {FILE_BYTES_MAX} bytes")
    return content


def _unusable(path: Path, where: str, why: str) -> Misconfigured:
    return Misconfigured(
        UNUSABLE, f"{path} cannot be used for TLS", why=why, fix=f"give {where} a PEM file", where=where
    )
