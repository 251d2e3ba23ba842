"""Revocation lists (RFC 5280 section 5): who signed one, from when to when it speaks, and whom it revokes."""

from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from strongroom.crypto.certificates import Certificate
from strongroom.errors import InvalidInput

__all__ = ["RevocationList", "load_revocation_list"]


class RevocationList:
    """A list of revoked certificates. ``is_signed_by`` is for the caller to ask: nothing else verifies it."""

    __slots__ = ("_parsed", "next_update", "this_update")

    def __init__(self, parsed: x509.CertificateRevocationList, this_update: datetime, next_update: datetime) -> None:
        """``load_revocation_list`` makes one."""
        self._parsed = parsed
        self.this_update = this_update
        self.next_update = next_update

    def is_signed_by(self, issuer: Certificate) -> bool:
        """Whether ``issuer``'s key signed it and its name is the one that it gives."""
        found = issuer._parsed  # noqa: SLF001 - the object of the library stays in this package
        try:
            # The library lets a list through whose key is of a kind that signs none; mypy knows which those are.
            is_valid = self._parsed.is_signature_valid(found.public_key())  # type: ignore[arg-type] # it raises TypeError
        except (ValueError, TypeError, UnsupportedAlgorithm):
            return False
        return is_valid and self._parsed.issuer == found.subject

    def revokes(self, certificate: Certificate) -> bool:
        """Whether it names the serial number of ``certificate``, which its signer must have issued."""
        serial = certificate._parsed.serial_number  # noqa: SLF001 - see is_signed_by
        return self._parsed.get_revoked_certificate_by_serial_number(serial) is not None


def load_revocation_list(untrusted_der: bytes) -> RevocationList:
    """The list in ``untrusted_der``. Raises ``InvalidInput`` for anything else, and for one that never ends."""
    try:
        parsed = x509.load_der_x509_crl(untrusted_der)
        this_update, next_update = parsed.last_update_utc, parsed.next_update_utc
    except (ValueError, TypeError, OverflowError, x509.InvalidVersion) as error:
        raise InvalidInput("SR-CERT-008", "this is no revocation list in DER", field="revocation list") from error
    if next_update is None:
        raise InvalidInput("SR-CERT-009", "this revocation list does not say until when", field="revocation list")
    return RevocationList(parsed, this_update, next_update)
