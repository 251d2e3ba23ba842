"""Appraisal: whether authentic evidence is good enough under a policy, with a reason for every part of the answer.

Rule 1: whatever goes wrong in here refuses. There is no way out of it that accepts.
Rule 2: evidence that is not bound to an execution is never affirming.
Source: contracts/attestation.md 16.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from strongroom.attest.appraisal_report import AppraisalReport
from strongroom.attest.appraise_intel import check_intel_platform, check_sgx, check_tdx
from strongroom.attest.appraise_kinds import Facts, check_counts, check_insecure, check_nitro, check_snp, check_tpm
from strongroom.attest.appraise_release import check_config, check_entries, check_runner, facts_of
from strongroom.attest.ar4si import CONFIGURATION, CONTRADICTED, EXECUTABLES, HARDWARE_ELEMENT
from strongroom.attest.assurance import CLASSES_OF, INSECURE_KINDS
from strongroom.attest.checks import FAILED, Check
from strongroom.attest.codes import BINDING, UNSUPPORTED_KIND, VERIFIER_FAILED
from strongroom.attest.demands import shown
from strongroom.attest.evidence import NO_ASSURANCE, Claims
from strongroom.attest.findings import ELEMENTS, Findings
from strongroom.attest.policy import Policy, missing_fix
from strongroom.attest.runtime_data import RuntimeData

__all__ = ["Expected", "appraise"]

_WITH_COUNTERS: Final = frozenset({"tpm2", "insecure-swtpm", "az-snp-vtpm"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the evidence is appraised for.

    ``data`` are the runtime data that it is bound to, None where nobody knows them. ``enclave_configs`` are digests of
    configurations that the vault takes for good, such as those that name its own key, None where it leaves that to the
    policy. ``last_counts`` are the reset and restart counts seen last from the same TPM key.
    """

    data: RuntimeData | None = None
    enclave_configs: frozenset[bytes] | None = None
    last_counts: tuple[int, int] | None = None


def appraise(claims: Claims, policy: Policy, expected: Expected, *, now: datetime) -> AppraisalReport:
    """Compare what authentic evidence says with a policy. Never raises: what breaks it is contraindicated."""
    try:
        return _appraised(claims, policy, expected, now)
    except Exception as error:  # whatever breaks appraisal must refuse, and an exception could be taken for less
        return _broken(claims, policy, error)


def _appraised(claims: Claims, policy: Policy, expected: Expected, now: datetime) -> AppraisalReport:
    found = Findings(policy.file)
    data = expected.data
    facts = facts_of(claims, data)
    entry = None
    if _is_known(claims, policy, found):
        _check_platform(claims, facts, policy, expected, now, found)
        entry = check_entries(claims.kind, facts, policy, found)
        check_runner(data, policy, found)
        check_config(claims.kind, facts, entry, expected.enclave_configs, found)
    is_bound = _check_binding(claims, data, found)
    return AppraisalReport(
        kind=claims.kind,
        assurance=claims.assurance,
        vector=found.vector(is_bound=is_bound),
        checks=tuple(found.checks),
        entry=entry.name if entry is not None else "",
        policy_sha256=policy.sha256,
        policy_epoch=policy.epoch,
        report_data=data.report_data() if data is not None and is_bound else b"",
    )


def _broken(claims: Claims, policy: Policy, error: Exception) -> AppraisalReport:
    got = type(error).__name__
    check = Check(id="appraisal", outcome=FAILED, got=got, wanted="an answer", code=VERIFIER_FAILED)
    return AppraisalReport(
        kind=claims.kind,
        assurance=NO_ASSURANCE,
        vector=dict.fromkeys(ELEMENTS, CONTRADICTED),
        checks=(check,),
        entry="",
        policy_sha256=policy.sha256,
        policy_epoch=policy.epoch,
        report_data=b"",
    )


def _is_known(claims: Claims, policy: Policy, found: Findings) -> bool:
    """Whether the policy speaks of this kind, and the verifier gave it a class that it can reach."""
    kind = claims.kind
    if kind in INSECURE_KINDS:
        check_insecure(kind, policy, found)
    is_class_right = claims.assurance in CLASSES_OF.get(kind, frozenset())
    found.gate(
        "kind",
        is_class_right,
        element=HARDWARE_ELEMENT,
        code=UNSUPPORTED_KIND,
        got=f"{shown(kind)} of class {shown(claims.assurance)}",
        wanted="a kind that is known, in its class",
    )
    missing = policy.missing_section(kind)
    is_there = found.gate(
        "policy section",
        not missing,
        element=EXECUTABLES,
        code=UNSUPPORTED_KIND,
        got=f"no section {missing}" if missing else "a section",
        wanted=f"a section of the policy for {shown(kind)}",
        key=missing,
        fix=missing_fix(policy, kind),
    )
    return is_class_right and is_there


def _check_platform(
    claims: Claims, facts: Facts, policy: Policy, expected: Expected, now: datetime, found: Findings
) -> None:
    kind = claims.kind
    if kind == "nitro":
        check_nitro(facts, found)
    if kind in {"sev-snp", "az-snp-vtpm"}:
        check_snp(facts, policy.snp, found)
    if kind == "tdx":
        check_tdx(facts, found)
        check_intel_platform(kind, facts, policy.tdx, now=now, found=found)
    if kind == "sgx":
        check_sgx(facts, found)
        check_intel_platform(kind, facts, policy.sgx, now=now, found=found)
    if kind == "tpm2":
        check_tpm(facts, claims.assurance, policy.tpm2, found)
    if kind in _WITH_COUNTERS:
        check_counts(f"{kind} counters", facts, expected.last_counts, found)


def _check_binding(claims: Claims, data: RuntimeData | None, found: Findings) -> bool:
    """Whether the evidence is about ``data``. The verifier compared the digests; here it is asked whether it did."""
    wanted = "evidence that was compared with runtime data"
    if data is None or not claims.is_bound:
        found.skip("binding", element=CONFIGURATION, code=BINDING, wanted=wanted)
        return False
    return found.gate(
        "binding",
        data.kind == claims.kind,
        element=CONFIGURATION,
        code=BINDING,
        got=f"runtime data for {shown(data.kind)}",
        wanted=claims.kind,
    )
