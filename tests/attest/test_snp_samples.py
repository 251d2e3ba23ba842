"""Real SEV-SNP reports, where they are at hand: each at its time, later, changed, and under other chains."""

from dataclasses import replace

from strongroom.attest import codes
from strongroom.attest.anchors import AMD_TURIN, PINNED
from strongroom.attest.evidence import Binding, Evidence, EvidenceLimits
from strongroom.attest.snp import verify_snp
from strongroom.attest.snp_certificates import checked_leaf
from tests.fakes.attestation_samples import SAMPLES, assert_facts, outcome, sample_bytes, sample_cases
from tests.fakes.pki_snp import NOW

FLIP_STRIDE_BYTES = 17
"""Coprime to every width in the format, so that every kind of field is hit; the test PKI is flipped byte by byte."""


def cases():
    return sample_cases("sev-snp", 9)


def evidence(case):
    endorsements = tuple(sample_bytes(each) for each in case["endorsements"])
    return Evidence("sev-snp", "application/octet-stream", sample_bytes(case["body"]), endorsements)


def test_every_sample_is_what_it_should_be_at_its_time_and_later():
    for case in cases():
        found = outcome(verify_snp, evidence(case), case["at"])
        if case["outcome"] != "accept":
            assert found == case["outcome"], case["name"]
            continue
        assert (found.kind, found.assurance, found.is_bound) == ("sev-snp", "hardware", False), case["name"]
        assert_facts(case, found.facts)
        if case["late"]:
            late = outcome(verify_snp, evidence(case), case["late"]["at"])
            assert late == case["late"]["outcome"], case["name"]


def test_a_sample_is_bound_to_its_own_data_where_that_has_our_shape():
    shapes = set()
    for case in cases():
        if case["outcome"] != "accept" or "report_data" not in case["claims"]:
            continue
        report_data = bytes.fromhex(case["claims"]["report_data"])[:32]
        expected = Binding(report_data=report_data, nonce=b"n" * 32, kem_spki=b"k" * 44)
        found = outcome(verify_snp, evidence(case), case["at"], expected)
        is_ours = case["binding_shape"] == "ours"
        assert found.is_bound if is_ours else found == codes.BINDING, case["name"]
        shapes.add(case["binding_shape"])
        other = replace(expected, report_data=b"x" * 32)
        assert outcome(verify_snp, evidence(case), case["at"], other) == codes.BINDING, case["name"]
    assert shapes == {"ours", "other"}


def test_the_debug_sample_and_the_one_at_vmpl_1_say_so():
    by_policy = {case["policy"]: case for case in cases()}
    assert outcome(verify_snp, evidence(by_policy["SR-ATTEST-016"]), "2026-07-01T00:00:00Z").facts["debug"]
    assert outcome(verify_snp, evidence(by_policy["SR-ATTEST-017"]), "2025-06-01T00:00:00Z").facts["vmpl"] == 1


def test_no_flipped_byte_of_a_sample_is_taken():
    case = cases()[0]
    whole = evidence(case)
    for position in range(0, len(whole.body), FLIP_STRIDE_BYTES):
        flipped = bytearray(whole.body)
        flipped[position] ^= 0x41
        assert isinstance(outcome(verify_snp, replace(whole, body=bytes(flipped)), case["at"]), str), position


def test_every_cut_of_a_sample_and_everything_behind_it_is_malformed():
    case = cases()[0]
    whole = evidence(case)
    for body in (*(whole.body[:length] for length in range(0, len(whole.body), 7)), whole.body + b"\0"):
        assert outcome(verify_snp, replace(whole, body=body), case["at"]) == codes.MALFORMED, len(body)


def test_the_real_vlek_chain_does_not_suit_a_report_by_a_vcek():
    by_name = {case["name"]: case for case in cases()}
    mixed = replace(
        evidence(by_name["snp-milan-v3"]), endorsements=evidence(by_name["snp-milan-vlek-vmpl1"]).endorsements
    )
    assert outcome(verify_snp, mixed, "2025-06-01T00:00:00Z") == codes.CHAIN


def test_a_turin_leaf_is_read_though_there_is_no_report_of_it():
    cases()
    ask, ark = (
        sample_bytes({"file": "roots/amd_ask_ark_turin_vcek.pem", "encoding": "pem", "pem_index": place})
        for place in (0, 1)
    )
    chain = ((SAMPLES / "sev-snp" / "virtee_turin_vcek.der").read_bytes(), ask, ark)
    assert AMD_TURIN in PINNED["sev-snp"]
    leaf = checked_leaf("snp", chain, "vcek", now=NOW, anchors=frozenset({AMD_TURIN}), limits=EvidenceLimits())
    assert (leaf.product, leaf.tcb) == ("Turin", {"fmc": 0, "bl": 0, "tee": 0, "snp": 0, "ucode": 9})
    assert leaf.chip_id[:2].hex() == "1e55"
    assert leaf.chip_id[8:] == bytes(56)
