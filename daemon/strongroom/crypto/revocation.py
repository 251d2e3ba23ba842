"""Revocation lists (RFC 5280 section 5): from when to when one speaks. Who verifies it is said where it is used."""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from strongroom.errors import InvalidInput

__all__ = ["RevocationList", "load_revocation_list"]


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A list whose signature nobody has verified yet: when it was issued, and when the next one is due."""

    this_update: datetime
    next_update: datetime


def load_revocation_list(untrusted_der: bytes) -> RevocationList:
    """The list in ``untrusted_der``. Raises ``InvalidInput`` for anything else, and for one that never ends."""
    try:
        parsed = x509.load_der_x509_crl(untrusted_der)
        this_update, next_update = parsed.last_update_utc, parsed.next_update_utc
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidInput("SR-CERT-008", "this is no revocation list in DER", field="revocation list") from error
    if next_update is None:
        raise InvalidInput("SR-CERT-009", "this revocation list does not say until when", field="revocation list")
    return RevocationList(this_update, next_update)
