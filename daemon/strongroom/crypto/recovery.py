"""Copies of secrets for people whose age keys are kept elsewhere (age v1, X25519 recipients).

Rule 1: what is sealed here opens with any implementation of age; nobody needs this program to recover.
Rule 2: one error for a file that does not open; what an identity file holds is never part of a message.

Source: age-encryption.org/v1.
"""

from collections.abc import Sequence
from typing import Final

from pyrage import DecryptError, IdentityError, RecipientError, decrypt, encrypt, x25519

from strongroom.errors import InvalidInput, Misconfigured

__all__ = ["RECIPIENTS_MAX", "check_recipient", "open_copy", "seal_copy"]

RECIPIENTS_MAX: Final = 32
"""People who can recover a host. Each adds a line to the file, and a person who can give everything away."""
IDENTITIES_MAX: Final = 32
"""Identities that one file brings; each is tried."""
COMMENT: Final = "#"


def seal_copy(plaintext: bytes, recipients: Sequence[str]) -> bytes:
    """``plaintext`` for any one of ``recipients`` (``age1…``), as text (ASCII armour).

    Raises ``InvalidInput`` without a recipient, for one that is none, and for too many.
    """
    if not 1 <= len(recipients) <= RECIPIENTS_MAX:
        raise InvalidInput(
            "SR-KEYRING-025",
            f"{len(recipients)} recipients are named, 1 to {RECIPIENTS_MAX} can be",
            fix="--recipient age1…, which age-keygen prints; may be repeated",
            field="recipient",
        )
    return bytes(encrypt(plaintext, [check_recipient(recipient) for recipient in recipients], armored=True))


def check_recipient(untrusted: str) -> x25519.Recipient:
    """The recipient of that name. Raises ``InvalidInput``."""
    try:
        return x25519.Recipient.from_str(untrusted.strip())
    except RecipientError:
        # Not repeated: somebody may have pasted the other half of the key.
        raise InvalidInput(
            "SR-KEYRING-026",
            "a recipient is not an age recipient",
            why="they begin with age1, and a single wrong character makes them none",
            fix="copy it whole, as age-keygen printed it; never the line that begins with AGE-SECRET-KEY",
            field="recipient",
        ) from None


def open_copy(sealed: bytes, identity_text: str) -> bytes:
    """What was sealed, opened with the identities in ``identity_text``, the text of a file of age-keygen.

    Raises ``InvalidInput`` for a text without identities, ``Misconfigured`` when none of them opens it.
    """
    lines = [line.strip() for line in identity_text.splitlines()]
    keys = [line for line in lines if line and not line.startswith(COMMENT)]
    try:
        if not 1 <= len(keys) <= IDENTITIES_MAX:
            raise IdentityError
        identities = [x25519.Identity.from_str(key) for key in keys]
    except IdentityError:
        raise InvalidInput(
            "SR-KEYRING-027",
            "the identity file is not one of age",
            why="it holds lines that begin with AGE-SECRET-KEY-1, and comments, and nothing else",
            fix="give the file that age-keygen wrote",
            field="identity_file",
        ) from None
    try:
        return bytes(decrypt(sealed, identities))
    except DecryptError:
        raise Misconfigured(
            "SR-KEYRING-028",
            "the recovery file does not open",
            why="it was made for other recipients, or it is damaged",
            fix="give the identity of one of its recipients, or another copy of the file",
            where="recovery file",
        ) from None
