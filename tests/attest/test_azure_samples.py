"""Real evidence of Azure's confidential VMs, where it is at hand, put from four containers into our body."""

import struct
from dataclasses import replace

import cbor2

from strongroom.attest import codes
from strongroom.attest.azure import verify_az_snp_vtpm
from strongroom.attest.evidence import Binding, Evidence
from strongroom.crypto.certificates import load_pem_certificates
from tests.fakes.attestation_samples import (
    assert_facts,
    base64url,
    outcome,
    sample_bytes,
    sample_cases,
    sample_json,
)

EXPECTED = Binding(report_data=b"r" * 32, nonce=b"n" * 32, kem_spki=b"k" * 44)
FLIP_STRIDE_BYTES = 17


def cases():
    return sample_cases("az-snp-vtpm", 5)


def quote_of(found):
    """Message, signature and register values of a quote, which are hex or lists of numbers."""
    as_bytes = bytes.fromhex if isinstance(found["message"], str) else bytes
    pcrs = {register: as_bytes(value) for register, value in enumerate(found["pcrs"])}
    return as_bytes(found["message"]), as_bytes(found["signature"]), pcrs


def parts(case):
    """HCL report, quote, and the VCEK where the container has it."""
    if case["body"]["encoding"] != "raw":
        found = sample_json(case["body"])
        if "quote" in found:
            return (
                bytes(found["report"]),
                quote_of(found["quote"]),
                load_pem_certificates(found["vcek"].encode())[0].der,
            )
        return base64url(found["hcl_report"]), quote_of(found["tpm_quote"]), base64url(found["vcek"])
    if "quote" in case["parts"]:
        quote = quote_of(sample_json(case["parts"]["quote"]))
    else:
        # Nobody kept the register values of this one; its signature is refused before they are looked at.
        quote = (*(sample_bytes(case["parts"][name]) for name in ("message", "signature")), {})
    return sample_bytes(case["body"]), quote, None


def evidence(case):
    hcl_report, (message, signature, pcrs), vcek = parts(case)
    endorsements = [sample_bytes(each) for each in case["endorsements"]]
    if vcek is None:
        vcek, *endorsements = endorsements
    fields = {
        "v": 1,
        "hcl_report": hcl_report,
        "attest": message,
        "signature": struct.pack(">HHH", 0x0014, 0x000B, len(signature)) + signature,
        "pcrs": pcrs,
        "vcek": vcek,
    }
    return Evidence("az-snp-vtpm", "application/cbor", cbor2.dumps(fields, canonical=True), tuple(endorsements))


def test_every_sample_is_what_it_should_be_at_its_time():
    for case in cases():
        found = outcome(verify_az_snp_vtpm, evidence(case), case["at"])
        if case["outcome"] != "accept":
            assert found == case["outcome"], case["name"]
            continue
        assert (found.kind, found.assurance, found.is_bound) == ("az-snp-vtpm", "hardware", False), case["name"]
        assert_facts(case, found.facts)
        assert len(found.facts["pcrs"]) == 24
        assert len(found.evidence) < len(evidence(case).body), "the padding is not kept"


def test_every_sample_is_refused_before_its_certificate_and_after_it():
    for case in cases():
        assert outcome(verify_az_snp_vtpm, evidence(case), "2040-01-01T00:00:00Z") == codes.EXPIRED, case["name"]
        assert outcome(verify_az_snp_vtpm, evidence(case), "2022-01-01T00:00:00Z") == codes.NOT_YET_VALID, case["name"]


def test_no_sample_is_bound_to_a_challenge_of_ours():
    for case in cases():
        if case["outcome"] == "accept":
            assert outcome(verify_az_snp_vtpm, evidence(case), case["at"], EXPECTED) == codes.BINDING, case["name"]


def test_a_quote_of_one_machine_does_not_suit_the_report_of_another():
    by_name = {case["name"]: case for case in cases()}
    first, second = (by_name[name] for name in ("az-milan-v3-a", "az-milan-v3-b"))
    own, other = (cbor2.loads(evidence(case).body) for case in (first, second))
    mixed = {**own, **{name: other[name] for name in ("attest", "signature", "pcrs")}}
    untrusted = replace(evidence(first), body=cbor2.dumps(mixed, canonical=True))
    assert outcome(verify_az_snp_vtpm, untrusted, first["at"]) == codes.SIGNATURE


def test_no_flipped_byte_of_a_sample_is_taken():
    case = cases()[0]
    whole = evidence(case)
    for position in range(0, len(whole.body), FLIP_STRIDE_BYTES):
        flipped = bytearray(whole.body)
        flipped[position] ^= 0x41
        found = outcome(verify_az_snp_vtpm, replace(whole, body=bytes(flipped)), case["at"])
        assert isinstance(found, str), position
