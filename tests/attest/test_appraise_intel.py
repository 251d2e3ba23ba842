"""Each rule of appraisal for TDX and SGX, one at a time."""

from datetime import timedelta

import pytest

from strongroom.attest import codes
from strongroom.attest.policy_sections import TCB_STATUSES
from tests.fakes.policies import NOW, appraised, changed, claims, hexed, of, values
from tests.fakes.policies import refused_alone as refused

KINDS = ("tdx", "sgx")
LESSER = [each for each in TCB_STATUSES if each != "UpToDate"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [*LESSER, "uptodate", "", None, ...])
def test_a_status_that_is_not_listed_is_below_the_policy(kind, status):
    refused(appraised(claims(kind, tcb_status=status)), codes.TCB, "hardware", key=f"{kind}.tcb_status")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", LESSER)
def test_a_lesser_status_that_is_listed_is_a_warning_and_never_affirming(kind, status):
    rules = changed(values(), f"{kind}/tcb_status", ["UpToDate", status])
    report = appraised(claims(kind, tcb_status=status), rules)
    assert (report.status, report.vector["hardware"], report.code) == ("warning", 32, None)
    assert (report.refusal.outcome, report.refusal.code) == ("warned", codes.TCB)
    assert report.refusal.policy_ref == f"policy.toml:{kind}.tcb_status"
    assert appraised(claims(kind), rules).status == "affirming"


@pytest.mark.parametrize("kind", KINDS)
def test_a_revoked_platform_is_never_accepted(kind):
    refused(appraised(claims(kind, tcb_status="Revoked")), codes.REVOKED, "hardware", key=f"{kind}.tcb_status")


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_list_of_statuses_accepts_none(kind):
    for rules in (changed(values(), f"{kind}/tcb_status", []), changed(values(), f"{kind}/tcb_status")):
        refused(appraised(claims(kind), rules), codes.TCB, "hardware", key=f"{kind}.tcb_status")


@pytest.mark.parametrize("kind", KINDS)
def test_a_rejected_advisory_refuses_and_another_does_not(kind):
    key = f"{kind}.reject_advisories"
    assert appraised(claims(kind, advisories=("INTEL-SA-00002",))).status == "affirming"
    assert appraised(claims(kind, advisories=["INTEL-SA-00002"])).status == "affirming"
    for found in (("INTEL-SA-00001",), ("INTEL-SA-00002", "INTEL-SA-00001"), None, "INTEL-SA-00001", ...):
        refusal = refused(appraised(claims(kind, advisories=found)), codes.ADVISORY, "hardware", key=key)
        assert refusal.wanted == "none of INTEL-SA-00001"
        assert refusal.got == ("nothing" if found in {None, ...} else "INTEL-SA-00001")


@pytest.mark.parametrize("kind", KINDS)
def test_the_evaluation_has_its_minimum(kind):
    assert appraised(claims(kind, evaluation_number=19)).status == "affirming"
    for number in (17, 0, None, "18", True, ...):
        report = appraised(claims(kind, evaluation_number=number))
        refused(report, codes.TCB, "hardware", key=f"{kind}.min_evaluation_number")


@pytest.mark.parametrize("kind", KINDS)
def test_collateral_has_its_age(kind):
    oldest = NOW - timedelta(days=30)
    assert appraised(claims(kind, collateral_issued=oldest)).status == "affirming"
    for issued in (oldest - timedelta(seconds=1), int(NOW.timestamp()), None, ...):
        report = appraised(claims(kind, collateral_issued=issued))
        refused(report, codes.COLLATERAL_EXPIRED, "hardware", key=f"{kind}.max_collateral_age_days")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("fact", "flag"),
    [
        ("dynamic_platform", "allow_dynamic_platform"),
        ("cached_keys", "allow_cached_keys"),
        ("smt_enabled", "allow_smt"),
    ],
)
def test_a_property_of_the_platform_needs_its_flag(kind, fact, flag):
    for rules in (changed(values(), f"{kind}/{flag}"), changed(values(), f"{kind}/{flag}", False)):
        refused(appraised(claims(kind), rules), codes.CONFIG, "configuration", key=f"{kind}.{flag}")
        assert appraised(claims(kind, **{fact: False}), rules).status == "affirming"
        assert appraised(claims(kind, **{fact: None}), rules).status == "affirming"
    refused(appraised(claims(kind, **{fact: ...})), codes.CONFIG, "configuration", key=f"{kind}.{flag}")


@pytest.mark.parametrize("bit", range(8))
def test_a_td_with_any_bit_of_debugging_is_refused(bit):
    attributes = (1 << 28 | 1 << bit).to_bytes(8, "little")
    refused(appraised(claims("tdx", td_attributes=attributes)), codes.DEBUG, "hardware")


def test_a_td_must_learn_of_pages_that_are_taken_away():
    refused(appraised(claims("tdx", td_attributes=bytes(8))), codes.CONFIG, "configuration")
    for attributes in ((1 << 28).to_bytes(size, "little") for size in (7, 9, 16)):
        assert appraised(claims("tdx", td_attributes=attributes)).code == codes.DEBUG
    other = (1 << 28 | 1 << 30 | 1 << 63).to_bytes(8, "little")
    assert appraised(claims("tdx", td_attributes=other)).status == "affirming"


def test_a_service_td_is_refused_and_the_older_body_has_none():
    refused(appraised(claims("tdx", mr_service_td=bytes(47) + b"\1")), codes.PRIVILEGE, "configuration")
    refused(appraised(claims("tdx", mr_service_td=...)), codes.PRIVILEGE, "configuration")
    assert appraised(claims("tdx", mr_service_td=None)).status == "affirming"


@pytest.mark.parametrize("name", ["mr_td", "rtmr1", "rtmr2"])
def test_a_td_measures_to_what_a_release_names(name):
    for value in (of("other"), bytes(48), None):
        report = appraised(claims("tdx", **{name: value}))
        refused(report, codes.MEASUREMENT, "executables", key=f"accept.tdx.runner-1.4.0.{name}")
    assert appraised(claims("tdx", rtmr0=of("other"), rtmr3=of("other"))).status == "affirming"


@pytest.mark.parametrize("first", [0x07, 0x06, 0x04, 0x02, 0x00])
def test_an_enclave_is_initialised_and_not_debugged(first):
    attributes = bytes([first]) + bytes(15)
    refused(appraised(claims("sgx", attributes=attributes)), codes.DEBUG, "hardware")
    for size in (1, 15, 17):
        assert appraised(claims("sgx", attributes=b"\5".ljust(size, b"\0"))).code == codes.DEBUG


def test_a_signed_enclave_is_of_the_product_and_at_least_the_version():
    assert appraised(claims("sgx", isv_svn=9)).status == "affirming"
    for facts, key in (
        ({"isv_svn": 4}, "min_isv_svn"),
        ({"isv_svn": True}, "min_isv_svn"),
        ({"isv_prod_id": 4}, "isv_prod_id"),
        ({"mr_signer": of("other", 32)}, "mr_signer"),
    ):
        refused(
            appraised(claims("sgx", **facts)), codes.MEASUREMENT, "executables", key=f"accept.sgx.runner-1.4.0.{key}"
        )


def test_an_enclave_named_by_its_measurement_needs_no_signer():
    rules = changed(values(), "accept/sgx", [{"name": "r", "mr_enclave": hexed("enclave", 32)}])
    assert appraised(claims("sgx", mr_signer=of("anyone", 32)), rules).status == "affirming"
    report = appraised(claims("sgx", mr_enclave=of("other", 32)), rules)
    refused(report, codes.MEASUREMENT, "executables", key="accept.sgx.r.mr_enclave")
