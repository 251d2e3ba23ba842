"""Verifies evidence of kinds ``tpm2`` and ``insecure-swtpm``: a quote by an attestation key of a TPM 2.0.

The body is the deterministic CBOR map ``{"v": 1, "attest", "signature", "ak_public", "pcrs"}``. The endorsements of
``tpm2`` are the endorsement key's certificate and its issuers, if any; those of ``insecure-swtpm`` are the certificate
of the attestation key and the development CA that issued it.

Facts: ``ak_name``; those of ``tpm_quote.quote_facts``; of ``tpm2`` also ``is_ek_anchored`` and, where a certificate
came along, ``ek_sha256``. Whether the key is enrolled, which registers must have which values, and
whether the counters fell back is appraisal and not decided here.
Source: contracts/attestation.md 9.2, 9.5 and 11.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from strongroom.attest.evidence import (
    INSECURE,
    NO_ASSURANCE,
    VTPM,
    VTPM_UNTRUSTED,
    Binding,
    Claims,
    Evidence,
    EvidenceLimits,
    check_kind,
    check_size,
)
from strongroom.attest.tpm_body import parse_body
from strongroom.attest.tpm_endorsements import check_ak_certificate, checked_ek
from strongroom.attest.tpm_keys import TpmKey, endorsed_signers, parse_public
from strongroom.attest.tpm_quote import SignedQuote, check_quote, parse_quote, quote_facts

__all__ = ["INSECURE_KIND", "KIND", "verify_insecure_swtpm", "verify_tpm2"]

KIND: Final = "tpm2"
INSECURE_KIND: Final = "insecure-swtpm"
_BYTES_KEYS: Final = ("attest", "signature", "ak_public")


@dataclass(frozen=True, slots=True)
class _Body:
    signed: SignedQuote
    ak: TpmKey
    pcrs: Mapping[int, bytes]


def verify_tpm2(
    evidence: Evidence, *, expected: Binding | None, now: datetime, anchors: frozenset[str], limits: EvidenceLimits
) -> Claims:
    """The claims of a quote. ``anchors`` are the endorsement CAs that the policy lists. See ``evidence.Verifier``."""
    check_kind("tpm/1 kind", evidence, KIND)
    body = _parsed("tpm", evidence, limits)
    ek, is_anchored = checked_ek("tpm", evidence.endorsements, now=now, anchors=anchors, limits=limits)
    signers = endorsed_signers(body.ak.name, ek.key if ek is not None else None)
    check_quote("tpm", body.signed, body.pcrs, expected=expected, signers=signers)
    facts = _facts(body) | {"is_ek_anchored": is_anchored}
    if ek is not None:
        facts["ek_sha256"] = bytes.fromhex(ek.fingerprint)
    assurance = VTPM if is_anchored else VTPM_UNTRUSTED
    return Claims(kind=KIND, assurance=assurance, is_bound=expected is not None, evidence=evidence.body, facts=facts)


def verify_insecure_swtpm(
    evidence: Evidence, *, expected: Binding | None, now: datetime, anchors: frozenset[str], limits: EvidenceLimits
) -> Claims:
    """The claims of a quote by a software TPM. ``anchors`` are development CAs. See ``evidence.Verifier``."""
    check_kind("swtpm/1 kind", evidence, INSECURE_KIND)
    body = _parsed("swtpm", evidence, limits)
    check_ak_certificate("swtpm", evidence.endorsements, body.ak.key, now=now, anchors=anchors, limits=limits)
    check_quote("swtpm", body.signed, body.pcrs, expected=expected, signers=endorsed_signers(body.ak.name, None))
    return Claims(
        kind=INSECURE_KIND,
        assurance=NO_ASSURANCE,
        is_bound=expected is not None,
        evidence=evidence.body,
        facts=_facts(body) | {"notice": INSECURE},
    )


def _parsed(place: str, evidence: Evidence, limits: EvidenceLimits) -> _Body:
    body = parse_body(place, evidence, _BYTES_KEYS, limits)
    check_size(f"{place}/1 ak_public", body["ak_public"], limits.tpm_message_bytes_max)
    ak = parse_public(place, body["ak_public"])
    return _Body(parse_quote(place, body["attest"], body["signature"], ak.key, limits), ak, body["pcrs"])


def _facts(body: _Body) -> dict[str, Any]:  # Any: facts of several types
    return {"ak_name": body.ak.name, **quote_facts(body.signed.quote, body.pcrs)}
