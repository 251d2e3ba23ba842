"""Evidence put together from its pieces, kind by kind, with the endorsements that are at hand."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from strongroom.attest.assurance import MEDIA_TYPES
from strongroom.attest.azure_hcl import parse_hcl
from strongroom.attest.cbor import canonical
from strongroom.attest.evidence import VTPM_UNTRUSTED, Binding, Claims, Evidence, EvidenceLimits, Verifier
from strongroom.attest.tpm_quote import check_quote, parse_quote, quote_facts
from strongroom.cli.evidence_chains import amd_chain, collateral_for
from strongroom.cli.evidence_neighbours import Neighbours
from strongroom.crypto.certificates import load_certificate
from strongroom.errors import EvidenceRejected, InvalidInput

__all__ = ["azure_evidence", "bare_quote", "intel_evidence", "plain_evidence", "snp_evidence"]

_Built = tuple[Evidence, tuple[str, ...]]
_BYTES: str = "application/octet-stream"
"""A quote alone, without the map that its kind has around it."""
_Pieces = Mapping[str, Any]  # Any: each piece has its own type


def plain_evidence(kind: str, body: bytes, around: Neighbours) -> _Built:
    """A body whose endorsements, if any, are the certificates that were named, in their order."""
    held = around.certificates() if around.is_named else []
    chain = tuple(each.certificate.der for each in held)
    return Evidence(kind, MEDIA_TYPES[kind], body, chain), _names(each.file for each in held)


def snp_evidence(body: bytes, around: Neighbours) -> _Built:
    """A report and the chain of the key that signed it."""
    chain = amd_chain(body, around.certificates(), leaf=None)
    endorsements = tuple(each.certificate.der for each in chain)
    return Evidence("sev-snp", MEDIA_TYPES["sev-snp"], body, endorsements), _names(each.file for each in chain)


def intel_evidence(kind: str, file: str, body: bytes, around: Neighbours) -> _Built:
    """A quote and its collateral: the documents that were named, or the one for its platform."""
    documents = around.collateral()
    if not around.is_named:
        fitting = collateral_for(kind, file, body, documents)
        documents = [fitting] if fitting is not None else []
    endorsements = tuple(each.raw for each in documents)
    return Evidence(kind, MEDIA_TYPES[kind], body, endorsements), _names(each.file for each in documents)


def azure_evidence(pieces: _Pieces, around: Neighbours) -> _Built:
    """Our body around an HCL report and a quote of its vTPM."""
    report = pieces["hcl_report"]
    try:
        snp = parse_hcl(report).snp
        leaf = load_certificate(pieces["vcek"]) if "vcek" in pieces else None
    except (EvidenceRejected, InvalidInput):
        snp, leaf = b"", None
    chain = amd_chain(snp, around.certificates(), leaf=leaf)
    ders = [each.certificate.der for each in chain]
    body = {
        "v": 1,
        "hcl_report": report,
        "attest": pieces["attest"],
        "signature": pieces["signature"],
        "pcrs": pieces.get("pcrs", {}),
        "vcek": ders[0] if ders else b"",
    }
    kind = "az-snp-vtpm"
    return Evidence(kind, MEDIA_TYPES[kind], canonical(body), tuple(ders[1:])), _names(each.file for each in chain)


def bare_quote(pieces: _Pieces) -> tuple[Evidence, Verifier]:
    """A quote whose key came as a public key only, and what verifies that.

    Nothing says that the key is one of a TPM, restricted to what that TPM made itself: the class is the lowest of the
    kind, the name of the key is not known, and so no policy that lists enrolled keys accepts it.
    """
    key, signature, pcrs = pieces["ak_public"], pieces["signature"], pieces.get("pcrs", {})

    def verify(
        evidence: Evidence, *, expected: Binding | None, now: datetime, anchors: frozenset[str], limits: EvidenceLimits
    ) -> Claims:
        signed = parse_quote("tpm", evidence.body, signature, key, limits)
        check_quote("tpm", signed, pcrs, expected=expected)
        facts = quote_facts(signed.quote, pcrs)
        is_bound = expected is not None
        return Claims(kind="tpm2", assurance=VTPM_UNTRUSTED, is_bound=is_bound, evidence=evidence.body, facts=facts)

    return Evidence("tpm2", _BYTES, pieces["attest"]), verify


def _names(files: Any) -> tuple[str, ...]:  # Any: an iterable of names
    """Each name once, without those of what came in the evidence itself."""
    return tuple(dict.fromkeys(each for each in files if each))
