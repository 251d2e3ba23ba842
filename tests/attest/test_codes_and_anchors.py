"""Public numbers that must not move: the codes of refusals, and the anchors, compared with the makers' certificates."""

from pathlib import Path

import pytest

from strongroom.attest import anchors, codes
from strongroom.attest.assurance import CLASSES_OF, INSECURE_KINDS, KINDS
from strongroom.attest.evidence import EvidenceLimits
from strongroom.attest.verifiers import VERIFIERS
from strongroom.crypto.certificates import load_pem_certificates
from tests.fakes.attestation_samples import SAMPLES

DOCS = Path(__file__).resolve().parents[2] / "docs" / "errors.md"
NUMBERS = {
    "MALFORMED": 1,
    "TOO_LARGE": 2,
    "UNSUPPORTED_KIND": 3,
    "UNSUPPORTED_VERSION": 4,
    "ALGORITHM": 5,
    "SIGNATURE": 6,
    "CHAIN": 7,
    "ANCHOR": 8,
    "EXPIRED": 9,
    "NOT_YET_VALID": 10,
    "STALE": 11,
    "NONCE_UNKNOWN": 12,
    "NONCE_USED": 13,
    "NONCE_EXPIRED": 14,
    "BINDING": 15,
    "DEBUG": 16,
    "PRIVILEGE": 17,
    "TCB": 18,
    "ADVISORY": 19,
    "REVOKED": 20,
    "MEASUREMENT": 21,
    "CONFIG": 22,
    "IDENTITY": 23,
    "COLLATERAL_MISSING": 24,
    "COLLATERAL_EXPIRED": 25,
    "INSECURE_KIND": 26,
    "POLICY_INVALID": 27,
    "POLICY_EPOCH": 28,
    "RUNNER_SVN": 29,
    "NOT_AUTHORISED": 30,
    "ASSURANCE_TOO_LOW": 31,
    "ALREADY_RELEASED": 32,
    "POSSESSION": 33,
    "VERIFIER_FAILED": 34,
    "BACKEND_UNAVAILABLE": 35,
}
ROOTS = {
    "AWS_NitroEnclaves_Root-G1.pem": anchors.AWS_NITRO,
    "amd_ask_ark_milan.pem": anchors.AMD_MILAN,
    "amd_ask_ark_milan_vlek.pem": anchors.AMD_MILAN,
    "amd_ask_ark_genoa.pem": anchors.AMD_GENOA,
    "amd_ask_ark_genoa_vlek.pem": anchors.AMD_GENOA,
    "amd_ask_ark_turin_vcek.pem": anchors.AMD_TURIN,
    "amd_ask_ark_turin_vlek.pem": anchors.AMD_TURIN,
    "intel_sgx_root_ca.pem": anchors.INTEL_SGX,
}


def test_every_code_has_its_number_and_its_line_in_the_documentation():
    assert {name: getattr(codes, name) for name in codes.__all__} == {
        name: f"SR-ATTEST-{number:03}" for name, number in NUMBERS.items()
    }
    text = DOCS.read_text("utf-8")
    assert all(f"| {getattr(codes, name)} |" in text for name in NUMBERS)


def test_every_pinned_anchor_is_the_certificate_of_its_maker():
    if not SAMPLES.exists():
        pytest.skip("attestation samples are absent: ../shared/attestation-samples")
    seen = set()
    for name, pinned in ROOTS.items():
        *_issuers, root = load_pem_certificates((SAMPLES / "roots" / name).read_bytes())
        assert root.fingerprint == pinned, name
        assert root.is_issued_by(root)
        seen.add(pinned)
    assert seen == frozenset().union(*anchors.PINNED.values())


def test_each_kind_has_the_anchors_of_its_own_maker():
    amd = {anchors.AMD_MILAN, anchors.AMD_GENOA, anchors.AMD_TURIN}
    intel, aws = {anchors.INTEL_SGX}, {anchors.AWS_NITRO}
    assert {"nitro": aws, "sev-snp": amd, "az-snp-vtpm": amd, "tdx": intel, "sgx": intel} == anchors.PINNED


def test_kinds_classes_and_verifiers_are_those_of_the_contract():
    assert tuple(VERIFIERS) == ("nitro", "sev-snp", "az-snp-vtpm", "tdx", "sgx", "tpm2", *sorted(INSECURE_KINDS)[::-1])
    assert set(VERIFIERS) == set(KINDS)
    assert {"insecure-software", "insecure-swtpm"} == INSECURE_KINDS
    hardware = {kind for kind, classes in CLASSES_OF.items() if classes == {"hardware"}}
    assert hardware == {"nitro", "sev-snp", "az-snp-vtpm", "tdx", "sgx"}
    assert CLASSES_OF["tpm2"] == {"vtpm", "vtpm-untrusted"}


def test_limits_are_those_of_the_contract_until_a_setting_says_otherwise():
    assert EvidenceLimits() == EvidenceLimits(
        evidence_bytes_max=65_536,
        payload_bytes_max=16_384,
        endorsements_bytes_max=262_144,
        certificates_max=8,
        certificate_bytes_max=4_096,
        cbor_depth_max=8,
        tpm_message_bytes_max=4_096,
        quote_bytes_max=16_384,
        collateral_bytes_max=262_144,
        skew_s_max=300,
    )
