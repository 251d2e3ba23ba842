"""Evidence of kind ``insecure-software``: a simulation in the shape of the real thing, for tests and demos.

Rule 1: it proves nothing against whoever runs the host, and says so in the evidence itself; no policy can make it more.
Rule 2: it takes the way of real evidence: a chain to an anchor, a signature, a binding, each with its code.
Source: contracts/attestation.md 11.1; claim numbers of EAT (RFC 9711), those below -70000 are our own.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from strongroom.attest.cbor import canonical, decode_canonical
from strongroom.attest.codes import ALGORITHM, BINDING, CHAIN, UNSUPPORTED_VERSION
from strongroom.attest.cose import ALGORITHM_LABEL, EDDSA, MEDIA_TYPE, Sign1, check_eddsa, make_sign1, parse_sign1
from strongroom.attest.evidence import (
    INSECURE,
    NO_ASSURANCE,
    Binding,
    Claims,
    Evidence,
    EvidenceLimits,
    check_anchor,
    check_development_ca,
    check_issued,
    check_kind,
    check_size,
    check_valid,
    checked_certificates,
    is_same,
    malformed,
)
from strongroom.crypto.public_keys import ED25519
from strongroom.crypto.signing import SigningKey
from strongroom.errors import EvidenceRejected

if TYPE_CHECKING:
    from strongroom.crypto.certificates import Certificate

__all__ = ["KIND", "PROFILE", "software_evidence", "verify_insecure_software"]

KIND: Final = "insecure-software"
PROFILE: Final = "tag:strongroom,2026:insecure-software/1"
DIGEST_BYTES: Final = 32
DEBUG_ENABLED: Final = 0
_X5CHAIN: Final = 33
_NONCE: Final = 10
_DEBUG_STATUS: Final = 263
_PROFILE: Final = 265
_SOFTWARE_NAME: Final = 270
_REPORT_DATA: Final = -70001
_MEASUREMENT: Final = -70002
_KEYS: Final = frozenset({_NONCE, _DEBUG_STATUS, _PROFILE, _SOFTWARE_NAME, _REPORT_DATA, _MEASUREMENT})


@dataclass(frozen=True, slots=True)
class _Payload:
    """The claims, each of its type and size."""

    nonce: bytes
    profile: str
    report_data: bytes
    measurement: bytes


def software_evidence(
    report_data: bytes, nonce: bytes, *, measurement: bytes, key: SigningKey, certificate: bytes, authority: bytes
) -> Evidence:
    """Evidence for ``report_data`` and ``nonce`` by a runner that says its artifact has the SHA-256 ``measurement``.

    ``certificate`` is that of ``key`` in DER, ``authority`` that of the development CA which issued it: only the digest
    of that is pinned, so it travels along.
    """
    payload = {
        _NONCE: nonce,
        _DEBUG_STATUS: DEBUG_ENABLED,
        _PROFILE: PROFILE,
        _SOFTWARE_NAME: INSECURE,
        _REPORT_DATA: report_data,
        _MEASUREMENT: measurement,
    }
    body = make_sign1(key, {_X5CHAIN: certificate}, canonical(payload))
    return Evidence(KIND, MEDIA_TYPE, body, (authority,))


def verify_insecure_software(
    evidence: Evidence,
    *,
    expected: Binding | None,
    now: datetime,
    anchors: frozenset[str],
    limits: EvidenceLimits,
) -> Claims:
    """The claims of simulated evidence: ``nonce``, ``report_data``, ``measurement`` (which it reports of itself),
    ``swname``, ``dbgstat``, ``eat_profile``, and ``anchor``, the fingerprint of the development CA.

    ``anchors`` are those that a test policy names. Raises ``EvidenceRejected``.
    """
    check_kind("insecure-software/kind", evidence, KIND)
    check_size("insecure-software/size", evidence.body, limits.evidence_bytes_max)
    if len(evidence.endorsements) != 1:
        got = f"{len(evidence.endorsements)} endorsements"
        wanted = "one: the certificate of the development CA"
        raise EvidenceRejected(CHAIN, "insecure-software/chain", got=got, wanted=wanted)
    signed = parse_sign1("insecure-software/structure", evidence.body, needs_tag=True, depth_max=limits.cbor_depth_max)
    check_size("insecure-software/size", signed.payload, limits.payload_bytes_max)
    payload = _parsed(signed.payload)
    path = _path(signed, evidence.endorsements[0], limits)
    if payload.profile != PROFILE:
        got = repr(payload.profile[:80])
        raise EvidenceRejected(UNSUPPORTED_VERSION, "insecure-software/profile", got=got, wanted=PROFILE)
    for each in path:
        if each.key.kind != ED25519:
            got = f"a key of kind {each.key.kind}"
            raise EvidenceRejected(ALGORITHM, "insecure-software/keys", got=got, wanted=ED25519)
    check_anchor("insecure-software/anchor", path[0], anchors)
    check_issued("insecure-software/chain", path)
    check_development_ca("insecure-software/chain", path[0])
    check_valid("insecure-software/validity", path, now)
    check_eddsa("insecure-software/signature", signed, path[-1].key)
    if expected is not None:
        _check_binding("nonce", payload.nonce, expected.nonce)
        _check_binding("report_data", payload.report_data, expected.report_data)
    facts = {
        "nonce": payload.nonce,
        "report_data": payload.report_data,
        "measurement": payload.measurement,
        "swname": INSECURE,
        "dbgstat": DEBUG_ENABLED,
        "eat_profile": PROFILE,
        "anchor": path[0].fingerprint,
    }
    is_bound = expected is not None
    return Claims(kind=KIND, assurance=NO_ASSURANCE, is_bound=is_bound, evidence=evidence.body, facts=facts)


def _parsed(untrusted: bytes) -> _Payload:
    check = "insecure-software/payload"
    found = decode_canonical(check, untrusted)
    if type(found) is not dict or found.keys() != _KEYS:
        raise malformed(check, got="other claims", wanted=f"exactly {', '.join(map(str, sorted(_KEYS)))}")
    if type(found[_DEBUG_STATUS]) is not int or found[_DEBUG_STATUS] != DEBUG_ENABLED:
        raise malformed(check, got="another dbgstat", wanted="0, debugging is enabled")
    if found[_SOFTWARE_NAME] != INSECURE:
        raise malformed(check, got="another swname", wanted=INSECURE)
    if type(found[_PROFILE]) is not str:
        raise malformed(check, got="an eat_profile that is no text", wanted=PROFILE)
    return _Payload(
        nonce=_digest(check, found[_NONCE]),
        profile=found[_PROFILE],
        report_data=_digest(check, found[_REPORT_DATA]),
        measurement=_digest(check, found[_MEASUREMENT]),
    )


def _digest(check: str, found: Any) -> bytes:  # Any: untrusted CBOR
    if type(found) is not bytes or len(found) != DIGEST_BYTES:
        raise malformed(check, got="a claim of another type or size", wanted=f"{DIGEST_BYTES} bytes")
    return found


def _path(signed: Sign1, authority: bytes, limits: EvidenceLimits) -> "list[Certificate]":
    """From the development CA to the certificate in the header, whose algorithm is checked on the way."""
    check = "insecure-software/header"
    header = decode_canonical(check, signed.protected)
    if type(header) is not dict or header.keys() != {ALGORITHM_LABEL, _X5CHAIN} or type(header[_X5CHAIN]) is not bytes:
        raise malformed(check, got="another header", wanted="an algorithm (1) and one certificate (33)")
    algorithm = header[ALGORITHM_LABEL]
    if type(algorithm) is not int or algorithm != EDDSA:
        raise EvidenceRejected(ALGORITHM, "insecure-software/algorithm", got=repr(algorithm)[:40], wanted=f"{EDDSA}")
    return checked_certificates("insecure-software/certificates", [authority, header[_X5CHAIN]], limits)


def _check_binding(name: str, found: bytes, wanted: bytes) -> None:
    if not is_same(found, wanted):
        check = f"insecure-software/binding {name}"
        raise EvidenceRejected(BINDING, check, got=found.hex(), wanted=wanted.hex())
