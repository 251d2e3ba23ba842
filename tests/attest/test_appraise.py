"""Appraisal of every kind: what is affirming, what never is, and releases that do not mix."""

import builtins
import socket
import time
from dataclasses import replace

import pytest

from strongroom.attest import codes
from strongroom.attest.appraisal_report import ear_of
from strongroom.attest.appraise import Expected, appraise
from strongroom.attest.checks import FAILED, NOT_CHECKED
from strongroom.attest.ear import EAR_BYTES_MAX, check_ear, make_ear
from strongroom.crypto.signing import SigningKey
from tests.fakes.golden_release import ear as golden_ear
from tests.fakes.policies import (
    CONFIG,
    HARDWARE_KINDS,
    NOW,
    RELEASES,
    SIMULATED_KINDS,
    appraised,
    changed,
    claims,
    data,
    hexed,
    of,
    policy,
    values,
)

ELEMENTS = ("configuration", "executables", "hardware", "instance-identity", "runtime-opaque")


def vector(report):
    return tuple(report.vector[name] for name in ELEMENTS)


VECTORS = {
    "nitro": (2, 2, 2, 0, 2),
    "sev-snp": (2, 2, 2, 0, 2),
    "az-snp-vtpm": (2, 2, 2, 0, 2),
    "tdx": (2, 2, 2, 0, 2),
    "sgx": (2, 2, 2, 0, 2),
    "tpm2": (2, 2, 2, 2, 0),
    "insecure-swtpm": (2, 2, 97, 0, 0),
    "insecure-software": (2, 2, 97, 0, 0),
}


@pytest.mark.parametrize("kind", HARDWARE_KINDS)
def test_evidence_of_every_kind_can_be_affirming(kind):
    report = appraised(claims(kind))
    assert [each for each in report.checks if not each.is_passed] == []
    assert vector(report) == VECTORS[kind]
    assert (report.status, report.code, report.refusal) == ("affirming", None, None)
    assert (report.kind, report.entry, report.policy_epoch) == (kind, "runner-1.4.0", 7)
    assert report.assurance == ("vtpm" if kind == "tpm2" else "hardware")
    assert report.is_bound
    assert report.report_data == data(kind).report_data()


@pytest.mark.parametrize("kind", SIMULATED_KINDS)
def test_a_simulation_is_contraindicated_for_its_hardware_and_nothing_else(kind):
    report = appraised(claims(kind))
    assert vector(report) == VECTORS[kind]
    assert (report.status, report.code, report.assurance) == ("contraindicated", codes.INSECURE_KIND, "none")
    (failed,) = [each for each in report.checks if not each.is_passed]
    assert "INSECURE SIMULATION" in failed.got
    assert failed.policy_ref == "policy.toml:insecure.allow_kinds"
    assert "which the policy allows for tests" in failed.got
    refused = appraised(claims(kind), changed(values((kind,)), "insecure/allow_kinds", [])).refusal
    assert "which the policy does not allow" in refused.got


@pytest.mark.parametrize("kind", SIMULATED_KINDS)
def test_a_verifier_that_gives_a_simulation_more_is_not_believed(kind):
    for assurance in ("hardware", "vtpm", "local", ""):
        report = appraised(claims(kind, assurance=assurance or "x"))
        assert report.vector["hardware"] == 97
        assert [each.code for each in report.checks][:2] == [codes.INSECURE_KIND, codes.UNSUPPORTED_KIND]


@pytest.mark.parametrize("kind", HARDWARE_KINDS)
def test_a_class_that_the_kind_cannot_reach_is_refused(kind):
    report = appraised(claims(kind, assurance="none"))
    assert (report.code, report.status) == (codes.UNSUPPORTED_KIND, "contraindicated")


@pytest.mark.parametrize("kind", [*HARDWARE_KINDS, *SIMULATED_KINDS])
@pytest.mark.parametrize("how", ["unbound claims", "no runtime data", "runtime data of another kind"])
def test_what_is_not_bound_is_never_affirming(kind, how):
    found = claims(kind, is_bound=how != "unbound claims")
    expected = {"data": data("nitro" if kind != "nitro" else "tdx")} if "another" in how else {}
    if how == "no runtime data":
        expected = {"data": None}
    report = appraised(found, **expected)
    assert report.status != "affirming"
    assert 2 not in report.vector.values()
    assert (report.is_bound, report.report_data) == (False, b"")
    binding = report.checks[-1]
    assert (binding.id, binding.code) == ("binding", codes.BINDING)
    assert binding.outcome == (FAILED if "another" in how else NOT_CHECKED)


def test_without_runtime_data_what_they_would_say_is_not_checked():
    report = appraised(claims("nitro", is_bound=False), data=None)
    assert report.code is None
    skipped = [each.id for each in report.checks if each.outcome == NOT_CHECKED]
    assert skipped == ["runner svn", "enclave configuration", "binding"]
    assert report.refusal.code == codes.RUNNER_SVN


@pytest.mark.parametrize("kind", [*HARDWARE_KINDS, *SIMULATED_KINDS])
def test_every_fact_that_is_missing_or_of_another_type_refuses(kind):
    good = appraised(claims(kind))
    for name in claims(kind).facts:
        for value in (..., None, "other", object()):
            report = appraised(claims(kind, **{name: value}))
            ignored = name in {"pcr3", "pcr4", "host_data", "mr_config_id", "config_id", "rtmr0", "rtmr3", "mr_enclave"}
            ignored |= name in {"id_key_digest", "author_key_digest", "chip_id", "signing_key", "firmware_version"}
            ignored |= name in {"dynamic_platform", "cached_keys", "smt_enabled", "mr_service_td"} and value is None
            ignored |= name == "smt_allowed" or (kind == "insecure-swtpm" and name == "ak_name")
            if ignored:
                continue
            assert report.code not in {None, good.code} or report.status == "contraindicated", (name, value)
            assert report.status == "contraindicated", (name, value)
            if kind not in SIMULATED_KINDS:
                assert report.code is not None


def test_facts_that_break_appraisal_itself_are_contraindicated_with_a_code_of_their_own():
    class Breaking(dict):
        def __iter__(self):
            raise RuntimeError("out of order")

    for facts in ({"pcrs": Breaking({1: b""})}, {"advisories": ([],)}):
        report = appraised(claims("tdx", **facts))
        assert (report.code, report.status, report.assurance) == (codes.VERIFIER_FAILED, "contraindicated", "none")
        assert set(report.vector.values()) == {96}
        assert (report.is_bound, report.entry) == (False, "")
        assert report.checks[0].got in {"RuntimeError", "TypeError"}


def test_a_kind_without_its_section_is_refused():
    for kind in HARDWARE_KINDS:
        report = appraised(claims(kind), changed(values(), f"accept/{kind}"))
        assert (report.code, report.status) == (codes.UNSUPPORTED_KIND, "contraindicated")
        assert report.refusal.policy_ref == f"policy.toml:accept.{kind}"
        assert 2 not in report.vector.values()


def test_a_kind_that_nobody_knows_is_refused():
    report = appraised(replace(claims("nitro"), kind="quantum"), data=data("nitro"))
    assert (report.code, report.status) == (codes.UNSUPPORTED_KIND, "contraindicated")


KEY = SigningKey.from_raw(bytes(32))


def test_a_report_becomes_a_signed_attestation_result_with_all_of_its_checks():
    listed = changed(values(), "tdx/tcb_status", ["OutOfDate"])
    for report in (
        appraised(claims("nitro")),
        appraised(claims("insecure-software")),
        appraised(claims("tdx", tcb_status="OutOfDate"), listed),
    ):
        ear = ear_of(report, data(report.kind), issued_s=1_800_000_010, build="vault 1", has_checks=True)
        found = check_ear(make_ear(ear, KEY), vault_public=KEY.public)
        assert (found.status, found.vector, found.assurance) == (report.status, report.vector, report.assurance)
        assert (found.nonce, found.report_data) == (data(report.kind).challenge.nonce, report.report_data)
        assert [each.outcome for each in found.checks] == [each.outcome for each in report.checks]
        assert ear_of(report, data(report.kind), issued_s=1, build="vault 1").checks == ()


def test_the_vector_of_a_simulation_is_that_of_the_golden_values():
    assert appraised(claims("insecure-software")).vector == dict(golden_ear().vector)


def test_the_largest_report_fits_into_an_attestation_result():
    rules = changed(values(), "sev-snp/csp_ids", [f"CN={number:0>120}" for number in range(256)])
    many = {f"pcr{number}": hexed(f"{number}") for number in range(32)}
    configs = [hexed(str(number), 32) for number in range(256)]
    rules = changed(rules, "accept/nitro", [{"name": "r", **many, "enclave_configs": configs}])
    rules = changed(rules, "accept/sev-snp/0/enclave_configs", configs)
    for found in (claims("nitro"), claims("sev-snp", signing_key="vlek", csp_id="\x1b[2J" + "x" * 2000)):
        report = appraised(found, rules)
        assert report.status == "contraindicated"
        assert all(text.isprintable() for each in report.checks for text in (each.got, each.wanted))
        jwt = make_ear(ear_of(report, data(found.kind), issued_s=1, build="vault", has_checks=True), KEY)
        assert len(jwt) < EAR_BYTES_MAX


def two(kind, path, value):
    """A policy with a second release that differs in one field."""
    first = {"name": "first", **RELEASES[kind]}
    second = changed({**first, "name": "second"}, path, value)
    kinds = (kind,) if kind in SIMULATED_KINDS else HARDWARE_KINDS
    return changed(values(kinds), f"accept/{kind}", [first, second])


def test_any_one_of_several_releases_is_enough():
    rules = two("nitro", "pcr0", hexed("new"))
    assert appraised(claims("nitro"), rules).entry == "first"
    assert appraised(claims("nitro", pcr0=of("new")), rules).entry == "second"


def test_fields_of_two_releases_are_never_mixed():
    second = {name: hexed(f"second {name}") for name in ("pcr0", "pcr1", "pcr2")}
    rules = changed(values(), "accept/nitro", [{"name": "first", **RELEASES["nitro"]}, {"name": "second", **second}])
    assert appraised(claims("nitro", **{n: bytes.fromhex(v) for n, v in second.items()}), rules).entry == "second"
    for name, value in second.items():
        report = appraised(claims("nitro", **{name: bytes.fromhex(value)}), rules)
        assert (report.code, report.entry) == (codes.MEASUREMENT, "")
        assert report.refusal.policy_ref == f"policy.toml:accept.nitro.first.{name}"
        assert report.refusal.got == value
        assert report.refusal.wanted == hexed(name)


def test_the_release_that_is_explained_is_the_one_whose_code_was_meant():
    rules = two("sev-snp", "measurement", hexed("new"))
    rules = changed(rules, "accept/sev-snp/0/vmpl", [1])
    report = appraised(claims("sev-snp"), rules)
    assert report.code == codes.PRIVILEGE
    assert report.refusal.policy_ref == "policy.toml:accept.sev-snp.first.vmpl"
    assert "first is the nearest" in report.checks[-4].got


def test_an_older_runner_is_refused():
    old = replace(data("nitro"), runner=replace(data("nitro").runner, svn=0))
    report = appraised(claims("nitro"), data=old)
    assert (report.code, report.vector["executables"]) == (codes.RUNNER_SVN, 96)
    assert report.refusal.policy_ref == "policy.toml:min_runner_svn"


def test_appraising_touches_no_clock_no_network_and_no_file(monkeypatch):
    def touched(*_arguments, **_named):
        raise AssertionError("appraisal is pure")

    rules, expected = policy(), Expected(data=data("tdx"), enclave_configs=frozenset({CONFIG}))
    with monkeypatch.context() as patched:
        for name in ("time", "time_ns", "monotonic", "monotonic_ns"):
            patched.setattr(time, name, touched)
        patched.setattr(socket, "socket", touched)
        patched.setattr(builtins, "open", touched)
        report = appraise(claims("tdx"), rules, expected, now=NOW)
    assert report.status == "affirming"
