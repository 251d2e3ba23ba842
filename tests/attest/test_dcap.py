"""Quotes of a platform that never existed, through the verifiers of production: every rule, every code."""

import builtins
import socket
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from strongroom.attest import dcap
from strongroom.attest.dcap import merged_status, verify_sgx, verify_tdx
from strongroom.attest.evidence import EvidenceLimits
from strongroom.attest.json_values import Json
from strongroom.attest.policy_sections import TCB_STATUSES
from strongroom.errors import EvidenceRejected
from tests.fakes.dcap_verified import claims, code_of, refused
from tests.fakes.pki_dcap import (
    BOUND,
    GOOD_ENCLAVE,
    GOOD_TD,
    ISSUED,
    NOW,
    Platform,
)

VERSIONS = pytest.mark.parametrize("version", [3, 4, 5])
DAY = timedelta(days=1)


@VERSIONS
def test_a_good_platform_is_verified_bound_and_described(version):
    platform = Platform(version=version, advisories=("INTEL-SA-00001",))
    found = claims(platform)
    assert (found.kind, found.assurance, found.is_bound) == ("sgx" if version == 3 else "tdx", "hardware", True)
    assert found.evidence == platform.quote()
    good = GOOD_ENCLAVE["mr_enclave"] if version == 3 else GOOD_TD["mr_td"]
    assert good in found.facts.values()
    wanted = {
        "tcb_status": "UpToDate",
        "advisories": ("INTEL-SA-00001",),
        "evaluation_number": 17,
        "collateral_issued": ISSUED,
        "fmspc": "90c06f000000",
        "version": version,
        "dynamic_platform": True,
        "cached_keys": False,
        "smt_enabled": True,
    }
    assert wanted.items() <= found.facts.items()
    assert not claims(platform, expected=None).is_bound


@VERSIONS
def test_report_data_must_be_the_digest_and_zeros(version):
    for wrong in (b"x" * 32, BOUND.report_data + b"\0" * 31 + b"\1", BOUND.report_data + BOUND.nonce, b""):
        error = refused(Platform(version=version, fields={"report_data": wrong}))
        assert error.code == "SR-ATTEST-015"
        assert error.check.endswith("/binding report_data")


@VERSIONS
@pytest.mark.parametrize(
    "status",
    ["SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDate"],
)
def test_a_status_that_is_not_the_best_is_for_the_policy(version, status):
    assert claims(Platform(version=version, tcb_status=status)).facts["tcb_status"] == status


@VERSIONS
def test_the_quoting_enclave_has_a_status_as_well(version):
    for status in ("OutOfDate", "ConfigurationNeeded"):
        assert claims(Platform(version=version, qe_status=status)).facts["tcb_status"] == status
    found = claims(Platform(version=version, qe_status="OutOfDate", tcb_status="ConfigurationNeeded"))
    assert found.facts["tcb_status"] not in {"UpToDate", "ConfigurationNeeded"}, "the worse of the two, or both"


@VERSIONS
@pytest.mark.parametrize(
    ("platform", "quoting", "both"),
    [
        ("SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded"),
        ("SWHardeningNeeded", "OutOfDateConfigurationNeeded", "OutOfDateConfigurationNeeded"),
        ("ConfigurationNeeded", "OutOfDateConfigurationNeeded", "OutOfDateConfigurationNeeded"),
        ("ConfigurationNeeded", "OutOfDate", "OutOfDateConfigurationNeeded"),
        ("OutOfDate", "ConfigurationNeeded", "OutOfDateConfigurationNeeded"),
        ("SWHardeningNeeded", "OutOfDate", "OutOfDate"),
        ("OutOfDate", "UpToDate", "OutOfDate"),
    ],
)
def test_no_fault_of_the_quoting_enclave_is_hidden_behind_one_of_the_platform(version, platform, quoting, both):
    assert claims(Platform(version=version, tcb_status=platform, qe_status=quoting)).facts["tcb_status"] == both


def test_a_status_that_cannot_be_put_together_is_left_for_the_policy_to_refuse():
    assert merged_status("TDRelaunchAdvised", "ConfigurationNeeded") == "TDRelaunchAdvisedConfigurationNeeded"
    assert merged_status("TDRelaunchAdvised", "OutOfDate") == "OutOfDate"
    for one, other in (("Fine", "UpToDate"), ("UpToDate", "Fine"), ("Fine", "OutOfDate")):
        assert merged_status(one, other) == "Fine"
    assert merged_status("Revoked", "UpToDate") == merged_status("UpToDate", "Revoked") == "Revoked"
    assert all(merged_status(each, each) == each for each in TCB_STATUSES)


SAME_FOR_ALL = {
    "a revoked platform": ({"tcb_status": "Revoked"}, "SR-ATTEST-020"),
    "a revoked quoting enclave": ({"qe_status": "Revoked"}, "SR-ATTEST-020"),
    "a revoked key of the platform": ({"revoked": ("PCK",)}, "SR-ATTEST-020"),
    "a revoked authority": ({"revoked_authorities": ("Platform CA",)}, "SR-ATTEST-020"),
    "a revoked signer of the collateral": ({"revoked_authorities": ("TCB Signing",)}, "SR-ATTEST-020"),
    "firmware older than every level": ({"cpu_svn": 2}, "SR-ATTEST-018"),
    "a status that nobody knows": ({"tcb_status": "Fine"}, "SR-ATTEST-001"),
    "a status that no quoting enclave has": ({"qe_status": "SWHardeningNeeded"}, "SR-ATTEST-018"),
    "collateral of another platform": ({"fmspc": "00" * 6}, "SR-ATTEST-024"),
    "another quoting enclave": ({"qe_signer": bytes(32)}, "SR-ATTEST-023"),
    "revocation lists that are too old": ({"lists_end": NOW - timedelta(seconds=1)}, "SR-ATTEST-025"),
    "documents that are too old": ({"documents_end": NOW - timedelta(seconds=1)}, "SR-ATTEST-025"),
    "documents from the future": ({"documents_issued": NOW + timedelta(seconds=1)}, "SR-ATTEST-010"),
    "a key of the platform past its time": ({"pck_dies": NOW - DAY}, "SR-ATTEST-009"),
}


@VERSIONS
@pytest.mark.parametrize("case", SAME_FOR_ALL)
def test_what_is_wrong_with_platform_or_collateral_has_its_code(version, case):
    changes, code = SAME_FOR_ALL[case]
    assert code_of(Platform(version=version, **changes)) == code


SEPT = 1 << 28
TDX_ONLY = {
    "debug": ({"td_attributes": SEPT | 1}, "SR-ATTEST-016"),
    "the reserved bits of that group": ({"td_attributes": SEPT | 0x80}, "SR-ATTEST-016"),
    "profiling": ({"td_attributes": SEPT | 1 << 4}, "SR-ATTEST-016"),
    "pages that can be taken away": ({"td_attributes": 0}, "SR-ATTEST-022"),
    "migration": ({"td_attributes": SEPT | 1 << 29}, "SR-ATTEST-017"),
    "an old module": ({"tee_tcb_svn": bytes([4, 1, 3]), "tee_tcb_svn2": bytes([4, 1, 3])}, "SR-ATTEST-018"),
    "a module that nobody knows": ({"tee_tcb_svn": bytes([6, 2, 3])}, "SR-ATTEST-018"),
    "old microcode": ({"tee_tcb_svn": bytes([6, 1, 2])}, "SR-ATTEST-018"),
    "another signer of the module": ({"mr_signer_seam": b"x"}, "SR-ATTEST-023"),
    "other attributes of the module": ({"seam_attributes": b"x"}, "SR-ATTEST-023"),
}


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("case", TDX_ONLY)
def test_a_trust_domain_that_may_not_be_has_its_code(version, case):
    fields, code = TDX_ONLY[case]
    fields = {name: each.to_bytes(8, "little") if isinstance(each, int) else each for name, each in fields.items()}
    assert code_of(Platform(version=version, fields=fields)) == code


def test_td_15_has_more_that_can_be_wrong():
    assert code_of(Platform(version=5, fields={"mr_service_td": b"x"})) == "SR-ATTEST-017"
    assert code_of(Platform(version=5, fields={"tee_tcb_svn2": bytes([4, 1, 3])})) == "SR-ATTEST-018"


def test_an_enclave_under_debug_has_its_code():
    assert code_of(Platform(version=3, fields={"attributes": bytes([7])})) == "SR-ATTEST-016"


@VERSIONS
def test_every_signature_is_verified(version):
    platform = Platform(version=version)
    assert code_of(platform, body=platform.quote(quoting_key="other")) == "SR-ATTEST-006"
    raw = platform.quote()
    signed = 48 + (6 if version == 5 else 0) + len(platform.body())
    inner = signed + 4 + 128 + (0 if version == 3 else 6)
    places = {
        "body": signed - 40,
        "signature": signed + 5,
        "key": signed + 70,
        "report": inner + 70,
        "of it": inner + 390,
    }
    for name, place in places.items():
        mutated = bytearray(raw)
        mutated[place] ^= 1
        assert code_of(platform, body=bytes(mutated)) in {"SR-ATTEST-006", "SR-ATTEST-023"}, name
    for zeros in (signed + 4, inner + 384):
        mutated = bytearray(raw)
        mutated[zeros : zeros + 64] = bytes(64)
        assert code_of(platform, body=bytes(mutated)) == "SR-ATTEST-006", "r and s of zero"


def test_sizes_are_looked_at_first():
    platform = Platform()
    small = EvidenceLimits(quote_bytes_max=1000)
    assert (refused(platform, limits=small).code, refused(platform, limits=small).check) == (
        "SR-ATTEST-002",
        "tdx/size",
    )
    assert code_of(platform, limits=EvidenceLimits(collateral_bytes_max=100)) == "SR-ATTEST-002"
    assert code_of(platform, limits=EvidenceLimits(certificates_max=2)) == "SR-ATTEST-002"
    assert code_of(platform, limits=EvidenceLimits(certificate_bytes_max=100)) == "SR-ATTEST-002"
    assert code_of(platform, body=b"") == "SR-ATTEST-001"


def test_a_revoked_platform_is_refused_even_when_the_library_lets_it_through(monkeypatch):
    pck = dict.fromkeys(["dynamic_platform", "cached_keys", "smt_enabled"], "Undefined")
    said = {"platform": {"pck": pck}, "qe": {"tcb_level": {"tcbStatus": "Revoked"}}}
    tcb = {"status": "UpToDate", "advisory_ids": [], "eval_data_number": 17}
    monkeypatch.setattr(dcap, "verified_claims", lambda *_arguments: Json("tdx/claims", {**said, "tcb": tcb}))
    error = refused(Platform())
    assert (error.code, error.check) == ("SR-ATTEST-020", "tdx/tcb")


def test_another_kind_than_the_verifiers_is_refused():
    evidence = replace(Platform().evidence(), kind="sgx")
    with pytest.raises(EvidenceRejected) as caught:
        verify_tdx(evidence, expected=None, now=NOW, anchors=Platform().anchors(), limits=EvidenceLimits())
    assert caught.value.code == "SR-ATTEST-003"


@VERSIONS
def test_verifying_touches_no_clock_no_network_and_no_file(version, monkeypatch):
    platform = Platform(version=version)
    evidence = platform.evidence()
    anchors = platform.anchors()
    claims(platform)

    def touched(*_arguments, **_named):
        raise AssertionError("a verifier is pure")

    monkeypatch.setattr(socket, "socket", touched)
    monkeypatch.setattr(builtins, "open", touched)
    for name in ("time", "time_ns", "monotonic"):
        monkeypatch.setattr(time, name, touched)
    verify = verify_sgx if platform.is_sgx else verify_tdx
    found = verify(evidence, expected=BOUND, now=NOW, anchors=anchors, limits=EvidenceLimits())
    monkeypatch.undo()
    assert found.is_bound
