"""Who gets secrets: affirming evidence of the right class, granted by the owner. All of them, or none."""

import builtins
import socket
import time
from dataclasses import replace

import pytest

from strongroom.attest import codes
from strongroom.attest.assurance import CLASSES, is_at_least
from strongroom.attest.authorise import SecretRule, authorise
from strongroom.attest.manifest import Manifest, ManifestGrant, open_manifest, sign_manifest
from strongroom.attest.policy import open_policy, sign_policy
from strongroom.crypto.signing import SigningKey
from strongroom.errors import EvidenceRejected
from tests.fakes.policies import (
    HARDWARE_KINDS,
    SIMULATED_KINDS,
    appraised,
    changed,
    claims,
    data,
    of,
    policy,
    toml,
    values,
)

NAMES = (("custom-ns", "SIGNING_KEY"), ("main", "API_KEY"))


def manifest(secrets=None, **changes):
    """A manifest that grants both secrets to the execution of the golden values."""
    execution = data("nitro").execution
    granted = ManifestGrant(
        workflow_id=changes.get("workflow_id", execution.workflow_id),
        binary_sha256=changes.get("binary_sha256", execution.binary_sha256),
        config_sha256=changes.get("config_sha256", execution.config_sha256),
        secrets=dict.fromkeys(NAMES, "local") if secrets is None else secrets,
    )
    return Manifest(owner=changes.get("owner", execution.owner), serial=1, grants=(granted,))


def rules(min_assurance="local", is_test_only=True):
    return {name: SecretRule(min_assurance=min_assurance, is_test_only=is_test_only) for name in NAMES}


def asked(kind="nitro", *, found=None, rows=None, report=None, **changes):
    """What ``authorise`` says of evidence under these policy values."""
    rows = rows or values((kind,) if kind in SIMULATED_KINDS else HARDWARE_KINDS)
    report = report or appraised(found or claims(kind), rows)
    return authorise(
        report,
        changes.get("data", data(kind)),
        changes.get("manifest", manifest()),
        changes.get("rules", rules()),
        changes.get("policy", policy(rows)),
        accepts_simulated=changes.get("accepts_simulated", kind in SIMULATED_KINDS),
    )


def refused(code, check="", **changes):
    with pytest.raises(EvidenceRejected) as caught:
        asked(**changes)
    assert caught.value.code == code, str(caught.value)
    assert caught.value.check.startswith(check), str(caught.value)
    return caught.value


@pytest.mark.parametrize("kind", HARDWARE_KINDS)
def test_affirming_evidence_gets_every_secret_that_it_asks_for(kind):
    found = asked(kind, rules=rules("vtpm", is_test_only=False))
    assert found.secrets == NAMES
    assert found.assurance == ("vtpm" if kind == "tpm2" else "hardware")
    assert (found.is_insecure, found.policy_refs, found.policy_epoch) == (False, (), 7)
    assert found.manifest_sha256 == manifest().sha256()
    assert not found.only_attested_capabilities
    strict = changed(values(), "release/only_attested_capabilities", True)
    assert asked(kind, rows=strict).only_attested_capabilities


def test_a_secret_asks_for_hardware_unless_it_says_otherwise():
    assert SecretRule() == SecretRule(min_assurance="hardware", is_test_only=False)


def test_classes_are_ordered_and_a_word_that_is_none_is_never_enough():
    assert CLASSES == ("local", "none", "vtpm-untrusted", "vtpm", "hardware")
    for number, found in enumerate(CLASSES):
        assert [is_at_least(found, wanted) for wanted in CLASSES] == [n <= number for n in range(5)]
    assert not is_at_least("hardware", "best")
    assert not is_at_least("best", "local")


@pytest.mark.parametrize("who", ["secret", "manifest", "policy"])
def test_the_class_reaches_what_each_of_the_three_asks_for(who):
    strict = {
        "secret": {"rules": rules("hardware")},
        "manifest": {"manifest": manifest(dict.fromkeys(NAMES, "hardware"))},
        "policy": {"rows": changed(values(), "release/min_assurance", "hardware")},
    }[who]
    asked("nitro", **strict)
    refused(codes.ASSURANCE_TOO_LOW, kind="tpm2", **strict)


def test_one_secret_that_asks_for_more_refuses_all():
    mixed = {**rules(), NAMES[1]: SecretRule()}
    error = refused(codes.ASSURANCE_TOO_LOW, "secret main/API_KEY", kind="tpm2", rules=mixed)
    assert (error.got, error.wanted) == ("vtpm", "hardware")


@pytest.mark.parametrize(
    "changes",
    [{"workflow_id": "1" * 64}, {"binary_sha256": b"x" * 32}, {"config_sha256": b"x" * 32}, {"owner": "0x22"}],
    ids=lambda each: next(iter(each)),
)
def test_a_workflow_that_is_not_granted_gets_nothing(changes):
    refused(codes.NOT_AUTHORISED, "manifest", manifest=manifest(**changes))


def test_a_secret_that_is_not_granted_and_one_that_is_not_there_are_refused_alike():
    first = refused(codes.NOT_AUTHORISED, "manifest secret", manifest=manifest({NAMES[0]: "local"}))
    second = refused(codes.NOT_AUTHORISED, "manifest secret", rules={NAMES[0]: SecretRule(min_assurance="local")})
    assert (first.got, first.wanted) == (second.got, second.wanted)


def test_what_does_not_affirm_gets_the_refusal_of_its_first_check_with_the_line_of_the_policy():
    error = refused(codes.MEASUREMENT, "nitro/release pcr0", found=claims("nitro", pcr0=of("other")))
    assert error.got == of("other").hex()
    assert "policy.toml:accept.nitro.runner-1.4.0.pcr0" in error.wanted
    refused(codes.DEBUG, "snp/9", kind="sev-snp", found=claims("sev-snp", debug=True, vmpl=1))
    refused(codes.IDENTITY, "tpm/3", kind="tpm2", found=claims("tpm2", assurance="vtpm-untrusted"))


def test_evidence_that_is_not_bound_to_this_execution_gets_nothing():
    refused(codes.RUNNER_SVN, report=appraised(claims("nitro"), data=None))
    refused(codes.BINDING, "binding", report=appraised(claims("nitro", is_bound=False)))
    other = replace(data("nitro"), sig_pub=b"x" * 32)
    refused(codes.BINDING, "release report_data", data=other)
    refused(codes.BINDING, "release kind", data=data("tdx"))


def test_a_report_under_another_policy_gets_nothing():
    newer = policy(changed(values(), "epoch", 8))
    refused(codes.POLICY_INVALID, "release policy", policy=newer)


def test_a_report_that_says_affirming_and_has_a_check_that_does_not_hold_gets_nothing():
    report = appraised(claims("nitro", pcr0=of("other")))
    forged = replace(report, vector={**report.vector, "executables": 2})
    assert forged.status == "affirming"
    refused(codes.MEASUREMENT, report=forged)
    good = appraised(claims("nitro"))
    for vector in ({}, {"executables": 2}, {**good.vector, "hardware": 0}):
        refused(codes.VERIFIER_FAILED, "release status", report=replace(good, vector=vector))
    rows = changed(values(), "release/require", "warning")
    unexplained = replace(appraised(claims("nitro"), rows), vector={**good.vector, "hardware": 32})
    refused(codes.VERIFIER_FAILED, "release status", report=unexplained, rows=rows)
    error = refused(codes.BINDING, "release report_data", report=replace(good, report_data=b""))
    assert error.got == "evidence that is bound to nothing"


LESSER = {"tcb_status": "SWHardeningNeeded"}


def warned(require):
    listed = changed(values(), "tdx/tcb_status", ["UpToDate", "SWHardeningNeeded"])
    return changed(listed, "release/require", require)


def test_a_warning_is_enough_only_where_two_lines_of_the_policy_say_so():
    found = claims("tdx", **LESSER)
    refused(codes.TCB, "tdx/8 TCB status", kind="tdx", found=found, rows=values())
    refused(codes.TCB, "tdx/8 TCB status", kind="tdx", found=found, rows=warned("affirming"))
    only_require = changed(values(), "release/require", "warning")
    refused(codes.TCB, "tdx/8 TCB status", kind="tdx", found=found, rows=only_require)
    grant = asked("tdx", found=found, rows=warned("warning"))
    assert grant.policy_refs == ("policy.toml:tdx.tcb_status", "policy.toml:release.require")
    assert asked("tdx", rows=warned("warning")).policy_refs == ()
    worse = claims("tdx", **LESSER, mr_td=of("other"))
    refused(codes.MEASUREMENT, kind="tdx", found=worse, rows=warned("warning"))
    refused(codes.REVOKED, kind="tdx", found=claims("tdx", tcb_status="Revoked"), rows=warned("warning"))


@pytest.mark.parametrize("kind", SIMULATED_KINDS)
def test_a_simulation_gets_secrets_for_tests_at_a_vault_for_tests(kind):
    found = asked(kind)
    assert (found.assurance, found.is_insecure, found.secrets) == ("none", True, NAMES)
    assert found.policy_refs == ("policy.toml:insecure.allow_kinds",)
    assert asked(kind, rules=rules("none"), manifest=manifest(dict.fromkeys(NAMES, "none"))).is_insecure


@pytest.mark.parametrize("kind", SIMULATED_KINDS)
def test_a_simulation_needs_both_switches(kind):
    refused(codes.INSECURE_KIND, "release insecure kind", kind=kind, accepts_simulated=False)
    off = changed(values((kind,)), "insecure/allow_kinds", [])
    refused(codes.INSECURE_KIND, "release insecure kind", kind=kind, rows=off)
    other = next(each for each in SIMULATED_KINDS if each != kind)
    refused(codes.INSECURE_KIND, kind=kind, rows=changed(off, "insecure/allow_kinds", [other]))
    refused(codes.INSECURE_KIND, "release insecure kind", kind=kind, rows=values())
    report = appraised(claims(kind))
    rows = policy(values((kind,)))
    refused(codes.INSECURE_KIND, kind=kind, report=report, policy=replace(rows, profile="production"))


@pytest.mark.parametrize("kind", SIMULATED_KINDS)
def test_a_simulation_never_gets_what_was_not_made_for_tests(kind):
    refused(codes.ASSURANCE_TOO_LOW, "secret", kind=kind, rules=rules("local", is_test_only=False))
    for wanted in ("vtpm-untrusted", "vtpm", "hardware"):
        refused(codes.ASSURANCE_TOO_LOW, "secret", kind=kind, rules=rules(wanted))
        strict = manifest(dict.fromkeys(NAMES, wanted))
        refused(codes.ASSURANCE_TOO_LOW, "secret", kind=kind, manifest=strict)
        rows = changed(values((kind,)), "release/min_assurance", wanted)
        refused(codes.ASSURANCE_TOO_LOW, "release min_assurance", kind=kind, rows=rows)


@pytest.mark.parametrize("kind", SIMULATED_KINDS)
def test_a_simulation_with_anything_else_against_it_gets_nothing(kind):
    fact, code = {
        "insecure-software": ({"measurement": of("x", 32)}, codes.MEASUREMENT),
        "insecure-swtpm": ({"reset_count": None}, codes.STALE),
    }[kind]
    refused(code, kind=kind, found=claims(kind, **fact))
    refused(codes.UNSUPPORTED_KIND, kind=kind, found=claims(kind, assurance="hardware"))
    report = appraised(claims(kind))
    for number in (2, 96):
        forged = replace(report, vector={**report.vector, "hardware": number})
        refused(codes.VERIFIER_FAILED, kind=kind, report=forged)
    forged = replace(report, vector={**report.vector, "executables": 32})
    refused(codes.VERIFIER_FAILED, kind=kind, report=forged)


def test_a_switch_for_simulations_gives_real_evidence_nothing():
    refused(codes.IDENTITY, kind="tpm2", found=claims("tpm2", is_ek_anchored=False), accepts_simulated=True)
    refused(
        codes.DEBUG, found=claims("nitro", **dict.fromkeys(("pcr0", "pcr1", "pcr2"), bytes(48))), accepts_simulated=True
    )


def test_deciding_touches_no_clock_no_network_and_no_file(monkeypatch):
    def touched(*_arguments, **_named):
        raise AssertionError("deciding is pure")

    key = SigningKey.from_raw(bytes(32))
    rows = values((*HARDWARE_KINDS, *SIMULATED_KINDS))
    with monkeypatch.context() as patched:
        for name in ("time", "time_ns", "monotonic", "monotonic_ns"):
            patched.setattr(time, name, touched)
        patched.setattr(socket, "socket", touched)
        patched.setattr(builtins, "open", touched)
        text, granted = toml(rows), manifest()
        opened = open_policy(text, sign_policy(text, key), public=key.public, file="policy.toml")
        encoded, signature = granted.encode(), sign_manifest(granted, key)
        granted = open_manifest(encoded, signature, owner_public=key.public, owner=granted.owner)
        found = asked("nitro", rows=rows, policy=opened, manifest=granted)
    assert found.secrets == NAMES
