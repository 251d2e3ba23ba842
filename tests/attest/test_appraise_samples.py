"""Real evidence, where it is at hand, under a policy that knows its own measurement: what that objects to."""

from datetime import datetime

import pytest

from strongroom.attest.appraise import Expected, appraise
from strongroom.attest.checks import NOT_CHECKED
from strongroom.attest.evidence import VTPM_UNTRUSTED, Claims
from tests.attest import (
    test_azure_samples,
    test_dcap_samples,
    test_nitro_samples,
    test_snp_samples,
    test_tpm_samples,
)
from tests.fakes.attestation_samples import sample_cases
from tests.fakes.policies import changed, policy, values

MEASURED = {
    "nitro": ("pcr0", "pcr1", "pcr2"),
    "sev-snp": ("measurement",),
    "az-snp-vtpm": ("measurement",),
    "tdx": ("mr_td", "rtmr0", "rtmr1", "rtmr2", "rtmr3"),
    "sgx": ("mr_enclave",),
    "tpm2": (),
}
COUNT_MIN = {"nitro": 7, "sev-snp": 9, "az-snp-vtpm": 5, "tdx": 7, "sgx": 2, "tpm2": 2}


def claims(case):
    """What its verifier says of a case that it accepts."""
    match case["kind"]:
        case "nitro":
            return test_nitro_samples.outcome(test_nitro_samples.evidence(case), case["at"])
        case "sev-snp":
            verify = test_snp_samples.verify_snp
            return test_snp_samples.outcome(verify, test_snp_samples.evidence(case), case["at"])
        case "az-snp-vtpm":
            verify = test_azure_samples.verify_az_snp_vtpm
            return test_azure_samples.outcome(verify, test_azure_samples.evidence(case), case["at"])
        case "tdx" | "sgx":
            return test_dcap_samples.outcome(test_dcap_samples.evidence(case), case["at"])
    # These two come from containers that do not hold the whole key, so its name is not known.
    read = test_tpm_samples.swtpm if case["name"] == "tpm-swtpm-ecdsa" else test_tpm_samples.rsa
    facts = test_tpm_samples.facts(read(case))
    return Claims(kind="tpm2", assurance=VTPM_UNTRUSTED, is_bound=False, evidence=b"", facts=facts)


def rules(found):
    """The default policy, extended by what this evidence measured to and by its own firmware."""
    release = {"name": "sample", **{name: found.facts[name].hex() for name in MEASURED[found.kind]}}
    extended = changed(values(), "sev-snp/csp_ids", ["CN=cc-us-east-2.amazonaws.com"])
    for kind in ("tdx", "sgx"):
        extended = changed(extended, f"{kind}/min_evaluation_number", 17)
    if "reported_tcb" in found.facts:
        release["smt"] = "allow"
        minimum = {found.facts["product"]: found.facts["reported_tcb"]}
        extended = changed(extended, "sev-snp/min_tcb", minimum)
    if "pcrs" in found.facts:
        release["pcrs"] = {str(register): value.hex() for register, value in found.facts["pcrs"].items()}
    return changed(extended, f"accept/{found.kind}", [release])


@pytest.mark.parametrize("kind", MEASURED)
def test_a_policy_objects_to_what_it_should_and_to_nothing_else(kind):
    accepted = [each for each in sample_cases(kind, COUNT_MIN[kind]) if each["outcome"] == "accept"]
    assert accepted
    for case in accepted:
        found = claims(case)
        extended = rules(found) if case["policy"] != "SR-ATTEST-016" or kind != "nitro" else values()
        report = appraise(found, policy(extended), Expected(), now=datetime.fromisoformat(case["at"]))
        assert report.code == case["policy"], (case["name"], report.refusal)
        assert report.status != "affirming", "nothing here is bound to an execution of ours"
        if case["policy"] is None:
            assert report.entry == "sample"
            assert {each.outcome for each in report.checks if not each.is_passed} == {NOT_CHECKED}, case["name"]


def test_a_status_that_is_listed_makes_a_real_enclave_a_warning():
    (case,) = [each for each in sample_cases("sgx", 2) if each["outcome"] == "accept"]
    found = claims(case)
    extended = changed(rules(found), "sgx/tcb_status", ["UpToDate", found.facts["tcb_status"]])
    report = appraise(found, policy(extended), Expected(), now=datetime.fromisoformat(case["at"]))
    assert (report.code, report.status, report.vector["hardware"]) == (None, "warning", 32)
    advisory = found.facts["advisories"][0]
    refused = policy(changed(extended, "sgx/reject_advisories", [advisory]))
    report = appraise(found, refused, Expected(), now=datetime.fromisoformat(case["at"]))
    assert report.code == "SR-ATTEST-019"


def test_properties_of_real_platforms_need_their_flags():
    for case in sample_cases("tdx", 7):
        if case["outcome"] != "accept":
            continue
        found = claims(case)
        for flag in ("allow_dynamic_platform", "allow_cached_keys", "allow_smt"):
            strict = policy(changed(rules(found), f"tdx/{flag}", False))
            report = appraise(found, strict, Expected(), now=datetime.fromisoformat(case["at"]))
            assert report.refusal.policy_ref == f"policy.toml:tdx.{flag}"
