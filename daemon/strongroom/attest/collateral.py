"""Collateral for a DCAP quote: what Intel signed about a platform, as JSON. Paths, dates and revocation come first.

The signatures of the two documents, and what they say of the platform, are for the library that verifies the quote.
Source: contracts/attestation.md 8.2.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from strongroom.attest.codes import COLLATERAL_EXPIRED, COLLATERAL_MISSING, NOT_YET_VALID, REVOKED, SIGNATURE, TOO_LARGE
from strongroom.attest.evidence import EvidenceLimits, check_path, check_size, malformed
from strongroom.attest.json_values import Json, parse_json
from strongroom.crypto.certificates import Certificate, load_pem_certificates
from strongroom.crypto.revocation import RevocationList, load_revocation_list
from strongroom.errors import EvidenceRejected, InvalidInput

__all__ = ["Collateral", "chain_in", "check_collateral", "parse_collateral"]

_SIGNERS: Final = ("tcb_info_issuer_chain", "qe_identity_issuer_chain")
_LIST_SIGNER: Final = "pck_crl_issuer_chain"
_LISTS: Final = ("root_ca_crl", "pck_crl")
_SIGNATURES: Final = ("tcb_info_signature", "qe_identity_signature")
_DOCUMENTS: Final = ("tcb_info", "qe_identity")
_KEYS: Final = (*_SIGNERS, _LIST_SIGNER, *_LISTS, *_SIGNATURES, *_DOCUMENTS)
_IGNORED: Final = "pck_certificate_chain"
"""Some tools add the chain that is in the quote. The one in the quote is used, never this one."""
_PEM_BEGIN: Final = b"-----BEGIN"
_EVALUATION_END: Final = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class Collateral:
    """What it says of itself, nothing of it verified.

    ``spans`` are names with the times from and until which that part holds; ``issued_at`` is when the older of the two
    documents was issued; ``signers`` are the paths of their keys, leaf first. ``text`` is JSON with the nine known keys
    and no other.
    """

    fmspc: str
    evaluation_number: int
    issued_at: datetime
    spans: tuple[tuple[str, datetime, datetime], ...]
    signers: tuple[tuple[Certificate, ...], ...]
    list_signer: tuple[Certificate, ...]
    root_list: RevocationList
    pck_list: RevocationList
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
    tcb, identity = (parse_json(f"{check} {name}", texts[name].encode(errors="replace")) for name in _DOCUMENTS)
    root_list, pck_list = (_list(f"{check} {name}", texts[name]) for name in _LISTS)
    spans = (
        ("tcb_info", *_span(f"{check} tcb_info", tcb)),
        ("qe_identity", *_span(f"{check} qe_identity", identity)),
        ("root_ca_crl", root_list.this_update, root_list.next_update),
        ("pck_crl", pck_list.this_update, pck_list.next_update),
    )
    chains = {
        name: tuple(chain_in(f"{check} {name}", texts[name].encode(errors="replace"), limits))
        for name in (*_SIGNERS, _LIST_SIGNER)
    }
    return Collateral(
        fmspc=tcb.text("fmspc").lower(),
        evaluation_number=min(each.number("tcbEvaluationDataNumber", end=_EVALUATION_END) for each in (tcb, identity)),
        issued_at=min(spans[0][1], spans[1][1]),
        spans=spans,
        signers=tuple(chains[name] for name in _SIGNERS),
        list_signer=chains[_LIST_SIGNER],
        root_list=root_list,
        pck_list=pck_list,
        text=json.dumps(texts),
    )


def check_collateral(
    check: str,
    collateral: Collateral,
    *,
    fmspc: str,
    path: Sequence[Certificate],
    anchors: frozenset[str],
    now: datetime,
) -> None:
    """Raise ``EvidenceRejected`` unless it is for this platform, signed under a pinned anchor, and holds at ``now``.

    ``path`` leads from that anchor to the platform's key; nothing on it, and no signer of Intel's, may be revoked.
    """
    if collateral.fmspc != fmspc.lower():
        got, wanted = f"collateral for FMSPC {collateral.fmspc[:12]}", f"for {fmspc.lower()}"
        raise EvidenceRejected(COLLATERAL_MISSING, f"{check} fmspc", got=got, wanted=wanted)
    if [each.fingerprint for each in collateral.list_signer] != [each.fingerprint for each in path[-2::-1]]:
        wanted = "the authorities of the platform's key"
        raise EvidenceRejected(COLLATERAL_MISSING, f"{check} {_LIST_SIGNER}", got="another chain", wanted=wanted)
    for name, start, end in collateral.spans:
        got = f"{start.isoformat()} to {end.isoformat()}"
        # The moment at which the next one is due is no longer covered by this one.
        if now >= end:
            raise EvidenceRejected(COLLATERAL_EXPIRED, f"{check} {name}", got=got, wanted=now.isoformat())
        if now < start:
            raise EvidenceRejected(NOT_YET_VALID, f"{check} {name}", got=got, wanted=now.isoformat())
    for name, chain in zip(_SIGNERS, collateral.signers, strict=True):
        check_path(f"{check} {name}", chain[::-1], anchors=anchors, now=now)
    _check_lists(check, collateral, path)


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


def _check_lists(check: str, collateral: Collateral, path: Sequence[Certificate]) -> None:
    *_, issuer, leaf = path
    lists = (("root_ca_crl", collateral.root_list, path[0]), ("pck_crl", collateral.pck_list, issuer))
    for name, found, signer in lists:
        if not found.is_signed_by(signer):
            wanted = f"one by {signer.common_name}"
            raise EvidenceRejected(SIGNATURE, f"{check} {name}", got="another signature", wanted=wanted)
    by_root = [*path[1:-1], *(chain[0] for chain in collateral.signers)]
    for each, found in ((leaf, collateral.pck_list), *((each, collateral.root_list) for each in by_root)):
        if found.revokes(each):
            got = f"{each.common_name} was revoked"
            raise EvidenceRejected(REVOKED, f"{check} revocation", got=got, wanted="nobody revoked")


def _span(check: str, document: Json) -> tuple[datetime, datetime]:
    return _time(check, document.text("issueDate")), _time(check, document.text("nextUpdate"))


def _time(check: str, text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise malformed(check, got="another date", wanted="one such as 2026-02-20T12:00:00Z") from error


def _list(check: str, text: str) -> RevocationList:
    try:
        return load_revocation_list(bytes.fromhex(text))
    except (ValueError, InvalidInput) as error:
        raise malformed(check, got="something else", wanted="a revocation list, DER in hex") from error
