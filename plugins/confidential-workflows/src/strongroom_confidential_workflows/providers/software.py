"""Evidence of kind ``insecure-software``: a signed statement by this process itself. It proves nothing, and says so.

Source: contracts/attestation.md 11.1 and 17.
"""

from dataclasses import dataclass

from strongroom.attest.evidence import Evidence
from strongroom.attest.software import KIND, software_evidence
from strongroom.crypto.signing import SigningKey
from strongroom.guest.needs import NOTHING, Needs
from strongroom_confidential_workflows.providers.provider import check_asked

__all__ = ["SoftwareIdentity", "SoftwareProvider"]


@dataclass(frozen=True, slots=True)
class SoftwareIdentity:
    """What simulated evidence is made of.

    ``measurement`` is the SHA-256 of the runner's artifact, as the runner says itself; ``certificate`` that of ``key``
    and ``authority`` that of the development CA which issued it, both in DER.
    """

    measurement: bytes
    key: SigningKey
    certificate: bytes
    authority: bytes


class SoftwareProvider:
    """Signs what it is asked to, with a key that the host can read."""

    kind = KIND

    def __init__(self, identity: SoftwareIdentity) -> None:
        """Certificates of a development CA live for a day."""
        self._identity = identity

    @property
    def needs(self) -> Needs:
        """Nothing: it computes."""
        return NOTHING

    def collect(self, report_data: bytes, nonce: bytes, kem_spki: bytes) -> Evidence:
        """A simulation. See ``EvidenceProvider``."""
        check_asked(report_data, nonce, kem_spki)
        identity = self._identity
        return software_evidence(
            report_data,
            nonce,
            measurement=identity.measurement,
            key=identity.key,
            certificate=identity.certificate,
            authority=identity.authority,
        )

    def close(self) -> None:
        """Nothing is open."""
