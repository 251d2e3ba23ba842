"""Each rule of appraisal for Nitro, SEV-SNP, TPMs and Azure, one at a time, with its code, element and policy line."""

import pytest

from strongroom.attest import codes
from tests.fakes.policies import (
    AK_NAME,
    CONFIG,
    TCB,
    appraised,
    changed,
    claims,
    hexed,
    of,
    values,
)
from tests.fakes.policies import refused_alone as refused

ZERO = dict.fromkeys(("pcr0", "pcr1", "pcr2"), bytes(48))


def test_zero_registers_are_debugging_and_are_said_to_be_before_any_list_is_compared():
    report = appraised(claims("nitro", **ZERO))
    assert report.code == codes.DEBUG
    assert report.vector["hardware"] == 96
    assert report.refusal.id == "nitro/11 debug"
    assert appraised(claims("nitro", **{**ZERO, "pcr2": of("pcr2")})).code == codes.MEASUREMENT


@pytest.mark.parametrize("name", ["pcr0", "pcr1", "pcr2", "pcr8"])
def test_a_register_that_differs_or_is_missing_is_another_measurement(name):
    for value in (of("other"), of(name)[:-1], None, ...):
        report = appraised(claims("nitro", **{name: value}))
        refused(report, codes.MEASUREMENT, "executables", key=f"accept.nitro.runner-1.4.0.{name}")


def test_a_register_that_no_release_names_does_not_matter():
    assert appraised(claims("nitro", pcr9=of("x"), pcr4=...)).status == "affirming"


@pytest.mark.parametrize("name", ["pcr3", "pcr4"])
def test_role_and_machine_are_the_identity_where_a_release_names_them(name):
    rules = changed(values(), f"accept/nitro/0/{name}", hexed(name))
    assert appraised(claims("nitro"), rules).vector["instance-identity"] == 2
    report = appraised(claims("nitro", **{name: of("other")}), rules)
    refused(report, codes.IDENTITY, "instance-identity", value=97, key=f"accept.nitro.runner-1.4.0.{name}")


@pytest.mark.parametrize("kind", ["sev-snp", "az-snp-vtpm"])
@pytest.mark.parametrize("value", [True, None, 0, ...])
def test_a_guest_that_may_be_debugged_or_migrated_is_refused(kind, value):
    refused(appraised(claims(kind, debug=value)), codes.DEBUG, "hardware")
    refused(appraised(claims(kind, migrate_ma=value)), codes.PRIVILEGE, "configuration")


@pytest.mark.parametrize("kind", ["sev-snp", "az-snp-vtpm"])
def test_a_privilege_level_is_one_of_those_listed(kind):
    key = f"accept.{kind}.runner-1.4.0.vmpl"
    for vmpl in (1, 2, 3, True, None, ...):
        refused(appraised(claims(kind, vmpl=vmpl)), codes.PRIVILEGE, "configuration", key=key)
    rules = changed(values(), f"accept/{kind}/0/vmpl", [1, 2])
    assert appraised(claims(kind, vmpl=2), rules).status == "affirming"
    refused(appraised(claims(kind), rules), codes.PRIVILEGE, "configuration", key=key)
    refused(
        appraised(claims(kind), changed(rules, f"accept/{kind}/0/vmpl", [])), codes.PRIVILEGE, "configuration", key=key
    )


def test_smt_is_as_the_release_says():
    for rules in (changed(values(), "accept/sev-snp/0/smt"), changed(values(), "accept/sev-snp/0/smt", "deny")):
        report = appraised(claims("sev-snp"), rules)
        refused(report, codes.CONFIG, "configuration", key="accept.sev-snp.runner-1.4.0.smt")
        assert appraised(claims("sev-snp", smt_allowed=False), rules).status == "affirming"


@pytest.mark.parametrize("name", ["measurement", "id_key_digest", "author_key_digest"])
def test_digests_of_a_guest_are_those_of_the_release(name):
    rules = changed(values(), f"accept/sev-snp/0/{name}", hexed(name))
    assert appraised(claims("sev-snp", **{name: of(name)}), rules).status == "affirming"
    report = appraised(claims("sev-snp", **{name: of("other")}), rules)
    refused(report, codes.MEASUREMENT, "executables", key=f"accept.sev-snp.runner-1.4.0.{name}")


@pytest.mark.parametrize("name", TCB)
def test_each_component_of_the_firmware_reaches_its_own_minimum(name):
    key = f"sev-snp.min_tcb.Milan.{name}"
    higher = changed(values(), f"sev-snp/min_tcb/Milan/{name}", TCB[name] + 1)
    refused(appraised(claims("sev-snp"), higher), codes.TCB, "hardware", key=key)
    newer = dict.fromkeys(TCB, 255)
    levels = dict.fromkeys(("committed_tcb", "current_tcb"), newer)
    if TCB[name]:
        found = claims("sev-snp", reported_tcb={**newer, name: TCB[name] - 1}, **levels)
        refused(appraised(found), codes.TCB, "hardware", key=key)
    assert appraised(claims("sev-snp", reported_tcb={**newer, name: TCB[name]}, **levels)).status == "affirming"
    for value in ({n: v for n, v in TCB.items() if n != name}, {**TCB, name: None}, {**TCB, name: "9"}):
        assert appraised(claims("sev-snp", reported_tcb=value)).code == codes.TCB


@pytest.mark.parametrize("name", TCB)
def test_firmware_is_reported_committed_and_current_in_that_order(name):
    higher = {**TCB, name: 255}
    refused(appraised(claims("sev-snp", reported_tcb=higher)), codes.TCB, "hardware")
    refused(appraised(claims("sev-snp", committed_tcb=higher)), codes.TCB, "hardware")
    assert appraised(claims("sev-snp", current_tcb={**TCB, "snp": 24, name: 255})).status == "affirming"


def test_a_product_without_a_minimum_is_refused():
    for product in ("Genoa", "Turin", None, ..., ["Milan"]):
        report = appraised(claims("sev-snp", product=product))
        refused(report, codes.TCB, "hardware", key="sev-snp.min_tcb")
    refused(
        appraised(claims("sev-snp"), changed(values(), "sev-snp/min_tcb", {})),
        codes.TCB,
        "hardware",
        key="sev-snp.min_tcb",
    )


def test_turin_has_one_component_more():
    tcb = {"fmc": 2, **TCB}
    rules = changed(values(), "sev-snp/min_tcb/Turin", tcb)
    facts = {"product": "Turin", **dict.fromkeys(("reported_tcb", "committed_tcb", "current_tcb"), tcb)}
    assert appraised(claims("sev-snp", **facts), rules).status == "affirming"
    lower = appraised(claims("sev-snp", **{**facts, "reported_tcb": {**tcb, "fmc": 1}}), rules)
    refused(lower, codes.TCB, "hardware", key="sev-snp.min_tcb.Turin.fmc")


def test_a_provider_is_known_or_refused():
    found = {"signing_key": "vlek", "chip_id": bytes(64), "csp_id": "CN=cloud"}
    assert appraised(claims("sev-snp", **found)).vector["instance-identity"] == 2
    for csp_id in ("CN=other", "", None, ...):
        report = appraised(claims("sev-snp", **{**found, "csp_id": csp_id}))
        refused(report, codes.IDENTITY, "instance-identity", value=97, key="sev-snp.csp_ids")
    for rules in (changed(values(), "sev-snp/csp_ids"), changed(values(), "sev-snp/csp_ids", [])):
        report = appraised(claims("sev-snp", **found), rules)
        refused(report, codes.IDENTITY, "instance-identity", value=97, key="sev-snp.csp_ids")


def test_a_chip_is_known_where_the_policy_lists_chips():
    rules = changed(values(), "sev-snp/chip_ids", [hexed("chip", 64)])
    assert appraised(claims("sev-snp"), rules).vector["instance-identity"] == 2
    for chip, listed in ((of("other", 64), [hexed("chip", 64)]), (None, [hexed("chip", 64)]), (of("chip", 64), [])):
        report = appraised(claims("sev-snp", chip_id=chip), changed(rules, "sev-snp/chip_ids", listed))
        refused(report, codes.IDENTITY, "instance-identity", value=97, key="sev-snp.chip_ids")


@pytest.mark.parametrize(
    ("kind", "field", "size"), [("sev-snp", "host_data", 32), ("tdx", "mr_config_id", 48), ("sgx", "config_id", 64)]
)
def test_a_configuration_in_the_report_is_that_of_the_runtime_data(kind, field, size):
    same, other = CONFIG.ljust(size, b"\0"), of("other", 32).ljust(size, b"\0")
    assert appraised(claims(kind, **{field: same})).status == "affirming"
    refused(appraised(claims(kind, **{field: other})), codes.CONFIG, "configuration")
    if size > 32:
        refused(appraised(claims(kind, **{field: CONFIG.ljust(size, b"\1")})), codes.CONFIG, "configuration")
    demanded = changed(values(), f"accept/{kind}/0/config_in_report", True)
    assert appraised(claims(kind, **{field: same}), demanded).status == "affirming"
    key = f"accept.{kind}.runner-1.4.0.config_in_report"
    refused(appraised(claims(kind), demanded), codes.CONFIG, "configuration", key=key)
    refused(appraised(claims(kind, **{field: ...}), demanded), codes.CONFIG, "configuration", key=key)
    assert appraised(claims(kind), changed(values(), f"accept/{kind}/0/config_in_report", False)).status == "affirming"


def test_a_key_that_is_not_enrolled_is_not_recognised():
    for name in (AK_NAME[:-1] + b"\0", AK_NAME[:-1], None, ...):
        report = appraised(claims("tpm2", ak_name=name))
        refused(report, codes.IDENTITY, "instance-identity", value=97, key="tpm2.aks")
    report = appraised(claims("tpm2"), changed(values(), "tpm2/aks", []))
    refused(report, codes.IDENTITY, "instance-identity", value=97, key="tpm2.aks")


def test_a_tpm_of_an_unknown_maker_is_not_recognised_as_hardware():
    for facts in ({"is_ek_anchored": False}, {"is_ek_anchored": 1}, {"is_ek_anchored": ...}):
        report = appraised(claims("tpm2", **facts))
        refused(report, codes.IDENTITY, "hardware", value=97, key="tpm2.ek_anchors")
    report = appraised(claims("tpm2", assurance="vtpm-untrusted"))
    refused(report, codes.IDENTITY, "hardware", value=97, key="tpm2.ek_anchors")
    assert report.assurance == "vtpm-untrusted"
    empty = appraised(claims("tpm2"), changed(values(), "tpm2/ek_anchors", []))
    refused(empty, codes.IDENTITY, "hardware", value=97, key="tpm2.ek_anchors")


@pytest.mark.parametrize("kind", ["tpm2", "az-snp-vtpm", "insecure-swtpm"])
def test_registers_of_a_quote_are_exactly_those_of_the_release(kind):
    kinds = (kind,) if kind == "insecure-swtpm" else ("tpm2", "az-snp-vtpm")
    good = claims(kind).facts["pcrs"]
    expected = {"nothing": {}, "one less": {0: good[0]}, "one more": {**good, 3: of("p3", 32)}}
    for pcrs in expected.values():
        report = appraised(claims(kind, pcrs=pcrs), values(kinds))
        failed = {each.id: each.code for each in report.checks if not each.is_passed}
        assert failed[f"{kind}/release pcrs"] == codes.CONFIG
        assert report.vector["configuration"] == 96
    report = appraised(claims(kind, pcrs={**good, 7: of("other", 32)}), values(kinds))
    failed = {each.id: each for each in report.checks if not each.is_passed}
    assert failed[f"{kind}/release pcrs.7"].code == codes.MEASUREMENT
    assert failed[f"{kind}/release pcrs.7"].policy_ref == f"policy.toml:accept.{kind}.runner-1.4.0.pcrs.7"
    assert (report.vector["executables"], report.vector["configuration"]) == (96, 2)


@pytest.mark.parametrize("kind", ["tpm2", "az-snp-vtpm"])
def test_counters_that_go_back_are_a_rollback_and_a_reset_starts_the_restarts_anew(kind):
    for last in ((4, 2), (4, 0), (3, 9), (0, 0), None):
        assert appraised(claims(kind), last_counts=last).status == "affirming"
    for last in ((4, 3), (5, 0), (5, 9)):
        refused(appraised(claims(kind), last_counts=last), codes.STALE, "hardware")
    refused(appraised(claims(kind, reset_count=None)), codes.STALE, "hardware")


def test_firmware_of_a_tpm_is_listed_where_the_policy_lists_any():
    assert appraised(claims("tpm2"), changed(values(), "tpm2/firmware_versions", [16, 17])).status == "affirming"
    for listed in ([16], []):
        report = appraised(claims("tpm2"), changed(values(), "tpm2/firmware_versions", listed))
        refused(report, codes.TCB, "hardware", key="tpm2.firmware_versions")


def test_a_simulated_runner_must_be_one_that_is_listed():
    report = appraised(claims("insecure-software", measurement=of("other", 32)))
    assert [each.code for each in report.checks if not each.is_passed] == [
        codes.INSECURE_KIND,
        codes.MEASUREMENT,
        codes.MEASUREMENT,
    ]
    assert report.vector["executables"] == 96
