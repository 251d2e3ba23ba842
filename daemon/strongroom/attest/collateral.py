"""Collateral for a DCAP quote: what Intel signed about a platform, as JSON, and what can be checked of it without keys.

Signatures, and who was revoked, are for the library that verifies the quote with it.
Source: contracts/attestation.md 8.2.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from strongroom.attest.codes import ANCHOR, COLLATERAL_EXPIRED, COLLATERAL_MISSING, NOT_YET_VALID, TOO_LARGE
from strongroom.attest.evidence import EvidenceLimits, check_size, malformed
from strongroom.attest.json_values import Json, parse_json
from strongroom.crypto.certificates import Certificate, load_pem_certificates
from strongroom.crypto.revocation import load_revocation_list
from strongroom.errors import EvidenceRejected, InvalidInput

__all__ = ["Collateral", "chain_in", "check_collateral", "parse_collateral"]

_CHAINS: Final = ("pck_crl_issuer_chain", "tcb_info_issuer_chain", "qe_identity_issuer_chain")
_LISTS: Final = ("root_ca_crl", "pck_crl")
_SIGNATURES: Final = ("tcb_info_signature", "qe_identity_signature")
_DOCUMENTS: Final = ("tcb_info", "qe_identity")
_KEYS: Final = (*_CHAINS, *_LISTS, *_SIGNATURES, *_DOCUMENTS)
_PEM_BEGIN: Final = b"-----BEGIN"
_IGNORED: Final = "pck_certificate_chain"
"""Some tools add the chain that is in the quote. The one in the quote is used, never this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collateral:
    """What it says of itself, nothing of it verified.

    ``spans`` are names with the times from and until which that part holds. ``issued_at`` is when the older of the two
    documents of Intel was issued. ``text`` is JSON with the nine known keys and no other.
    """

    fmspc: str
    evaluation_number: int
    issued_at: datetime
    spans: tuple[tuple[str, datetime, datetime], ...]
    roots: tuple[str, ...]
    text: str


def parse_collateral(check: str, endorsements: tuple[bytes, ...], limits: EvidenceLimits) -> Collateral:
    """The collateral, which is the only endorsement. Raises ``EvidenceRejected``."""
    if not endorsements:
        wanted = "the collateral of this platform as JSON"
        raise EvidenceRejected(COLLATERAL_MISSING, check, got="no endorsement", wanted=wanted)
    if len(endorsements) > 1:
        raise malformed(check, got=f"{len(endorsements)} endorsements", wanted="one")
    check_size(check, endorsements[0], limits.collateral_bytes_max)
    top = parse_json(check, endorsements[0])
    unknown = top.found.keys() - {*_KEYS, _IGNORED}
    if unknown:
        raise malformed(check, got=f"{len(unknown)} unknown keys", wanted=", ".join(_KEYS))
    texts = {name: top.text(name) for name in _KEYS}
    tcb, identity = (_document(f"{check} {name}", texts[name]) for name in _DOCUMENTS)
    spans = [("tcb_info", *_span(tcb, check)), ("qe_identity", *_span(identity, check))]
    spans.extend((name, *_list_span(f"{check} {name}", texts[name])) for name in _LISTS)
    return Collateral(
        fmspc=tcb.text("fmspc").lower(),
        evaluation_number=min(each.number("tcbEvaluationDataNumber", end=2**31) for each in (tcb, identity)),
        issued_at=min(spans[0][1], spans[1][1]),
        spans=tuple(spans),
        roots=tuple(
            chain_in(f"{check} {name}", texts[name].encode(errors="replace"), limits)[-1].fingerprint
            for name in _CHAINS
        ),
        text=json.dumps(texts),
    )


def check_collateral(check: str, collateral: Collateral, *, fmspc: str, anchors: frozenset[str], now: datetime) -> None:
    """Raise ``EvidenceRejected`` unless it is for this platform, ends in a pinned anchor, and all of it holds now."""
    if collateral.fmspc != fmspc.lower():
        got, wanted = f"collateral for FMSPC {collateral.fmspc[:12]}", f"for {fmspc.lower()}"
        raise EvidenceRejected(COLLATERAL_MISSING, f"{check} fmspc", got=got, wanted=wanted)
    for root in collateral.roots:
        if root not in anchors:
            got = f"a root with SHA-256 {root}"
            raise EvidenceRejected(ANCHOR, f"{check} root", got=got, wanted="a pinned anchor")
    for name, start, end in collateral.spans:
        got = f"{start.isoformat()} to {end.isoformat()}"
        if now > end:
            raise EvidenceRejected(COLLATERAL_EXPIRED, f"{check} {name}", got=got, wanted=now.isoformat())
        if now < start:
            raise EvidenceRejected(NOT_YET_VALID, f"{check} {name}", got=got, wanted=now.isoformat())


def chain_in(check: str, untrusted_pem: bytes, limits: EvidenceLimits) -> list[Certificate]:
    """The certificates in PEM text, in their order, at least one. Raises ``EvidenceRejected``."""
    count = untrusted_pem.count(_PEM_BEGIN)
    if count > limits.certificates_max:
        got, wanted = f"{count} certificates", f"at most {limits.certificates_max}"
        raise EvidenceRejected(TOO_LARGE, check, got=got, wanted=wanted)
    try:
        found = load_pem_certificates(untrusted_pem)
    except InvalidInput as error:
        raise malformed(check, got=error.what, wanted="a certificate chain, PEM") from error
    for each in found:
        check_size(check, each.der, limits.certificate_bytes_max)
    return found


def _document(check: str, text: str) -> Json:
    return parse_json(check, text.encode(errors="replace"))


def _span(document: Json, check: str) -> tuple[datetime, datetime]:
    return _time(document.text("issueDate"), check), _time(document.text("nextUpdate"), check)


def _time(text: str, check: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise malformed(check, got="another date", wanted="one such as 2026-02-20T12:00:00Z") from error


def _list_span(check: str, text: str) -> tuple[datetime, datetime]:
    try:
        found = load_revocation_list(bytes.fromhex(text))
    except (ValueError, InvalidInput) as error:
        raise malformed(check, got="something else", wanted="a revocation list, DER in hex") from error
    return found.this_update, found.next_update
