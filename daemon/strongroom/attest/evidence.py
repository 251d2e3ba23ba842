"""Evidence, what it must be bound to, and what a verifier makes of it.

Rule 1: a verifier is a pure function of bytes, the expected binding, ``now``, trust anchors and limits.
Rule 2: sizes are checked before anything is parsed, and everything is consumed.
Rule 3: verification says that evidence is authentic. Whether it is good enough is for ``appraise``: a debug enclave
passes here and fails there.
Source: contracts/attestation.md 3 to 5.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Protocol

from strongroom.attest.codes import (
    ALGORITHM,
    ANCHOR,
    BINDING,
    CHAIN,
    EXPIRED,
    MALFORMED,
    NOT_YET_VALID,
    TOO_LARGE,
    UNSUPPORTED_KIND,
)
from strongroom.errors import EvidenceRejected, InvalidInput

if TYPE_CHECKING:
    from strongroom.crypto.certificates import Certificate

__all__ = [
    "HARDWARE",
    "INSECURE",
    "NO_ASSURANCE",
    "VTPM",
    "VTPM_UNTRUSTED",
    "Binding",
    "Claims",
    "Evidence",
    "EvidenceLimits",
    "Verifier",
    "check_anchor",
    "check_development_ca",
    "check_issued",
    "check_kind",
    "check_path",
    "check_size",
    "check_valid",
    "checked_certificates",
    "is_same",
    "malformed",
    "padded_report_data",
]

HARDWARE: Final = "hardware"
VTPM: Final = "vtpm"
VTPM_UNTRUSTED: Final = "vtpm-untrusted"
NO_ASSURANCE: Final = "none"
INSECURE: Final = "INSECURE SIMULATION: no protection from the host operator"
INSECURE_NAME: Final = "INSECURE"
"""In the name of every development CA, so that no list of certificates can be misread."""
REPORT_FIELD_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an attester said: its kind, and bytes of ``media_type``; ``endorsements`` are certificates in DER, leaf
    first, or collateral as the format says."""

    kind: str
    media_type: str
    body: bytes
    endorsements: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Binding:
    """What evidence must be about: the digest of the runtime data (32 bytes), the challenge's nonce (32), and the key
    that secrets are sealed to, as SubjectPublicKeyInfo (44)."""

    report_data: bytes
    nonce: bytes
    kem_spki: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceLimits:
    """Sizes in bytes and counts, checked before parsing; ``skew_s_max`` is how far a timestamp may be from ``now``."""

    evidence_bytes_max: int = 64 * 1024
    payload_bytes_max: int = 16 * 1024
    endorsements_bytes_max: int = 256 * 1024
    certificates_max: int = 8
    certificate_bytes_max: int = 4 * 1024
    cbor_depth_max: int = 8
    tpm_message_bytes_max: int = 4 * 1024
    quote_bytes_max: int = 16 * 1024
    collateral_bytes_max: int = 256 * 1024
    skew_s_max: int = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What authentic evidence says.

    ``assurance`` is the class that the kind can reach; ``is_bound`` whether the binding was expected and holds.
    ``facts`` are the claims of the format by the names of its contract section (``pcr0``, ``reported_tcb``, ``mr_td``,
    …): texts, numbers, truth values, bytes, and mappings and tuples of them. ``evidence`` is the canonical form of the
    body, without padding: what is hashed and kept.
    """

    kind: str
    assurance: str
    is_bound: bool
    evidence: bytes
    facts: Mapping[str, Any] = field(default_factory=dict)  # Any: each format has its own


class Verifier(Protocol):
    """Verifies evidence of one kind. Raises ``EvidenceRejected``; anything else is a bug that refuses as well."""

    def __call__(
        self,
        evidence: Evidence,
        *,
        expected: Binding | None,
        now: datetime,
        anchors: frozenset[str],
        limits: EvidenceLimits,
    ) -> Claims:
        """The claims. Without ``expected`` they are not bound. ``anchors`` are SHA-256 of DER certificates, hex."""


def malformed(check: str, got: str = "", wanted: str = "") -> EvidenceRejected:
    """Evidence whose structure is wrong."""
    return EvidenceRejected(MALFORMED, check, got=got, wanted=wanted)


def check_kind(check: str, evidence: Evidence, kind: str) -> None:
    """Raise ``EvidenceRejected`` for evidence that says it is of another kind."""
    if evidence.kind != kind:
        raise EvidenceRejected(UNSUPPORTED_KIND, check, got=repr(evidence.kind[:40]), wanted=kind)


def check_size(check: str, data: bytes, bytes_max: int) -> None:
    """Raise ``EvidenceRejected`` for more than ``bytes_max``."""
    if len(data) > bytes_max:
        raise EvidenceRejected(TOO_LARGE, check, got=f"{len(data)} bytes", wanted=f"at most {bytes_max}")


def is_same(found: bytes, wanted: bytes) -> bool:
    """Whether both are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(found, wanted)


def padded_report_data(check: str, found: bytes, expected: Binding) -> None:
    """Raise ``EvidenceRejected`` unless a field of 64 bytes is the digest and 32 zero bytes."""
    if not is_same(found, expected.report_data.ljust(REPORT_FIELD_BYTES, b"\0")):
        wanted = f"{expected.report_data.hex()} and 32 zero bytes"
        raise EvidenceRejected(BINDING, check, got=found.hex(), wanted=wanted)


def checked_certificates(check: str, untrusted: Sequence[bytes], limits: EvidenceLimits) -> "list[Certificate]":
    """The certificates in ``untrusted``, within the limits. Raises ``EvidenceRejected``."""
    # Who makes evidence reads no certificates and does without their library; verifiers load it, with that for DCAP.
    from strongroom.crypto.certificates import UNKNOWN_KEY, load_certificate

    if len(untrusted) > limits.certificates_max:
        got, wanted = f"{len(untrusted)} certificates", f"at most {limits.certificates_max}"
        raise EvidenceRejected(TOO_LARGE, check, got=got, wanted=wanted)
    for der in untrusted:
        check_size(check, der, limits.certificate_bytes_max)
    total_bytes = sum(map(len, untrusted))
    if total_bytes > limits.endorsements_bytes_max:
        got, wanted = f"{total_bytes} bytes of certificates", f"at most {limits.endorsements_bytes_max}"
        raise EvidenceRejected(TOO_LARGE, check, got=got, wanted=wanted)
    try:
        return [load_certificate(der) for der in untrusted]
    except InvalidInput as error:
        if error.code == UNKNOWN_KEY:
            wanted = "keys of the kinds that the format has"
            raise EvidenceRejected(ALGORITHM, check, got=error.what, wanted=wanted) from error
        raise malformed(check, got=error.what, wanted="certificates in DER") from error


def check_path(check: str, path: "Sequence[Certificate]", *, anchors: frozenset[str], now: datetime) -> None:
    """Raise ``EvidenceRejected`` unless ``path`` leads from a pinned anchor down to a leaf, each valid at ``now``.

    Every certificate but the last must be an authority, and the last must not be one.
    """
    if not path:
        raise EvidenceRejected(CHAIN, check, wanted="a certificate path")
    check_anchor(check, path[0], anchors)
    check_issued(check, path)
    check_valid(check, path, now)


def check_anchor(check: str, root: "Certificate", anchors: frozenset[str]) -> None:
    """Raise ``EvidenceRejected`` unless ``root`` is pinned, by the SHA-256 of its DER."""
    if root.fingerprint not in anchors:
        wanted = "a pinned anchor"
        raise EvidenceRejected(ANCHOR, check, got=f"a root with SHA-256 {root.fingerprint}", wanted=wanted)


def check_issued(check: str, path: "Sequence[Certificate]") -> None:
    """Raise ``EvidenceRejected`` unless each certificate of ``path`` issued the next, and only the last is no issuer.

    An issuer must be allowed to issue, with as many authorities below it as there are (RFC 5280 4.2.1.3 and 4.2.1.9),
    and nothing may be critical that is not looked at (4.2).
    """
    for depth, (issuer, subject) in enumerate(pairwise(path), start=1):
        if not issuer.is_authority:
            raise EvidenceRejected(CHAIN, check, got=f"issuer {depth} is no authority", wanted="an authority")
        if not issuer.may_issue(authorities_below=len(path) - 1 - depth):
            got = f"issuer {depth} may not issue what is below it"
            raise EvidenceRejected(CHAIN, check, got=got, wanted="an authority for this path")
        if not subject.is_issued_by(issuer):
            got = f"certificate {depth} is not issued by the one before it"
            raise EvidenceRejected(CHAIN, check, got=got, wanted="a path in which each issues the next")
    for depth, each in enumerate(path):
        if each.not_understood:
            got = f"certificate {depth} demands more: {', '.join(each.not_understood)}"
            raise EvidenceRejected(CHAIN, check, got=got, wanted="certificates whose demands are understood")
    if path[-1].is_authority:
        raise EvidenceRejected(CHAIN, check, got="a leaf that may issue others", wanted="a leaf")


def check_development_ca(check: str, root: "Certificate") -> None:
    """Raise ``EvidenceRejected`` unless ``root`` signed itself and says in its name what it is. Whoever names it as an
    anchor has looked at it; where nobody does, it would otherwise say nothing of itself."""
    if not root.is_issued_by(root):
        raise EvidenceRejected(CHAIN, check, got="a root that another key signed", wanted="one that signed itself")
    if INSECURE_NAME not in root.common_name:
        got, wanted = repr(root.common_name[:80]), f"a development CA, which has {INSECURE_NAME} in its name"
        raise EvidenceRejected(CHAIN, check, got=got, wanted=wanted)


def check_valid(check: str, path: "Sequence[Certificate]", now: datetime) -> None:
    """Raise ``EvidenceRejected`` unless every certificate of ``path`` is valid at ``now``."""
    for depth, each in enumerate(path):
        _check_validity(check, depth, each, now)


def _check_validity(check: str, depth: int, certificate: "Certificate", now: datetime) -> None:
    span = f"{certificate.not_before.isoformat()} to {certificate.not_after.isoformat()}"
    if now > certificate.not_after:
        raise EvidenceRejected(EXPIRED, check, got=f"certificate {depth} is valid {span}", wanted=now.isoformat())
    if now < certificate.not_before:
        raise EvidenceRejected(NOT_YET_VALID, check, got=f"certificate {depth} is valid {span}", wanted=now.isoformat())
