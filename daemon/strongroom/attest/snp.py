"""Verifies evidence of kind ``sev-snp``: a report of AMD's secure processor and the chain of its key.

The body is the report, the endorsements are leaf, intermediate and root in DER.

Facts: those of the report by the names of ``SnpReport``; ``reported_tcb``, ``committed_tcb``, ``current_tcb`` and
``launch_tcb`` by component (``bl``, ``tee``, ``snp``, ``ucode``, and ``fmc`` on Turin), which are compared one by one
and never as one number; ``product``; ``csp_id`` of a VLEK; and of the guest's policy and the platform ``debug``,
``migrate_ma``, ``smt_allowed``, ``single_socket``, ``smt_enabled``, ``ciphertext_hiding``.
Check 9 of the contract (debug, VMPL, firmware, measurement) is appraisal and not done here.
Source: contracts/attestation.md 7.2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from strongroom.attest.codes import CHAIN, IDENTITY, SIGNATURE, TCB
from strongroom.attest.evidence import (
    HARDWARE,
    Binding,
    Claims,
    Evidence,
    EvidenceLimits,
    check_kind,
    check_size,
    is_same,
    padded_report_data,
)
from strongroom.attest.snp_certificates import SnpLeaf, checked_leaf
from strongroom.attest.snp_report import VCEK, SnpReport, parse_report, product_of_cpu
from strongroom.errors import EvidenceRejected

__all__ = ["KIND", "report_facts", "verify_snp"]

KIND: Final = "sev-snp"

# Component -> its byte in a TCB.
_TCB_BYTES: Final = {"bl": 0, "tee": 1, "snp": 6, "ucode": 7}
_TURIN_TCB_BYTES: Final = {"fmc": 0, "bl": 1, "tee": 2, "snp": 3, "ucode": 7}

_POLICY_BITS: Final = {"smt_allowed": 16, "migrate_ma": 18, "debug": 19, "single_socket": 20}
_PLATFORM_BITS: Final = {"smt_enabled": 0, "ciphertext_hiding": 4}
_TCB_FIELDS: Final = ("current_tcb", "reported_tcb", "committed_tcb", "launch_tcb")
_NOT_FACTS: Final = frozenset({*_TCB_FIELDS, "signed", "r", "s"})


def verify_snp(
    evidence: Evidence, *, expected: Binding | None, now: datetime, anchors: frozenset[str], limits: EvidenceLimits
) -> Claims:
    """The claims of a report. See ``evidence.Verifier``."""
    check_kind("snp/1 kind", evidence, KIND)
    check_size("snp/1 size", evidence.body, limits.evidence_bytes_max)
    facts = report_facts("snp", evidence.body, evidence.endorsements, now=now, anchors=anchors, limits=limits)
    if expected is not None:
        padded_report_data("snp/8 report_data", facts["report_data"], expected)
    return Claims(kind=KIND, assurance=HARDWARE, is_bound=expected is not None, evidence=evidence.body, facts=facts)


def report_facts(
    place: str,
    untrusted: bytes,
    endorsements: Sequence[bytes],
    *,
    now: datetime,
    anchors: frozenset[str],
    limits: EvidenceLimits,
) -> Mapping[str, Any]:  # Any: facts of several types
    """What an authentic report says. ``report_data``, which binds it, is the caller's to compare.

    ``place`` is the prefix of the checks that refuse. Raises ``EvidenceRejected``.
    """
    report = parse_report(place, untrusted)
    leaf = checked_leaf(place, endorsements, report.signing_key, now=now, anchors=anchors, limits=limits)
    if not leaf.key.verify_ecdsa(report.r, report.s, report.signed, "sha384"):
        got, wanted = "a signature that does not verify", f"one by the {report.signing_key.upper()}"
        raise EvidenceRejected(SIGNATURE, f"{place}/4 signature", got=got, wanted=wanted)
    _check_leaf(place, report, leaf)
    return _facts(report, leaf)


def _check_leaf(place: str, report: SnpReport, leaf: SnpLeaf) -> None:
    """Refuse a report that is of other firmware, of another chip or of another product than its key."""
    if report.cpu is not None:
        product = product_of_cpu(place, report.cpu)
        if product != leaf.product:
            raise EvidenceRejected(CHAIN, f"{place}/7 product", got=f"a {product} processor", wanted=leaf.product)
    reported = _components(report.reported_tcb, leaf.product)
    if reported != leaf.tcb:
        raise EvidenceRejected(TCB, f"{place}/5 reported_tcb", got=_spelled(reported), wanted=_spelled(leaf.tcb))
    if report.signing_key == VCEK and not is_same(report.chip_id, leaf.chip_id):
        got, wanted = f"chip {report.chip_id.hex()}", leaf.chip_id.hex()
        raise EvidenceRejected(IDENTITY, f"{place}/6 hwID", got=got, wanted=wanted)


def _components(tcb: bytes, product: str) -> dict[str, int]:
    """The components of 8 bytes, by their names."""
    places = _TURIN_TCB_BYTES if product == "Turin" else _TCB_BYTES
    return {name: tcb[place] for name, place in places.items()}


def _facts(report: SnpReport, leaf: SnpLeaf) -> Mapping[str, Any]:
    facts = {name: value for name, value in asdict(report).items() if name not in _NOT_FACTS}
    facts |= {name: _components(getattr(report, name), leaf.product) for name in _TCB_FIELDS}
    facts |= {name: bool(report.policy >> bit & 1) for name, bit in _POLICY_BITS.items()}
    facts |= {name: bool(report.platform_info >> bit & 1) for name, bit in _PLATFORM_BITS.items()}
    facts["product"] = leaf.product
    if leaf.csp_id:
        facts["csp_id"] = leaf.csp_id
    return facts


def _spelled(tcb: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in tcb.items())
