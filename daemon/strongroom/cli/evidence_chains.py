"""Which of the certificates and collateral at hand belong to a piece of evidence, in the order that its format has.

Rule 1: nothing is verified here. What is picked is what a verifier then gets, and it looks at everything again.
Rule 2: who issued whom decides, and for a leaf whose signature it is. Where nothing fits, what has the right place in
a chain is taken all the same, so that the refusal names what is wrong with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from strongroom.attest.codes import UNSUPPORTED_KIND
from strongroom.attest.dcap_library import fmspc_of
from strongroom.attest.json_values import parse_json
from strongroom.attest.quote import SGX, TDX, parse_quote
from strongroom.attest.snp_report import parse_report
from strongroom.crypto.certificates import Certificate
from strongroom.errors import EvidenceRejected

__all__ = ["Document", "Held", "amd_chain", "collateral_for"]

_TEES: Final = {"sgx": SGX, "tdx": TDX}


@dataclass(frozen=True, slots=True)
class Held:
    """A certificate, and the file that it stands in."""

    file: str
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Document:
    """Collateral, and the file that it stands in."""

    file: str
    raw: bytes


def amd_chain(report: bytes, pool: Sequence[Held], *, leaf: Certificate | None) -> list[Held]:
    """Leaf, intermediate and root for an SEV-SNP report, or as much of them as there is.

    ``leaf`` is the one that came with the evidence; without it the one whose key signed the report is looked for.
    """
    leaves = [each for each in pool if not each.certificate.is_authority]
    authorities = [each for each in pool if each.certificate.is_authority]
    roots = [each for each in authorities if each.certificate.is_issued_by(each.certificate)]
    issuers = [each for each in authorities if each not in roots]
    first = Held("", leaf) if leaf is not None else _picked(leaves, lambda each: _has_signed(each, report))
    if first is None:
        return []
    second = _picked(issuers, first.certificate.is_issued_by)
    third = _picked(roots, second.certificate.is_issued_by) if second is not None else None
    return [each for each in (first, second, third) if each is not None]


def _picked(held: Sequence[Held], fits: Callable[[Certificate], bool]) -> Held | None:
    """The first that fits, else the first."""
    return next((each for each in held if fits(each.certificate)), held[0] if held else None)


def _has_signed(certificate: Certificate, untrusted: bytes) -> bool:
    try:
        report = parse_report("snp", untrusted)
    except EvidenceRejected:
        return False
    return certificate.key.verify_ecdsa(report.r, report.s, report.signed, "sha384")


def collateral_for(kind: str, file: str, quote: bytes, documents: Sequence[Document]) -> Document | None:
    """The collateral for the platform of ``quote``; of several the one whose file is named most alike."""
    try:
        raw = parse_quote(kind, quote, _TEES[kind]).raw
    except EvidenceRejected:
        return None
    try:
        fmspc = fmspc_of(kind, raw).lower()
        documents = [each for each in documents if _platform_of(each.raw) == fmspc]
    except EvidenceRejected as error:
        # Without the library nobody knows the platform. Its verifier says so, once it has any collateral.
        if error.code != UNSUPPORTED_KIND:
            return None
    return max(documents, key=lambda each: _alike(each.file, file), default=None)


def _alike(first: str, second: str) -> int:
    """How many characters both names begin with."""
    return next((at for at, (one, other) in enumerate(zip(first, second, strict=False)) if one != other), len(second))


def _platform_of(collateral: bytes) -> str:
    try:
        info = parse_json("collateral", collateral).text("tcb_info")
        return parse_json("tcb_info", info.encode()).text("fmspc").lower()
    except EvidenceRejected:
        return ""
