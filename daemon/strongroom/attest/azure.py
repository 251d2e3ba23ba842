"""Verifies evidence of kind ``az-snp-vtpm``: a vTPM's quote, by a key that an SEV-SNP report vouches for.

The body is the deterministic CBOR map ``{"v": 1, "hcl_report", "attest", "signature", "pcrs", "vcek"}``; the
endorsements are the VCEK's issuers in DER, intermediate first.

The chain of trust: AMD's root signed the VCEK, the VCEK signed the report, the report holds the digest of the JSON, the
JSON names the attestation key, that key signed the quote, and the quote is bound to what is asked for.

Facts: those of ``sev-snp`` and of ``tpm_quote.quote_facts``. VMPL 0 is Azure's paravisor here: what it measured to is
part of what is trusted. ``Claims.evidence`` has the HCL report without its padding.
Source: contracts/attestation.md 10.
"""

from datetime import datetime
from typing import Final

from strongroom.attest.azure_hcl import attestation_key, check_vouched, parse_hcl
from strongroom.attest.cbor import canonical
from strongroom.attest.evidence import HARDWARE, Binding, Claims, Evidence, EvidenceLimits, check_kind
from strongroom.attest.snp import report_facts
from strongroom.attest.tpm_body import parse_body
from strongroom.attest.tpm_quote import check_quote, parse_quote, quote_facts

__all__ = ["KIND", "verify_az_snp_vtpm"]

KIND: Final = "az-snp-vtpm"
_BYTES_KEYS: Final = ("hcl_report", "attest", "signature", "vcek")


def verify_az_snp_vtpm(
    evidence: Evidence, *, expected: Binding | None, now: datetime, anchors: frozenset[str], limits: EvidenceLimits
) -> Claims:
    """The claims of a quote and of the report behind it. See ``evidence.Verifier``."""
    check_kind("azure/1 kind", evidence, KIND)
    body = parse_body("azure", evidence, _BYTES_KEYS, limits)
    hcl = parse_hcl(body["hcl_report"])
    signed = parse_quote("azure tpm", body["attest"], body["signature"], attestation_key(hcl.runtime), limits)
    chain = (body["vcek"], *evidence.endorsements)
    facts = report_facts("azure snp", hcl.snp, chain, now=now, anchors=anchors, limits=limits)
    check_vouched(hcl, facts["report_data"])
    check_quote("azure tpm", signed, body["pcrs"], expected=expected)
    return Claims(
        kind=KIND,
        assurance=HARDWARE,
        is_bound=expected is not None,
        evidence=canonical(body | {"hcl_report": hcl.canonical}),
        facts={**facts, **quote_facts(signed.quote, body["pcrs"])},
    )
