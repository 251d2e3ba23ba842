"""What the section ``[release]`` of a policy lets a vault do with a report: one place for the vault that decides, and
for the tools that say before or after it what it would decide.

Rule 1: only affirming evidence is enough. A warning is, where the policy says so in two places; a simulation is, at a
vault for tests.
Rule 2: the class must reach what the policy asks for.
Rule 3: where the policy wants attested capabilities only, no call of a run was answered by the host. A vault sees to
that before the run, by the configuration of the runner; a receipt shows it afterwards.
Source: contracts/attestation.md 16.1 and 17.
"""

from collections.abc import Sequence
from typing import Final

from strongroom.attest.appraisal_report import AppraisalReport
from strongroom.attest.ar4si import AFFIRMING, CONTRAINDICATED, HARDWARE_ELEMENT, UNRECOGNISED, WARNING, tier_of
from strongroom.attest.assurance import INSECURE_KINDS, is_at_least
from strongroom.attest.checks import FAILED, PASSED, WARNED, Check
from strongroom.attest.codes import ASSURANCE_TOO_LOW, INSECURE_KIND, NOT_AUTHORISED, VERIFIER_FAILED
from strongroom.attest.evidence import NO_ASSURANCE
from strongroom.attest.policy import TEST, Policy
from strongroom.attest.result import BY_ENCLAVE, Call
from strongroom.errors import EvidenceRejected

__all__ = ["check_release", "class_of", "is_accepted_if_bound", "refused_by", "release_checks"]

_CLASS: Final = "release min_assurance"
_CALLS: Final = "release only_attested_capabilities"


def check_release(report: AppraisalReport, policy: Policy, *, accepts_simulated: bool) -> tuple[str, ...]:
    """The lines of the policy without which a vault would refuse the report, none for affirming evidence.

    ``accepts_simulated`` is the vault's own switch for simulations. Raises ``EvidenceRejected`` with the first reason.
    """
    is_insecure = report.kind in INSECURE_KINDS
    refs = _check_simulated(report, policy, accepts_simulated) if is_insecure else _check_status(report, policy)
    reached = _class_check(report, policy)
    if not reached.is_passed:
        raise refused_by(reached)
    return refs


def release_checks(report: AppraisalReport, policy: Policy, calls: Sequence[Call] | None = None) -> tuple[Check, ...]:
    """What the section asks for beyond the status, as checks. ``calls`` are those of a result whose signature holds,
    None where there is no result."""
    reached = _class_check(report, policy)
    if calls is None or not policy.release.only_attested_capabilities:
        return (reached,)
    return (reached, _calls_check(calls, policy))


def is_accepted_if_bound(report: AppraisalReport, policy: Policy) -> bool:
    """Whether nothing but its binding is missing to a report that is bound to nothing."""
    has_failed = any(each.outcome == FAILED for each in report.checks)
    is_warned = any(each.outcome == WARNED for each in report.checks)
    is_enough = not is_warned or policy.release.require == WARNING
    return not has_failed and is_enough and _class_check(report, policy).is_passed


def class_of(report: AppraisalReport) -> str:
    """The class that counts: none for a simulation, whatever its report says."""
    return NO_ASSURANCE if report.kind in INSECURE_KINDS else report.assurance


def refused_by(check: Check) -> EvidenceRejected:
    """The refusal that a check comes to, with the line of the policy."""
    where = f" ({check.policy_ref})" if check.policy_ref else ""
    code = check.code or VERIFIER_FAILED
    return EvidenceRejected(code, check.id, got=check.got, wanted=f"{check.wanted}{where}", fix=check.fix)


def _class_check(report: AppraisalReport, policy: Policy) -> Check:
    found, wanted = class_of(report), policy.release.min_assurance
    is_reached = is_at_least(found, wanted)
    return Check(
        id=_CLASS,
        outcome=PASSED if is_reached else FAILED,
        got=found,
        wanted=wanted,
        policy_ref=policy.where("release.min_assurance"),
        code="" if is_reached else ASSURANCE_TOO_LOW,
    )


def _calls_check(calls: Sequence[Call], policy: Policy) -> Check:
    others = [each for each in calls if each.trust != BY_ENCLAVE]
    first = f", the first is {others[0].ref} of {others[0].capability_id}, {others[0].trust}" if others else ""
    return Check(
        id=_CALLS,
        outcome=FAILED if others else PASSED,
        got=f"{len(others)} of {len(calls)} calls are not attested{first}",
        wanted=f"every call {BY_ENCLAVE}",
        policy_ref=policy.where("release.only_attested_capabilities"),
        code=NOT_AUTHORISED if others else "",
    )


def _check_status(report: AppraisalReport, policy: Policy) -> tuple[str, ...]:
    """The lines that a warning needs, none for affirming evidence. Raises for everything else."""
    hardware = tier_of(report.vector.get(HARDWARE_ELEMENT, UNRECOGNISED))
    if report.refusal is None and report.status == AFFIRMING and hardware == AFFIRMING:
        return ()
    missed = [each for each in report.checks if not each.is_passed]
    is_warned = bool(missed) and all(each.outcome == WARNED for each in missed)
    if is_warned and report.status == WARNING and policy.release.require == WARNING:
        return (*(each.policy_ref for each in missed), policy.where("release.require"))
    if report.refusal is not None:
        raise refused_by(report.refusal)
    raise EvidenceRejected(VERIFIER_FAILED, "release status", got=report.status, wanted=policy.release.require)


def _check_simulated(report: AppraisalReport, policy: Policy, accepts_simulated: bool) -> tuple[str, ...]:
    """The line that a simulation needs. Refuse unless everything but its hardware holds, and both switches are on."""
    key = policy.where("insecure.allow_kinds")
    if policy.profile != TEST or report.kind not in policy.insecure.allow_kinds:
        wanted = f"a test policy that lists it in {key}"
        raise EvidenceRejected(INSECURE_KIND, "release insecure kind", got=report.kind, wanted=wanted)
    if not accepts_simulated:
        wanted = "a vault that was started with --insecure-accept-simulated-tee"
        raise EvidenceRejected(INSECURE_KIND, "release insecure kind", got=report.kind, wanted=wanted)
    others = [each for each in report.checks if not each.is_passed and each.code != INSECURE_KIND]
    if others:
        raise refused_by(others[0])
    bad = {name for name, value in report.vector.items() if tier_of(value) in {WARNING, CONTRAINDICATED}}
    if bad != {HARDWARE_ELEMENT} or report.vector[HARDWARE_ELEMENT] != UNRECOGNISED:
        wanted = f"nothing against it but {HARDWARE_ELEMENT} {UNRECOGNISED}"
        raise EvidenceRejected(VERIFIER_FAILED, "release insecure kind", got=", ".join(sorted(bad)), wanted=wanted)
    return (key,)
