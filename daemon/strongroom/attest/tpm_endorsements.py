"""Certificates beside a quote: of the TPM's endorsement key, or of the attestation key itself.

Rule 1: an endorsement key's chain says what kind of TPM it belongs to. That the attestation key lives in that TPM is
proven by enrolment only (ActivateCredential), which appraisal looks up by the key's Name.
Rule 2: a chain that ends in no listed anchor refuses nothing. It is worth nothing either, and the class says so.
Source: contracts/attestation.md 4, 9.5 and 11.2.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from strongroom.attest.codes import ALGORITHM, CHAIN, IDENTITY
from strongroom.attest.evidence import EvidenceLimits, check_development_ca, check_path, checked_certificates
from strongroom.crypto.public_keys import ECDSA_P256, ECDSA_P384, ED25519, PublicKey
from strongroom.errors import EvidenceRejected

if TYPE_CHECKING:
    from strongroom.crypto.certificates import Certificate

__all__ = ["check_ak_certificate", "checked_ek", "is_anchored"]

EK_USAGE: Final = "2.23.133.8.1"
"""tcg-kp-EKCertificate: what the certificate of an endorsement key says that it is for."""
_EK_KEYS: Final = frozenset({ECDSA_P256, ECDSA_P384, "RSA-2048"})
_EK_ISSUERS: Final = frozenset({ECDSA_P256, ECDSA_P384, "RSA-2048", "RSA-3072", "RSA-4096"})
_DEVELOPMENT_ISSUERS: Final = frozenset({ED25519, ECDSA_P256, ECDSA_P384})
_HASHES: Final = frozenset({"sha256", "sha384", "sha512"})


def checked_ek(
    place: str, untrusted: Sequence[bytes], *, now: datetime, anchors: frozenset[str], limits: EvidenceLimits
) -> "tuple[Certificate | None, bool]":
    """The endorsement key's certificate, where there is one, and whether its chain ends in a listed anchor.

    Raises ``EvidenceRejected`` for a chain that does end there and does not hold, and for what is no certificate.
    """
    chain = checked_certificates(f"{place}/2 EK certificates", untrusted, limits)
    if not chain:
        return None, False
    if not is_anchored(chain, anchors):
        return chain[0], False
    check = f"{place}/2 EK chain"
    _check_algorithms(check, chain, _EK_KEYS, _EK_ISSUERS)
    check_path(check, chain[::-1], anchors=anchors, now=now)
    if EK_USAGE not in chain[0].extended_usages:
        got, wanted = "a certificate for another use", f"one for an endorsement key ({EK_USAGE})"
        raise EvidenceRejected(IDENTITY, check, got=got, wanted=wanted)
    return chain[0], True


def check_ak_certificate(
    place: str,
    untrusted: Sequence[bytes],
    ak: PublicKey,
    *,
    now: datetime,
    anchors: frozenset[str],
    limits: EvidenceLimits,
) -> None:
    """Raise ``EvidenceRejected`` unless a development CA certified ``ak``, the chain being given leaf first."""
    check = f"{place}/2 AK chain"
    chain = checked_certificates(check, untrusted, limits)
    if not chain:
        raise EvidenceRejected(CHAIN, check, got="no certificate", wanted="that of the attestation key, and its issuer")
    _check_algorithms(check, chain, frozenset({ECDSA_P256, "RSA-2048"}), _DEVELOPMENT_ISSUERS)
    check_path(check, chain[::-1], anchors=anchors, now=now)
    check_development_ca(check, chain[-1])
    if chain[0].key.spki() != ak.spki():
        got, wanted = "a certificate of another key", "one of the attestation key"
        raise EvidenceRejected(IDENTITY, check, got=got, wanted=wanted)


def is_anchored(chain: "Sequence[Certificate]", anchors: frozenset[str]) -> bool:
    """Whether the last certificate of ``chain`` is a listed one."""
    return bool(chain) and chain[-1].fingerprint in anchors


def _check_algorithms(
    check: str, chain: "Sequence[Certificate]", leaf_kinds: frozenset[str], issuer_kinds: frozenset[str]
) -> None:
    """Refuse keys of other kinds, and signatures over another hash; Ed25519 has its own."""
    for depth, each in enumerate(chain):
        allowed = issuer_kinds if depth else leaf_kinds
        if each.key.kind not in allowed:
            got, wanted = f"certificate {depth} with a key of {each.key.kind}", " or ".join(sorted(allowed))
            raise EvidenceRejected(ALGORITHM, check, got=got, wanted=wanted)
        issuer = chain[min(depth + 1, len(chain) - 1)]
        if issuer.key.kind != ED25519 and each.signature_hash not in _HASHES:
            got, wanted = f"certificate {depth} signed over {each.signature_hash or 'no hash'}", "SHA-256 or longer"
            raise EvidenceRejected(ALGORITHM, check, got=got, wanted=wanted)
