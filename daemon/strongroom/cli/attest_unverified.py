"""What refused evidence says of itself: read and shown to whoever looks for the fault, and verified by nobody."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from strongroom.attest.azure_hcl import parse_hcl
from strongroom.attest.cbor import decode_canonical
from strongroom.attest.quote import SGX, TDX, parse_quote
from strongroom.attest.snp_report import parse_report
from strongroom.attest.tpm_structures import parse_attest
from strongroom.cli.evidence_files import Opened
from strongroom.errors import EvidenceRejected

__all__ = ["unverified_claims"]

_TEES = {"sgx": SGX, "tdx": TDX}
_NOT_SHOWN = frozenset({"signed", "r", "s", "attest"})


def unverified_claims(opened: Opened) -> Mapping[str, Any]:  # Any: fields of several types
    """The fields of a report or quote by their names; none where it cannot be read, or its kind has no such fields."""
    try:
        found = _read(opened.kind, opened.evidence.body)
    except (EvidenceRejected, KeyError, TypeError):
        return {}
    return {name: value for name, value in found.items() if name not in _NOT_SHOWN}


def _read(kind: str, body: bytes) -> Mapping[str, Any]:
    if kind in _TEES:
        return parse_quote(kind, body, _TEES[kind]).fields
    if kind == "sev-snp":
        return asdict(parse_report("snp", body))
    if kind == "az-snp-vtpm":
        return asdict(parse_report("snp", parse_hcl(decode_canonical("azure", body)["hcl_report"]).snp))
    if kind == "tpm2":
        attest = body if body.startswith(b"\xffTCG") else decode_canonical("tpm", body)["attest"]
        return asdict(parse_attest("tpm", attest))
    return {}
