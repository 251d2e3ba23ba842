"""What every provider of evidence is, and the size of what it is asked to attest.

Rule 1: everything is opened when a provider is made; ``collect`` only uses what is open. The runner's sandbox comes
between the two, and nothing can be opened inside of it.
Rule 2: a provider is of one kind. What it lacks is an error that says so; it never makes evidence of another kind.
Source: contracts/attestation.md 3, 4, 13 and 17.6.
"""

from typing import Final, Protocol

from strongroom.attest.evidence import Evidence
from strongroom.guest.needs import Needs
from strongroom.plugin import InvalidInput

__all__ = ["BINARY", "REPORT_FIELD_BYTES", "EvidenceProvider", "check_asked", "padded"]

BINARY: Final = "application/octet-stream"
DIGEST_BYTES: Final = 32
KEM_SPKI_BYTES: Final = 44
"""SubjectPublicKeyInfo of an X25519 key."""
REPORT_FIELD_BYTES: Final = 64


class EvidenceProvider(Protocol):
    """Makes evidence of one kind for this process."""

    kind: str

    @property
    def needs(self) -> Needs:
        """What ``collect`` must still be able to do inside the sandbox, beyond reading and writing what is open."""

    def collect(self, report_data: bytes, nonce: bytes, kem_spki: bytes) -> Evidence:
        """Evidence bound to ``report_data`` (32 bytes), the challenge's ``nonce`` (32) and ``kem_spki`` (44).

        Raises ``InvalidInput`` for other sizes, ``Unavailable`` when the device does not answer as it should.
        """

    def close(self) -> None:
        """Let go of the device."""


def check_asked(report_data: bytes, nonce: bytes, kem_spki: bytes) -> None:
    """Raise ``InvalidInput`` unless each has exactly its size: some devices take more, none needs it."""
    wanted = {"report_data": (report_data, DIGEST_BYTES), "nonce": (nonce, DIGEST_BYTES)}
    wanted["kem_spki"] = (kem_spki, KEM_SPKI_BYTES)
    for field, (found, size) in wanted.items():
        if len(found) != size:
            what = f"{field} has {len(found)} bytes"
            raise InvalidInput("SR-EVID-001", what, why=f"evidence is about exactly {size}", field=field)


def padded(report_data: bytes) -> bytes:
    """The field of 64 bytes that hardware reports have: the digest, and zero bytes."""
    return report_data.ljust(REPORT_FIELD_BYTES, b"\0")
