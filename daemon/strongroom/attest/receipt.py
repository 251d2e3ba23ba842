"""A receipt: everything that somebody needs to check a confidential execution later, elsewhere and offline.

Source: contracts/attestation.md 15.
"""

from dataclasses import dataclass
from typing import Final

from strongroom.attest import cbor
from strongroom.attest.codes import UNSUPPORTED_VERSION
from strongroom.attest.ear import EAR_BYTES_MAX
from strongroom.attest.evidence import (
    HARDWARE,
    NO_ASSURANCE,
    VTPM,
    VTPM_UNTRUSTED,
    Evidence,
    EvidenceLimits,
    check_size,
)
from strongroom.attest.fields import Fields
from strongroom.attest.result import RESULT_BYTES_MAX
from strongroom.attest.runtime_data import RUNTIME_DATA_BYTES_MAX
from strongroom.errors import EvidenceRejected

__all__ = ["CO_LOCATED", "NATIVE", "RELAY", "SEPARATE", "Receipt", "decode_receipt"]

PROFILE: Final = "strongroom/receipt/v1"
NATIVE: Final = "native"
RELAY: Final = "relay"
CO_LOCATED: Final = "co-located"
"""The vault ran where the operator of the host has control, so nothing was hidden from that operator."""
SEPARATE: Final = "separate"
RECEIPT_BYTES_MAX: Final = 5 * 1024 * 1024
"""A result with 10 000 calls, evidence with its collateral, and the rest."""
_CLASSES: Final = frozenset({HARDWARE, VTPM, VTPM_UNTRUSTED, NO_ASSURANCE})
_HERE: Final = "receipt"
_KEYS: Final = frozenset(
    {
        "profile",
        "protocol",
        "result",
        "runtime_data",
        "evidence",
        "endorsements",
        "ear",
        "vault_public_key",
        "policy_sha256",
        "assurance",
        "vault",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a receipt holds, nothing of it verified.

    ``protocol`` is ``native`` or ``relay``, ``result`` a COSE_Sign1, ``runtime_data`` their encoding, ``ear`` a JWT,
    ``assurance`` the class that it claims, and ``vault`` where the vault ran: ``co-located`` or ``separate``.
    """

    protocol: str
    result: bytes
    runtime_data: bytes
    evidence: Evidence
    ear: bytes
    vault_public_key: bytes
    policy_sha256: bytes
    assurance: str
    vault: str

    def encode(self) -> bytes:
        """The file. Raises ``EvidenceRejected`` for a field that may not be what it is."""
        evidence = self.evidence
        value = {
            "profile": PROFILE,
            "protocol": self.protocol,
            "result": self.result,
            "runtime_data": self.runtime_data,
            "evidence": {"kind": evidence.kind, "media_type": evidence.media_type, "body": evidence.body},
            "endorsements": list(evidence.endorsements),
            "ear": self.ear,
            "vault_public_key": self.vault_public_key,
            "policy_sha256": self.policy_sha256,
            "assurance": self.assurance,
            "vault": self.vault,
        }
        _read(value, EvidenceLimits())
        return cbor.canonical(value)


def decode_receipt(untrusted: bytes, *, limits: EvidenceLimits = EvidenceLimits()) -> Receipt:  # noqa: B008 - frozen
    """The receipt in ``untrusted``. Raises ``EvidenceRejected``."""
    check_size(f"{_HERE} size", untrusted, RECEIPT_BYTES_MAX)
    return _read(cbor.decode_canonical(_HERE, untrusted), limits)


def _read(value: object, limits: EvidenceLimits) -> Receipt:
    top = Fields(_HERE, value, _KEYS)
    profile = top.text("profile")
    if profile != PROFILE:
        raise EvidenceRejected(UNSUPPORTED_VERSION, f"{_HERE} profile", got=profile, wanted=PROFILE)
    evidence = top.of("evidence", {"kind", "media_type", "body"})
    endorsements = top.blobs("endorsements", bytes_max=limits.endorsements_bytes_max, count_max=limits.certificates_max)
    check_size(f"{_HERE} endorsements", b"".join(endorsements), limits.endorsements_bytes_max)
    return Receipt(
        protocol=top.choice("protocol", {NATIVE, RELAY}),
        result=top.blob("result", bytes_max=RESULT_BYTES_MAX),
        runtime_data=top.blob("runtime_data", bytes_max=RUNTIME_DATA_BYTES_MAX),
        evidence=Evidence(
            evidence.text("kind"),
            evidence.text("media_type"),
            evidence.blob("body", bytes_max=limits.evidence_bytes_max),
            endorsements,
        ),
        ear=top.blob("ear", bytes_max=EAR_BYTES_MAX),
        vault_public_key=top.raw("vault_public_key"),
        policy_sha256=top.raw("policy_sha256"),
        assurance=top.choice("assurance", _CLASSES),
        vault=top.choice("vault", {CO_LOCATED, SEPARATE}),
    )
