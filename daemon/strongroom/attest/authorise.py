"""Authorisation: whether an appraised execution may have the secrets that it asks for. All of them, or none.

Rule 1: the report must be about this very execution, and made under the policy that is in force.
Rule 2: the policy must let a vault release to such a report, which ``release_rules`` decides; a simulation gets nothing
but secrets that were made for tests.
Rule 3: the class must reach what the policy, the owner's manifest and the secret itself each ask for.
Source: contracts/attestation.md 14.1 step 4.5, 16.1 and 17.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from strongroom.attest.appraisal_report import AppraisalReport
from strongroom.attest.assurance import INSECURE_KINDS, is_at_least
from strongroom.attest.codes import ASSURANCE_TOO_LOW, BINDING, NOT_AUTHORISED, POLICY_INVALID
from strongroom.attest.evidence import HARDWARE, is_same
from strongroom.attest.manifest import Manifest, ManifestGrant
from strongroom.attest.policy import Policy
from strongroom.attest.release_rules import check_release, class_of, refused_by
from strongroom.attest.runtime_data import RuntimeData
from strongroom.errors import EvidenceRejected

__all__ = ["NO_MANIFEST", "Grant", "SecretRule", "authorise"]

NO_MANIFEST: Final = bytes(32)
"""In place of the digest of a manifest where none was needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRule:
    """What a secret itself asks for: the least class, and whether it was made for tests."""

    min_assurance: str = HARDWARE
    is_test_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What may be released, and why: (namespace, key) of the secrets in the order of the runtime data; the class; and
    the lines of the policy without which it would have been refused, for the audit record.

    ``only_attested_capabilities`` is what the policy asks of the run that gets them.
    """

    secrets: tuple[tuple[str, str], ...]
    assurance: str
    is_insecure: bool
    manifest_sha256: bytes
    policy_sha256: bytes
    policy_epoch: int
    policy_refs: tuple[str, ...]
    only_attested_capabilities: bool


def authorise(
    report: AppraisalReport,
    data: RuntimeData,
    manifest: Manifest | None,
    rules: Mapping[tuple[str, str], SecretRule],
    policy: Policy,
    *,
    accepts_simulated: bool,
) -> Grant:
    """What may be released. Raises ``EvidenceRejected`` with the code of the first reason why nothing may.

    ``manifest`` is the owner's, None where the vault has none; an execution that asks for no secret needs none.
    ``rules`` are those of the secrets that the vault holds. ``accepts_simulated`` is the vault's own switch for
    simulations, the second of two that both must be on.
    """
    _check_report(report, data, policy)
    refs = check_release(report, policy, accepts_simulated=accepts_simulated)
    is_insecure, assurance = report.kind in INSECURE_KINDS, class_of(report)
    if data.secrets:
        grant = _grant_of(manifest, data)
        for name in data.secrets:
            _check_secret(name, grant, rules, assurance, is_insecure=is_insecure)
    return Grant(
        secrets=data.secrets,
        assurance=assurance,
        is_insecure=is_insecure,
        manifest_sha256=manifest.sha256() if manifest is not None else NO_MANIFEST,
        policy_sha256=policy.sha256,
        policy_epoch=policy.epoch,
        policy_refs=refs,
        only_attested_capabilities=policy.release.only_attested_capabilities,
    )


def _check_report(report: AppraisalReport, data: RuntimeData, policy: Policy) -> None:
    """Refuse a report about something else, and one that was made under another policy."""
    if report.kind != data.kind:
        raise EvidenceRejected(BINDING, "release kind", got=report.kind, wanted=data.kind)
    if not is_same(report.policy_sha256, policy.sha256):
        got, wanted = report.policy_sha256.hex(), policy.sha256.hex()
        raise EvidenceRejected(POLICY_INVALID, "release policy", got=got, wanted=wanted)
    report_data = data.report_data()
    if not is_same(report.report_data, report_data):
        refusal = report.refusal
        if refusal is not None:
            raise refused_by(refusal)
        got = report.report_data.hex() or "evidence that is bound to nothing"
        raise EvidenceRejected(BINDING, "release report_data", got=got, wanted=report_data.hex())


def _grant_of(manifest: Manifest | None, data: RuntimeData) -> ManifestGrant:
    execution = data.execution
    if manifest is None:
        wanted = f"a deployment manifest signed by {execution.owner}"
        raise EvidenceRejected(NOT_AUTHORISED, "manifest", got="none", wanted=wanted)
    if manifest.owner != execution.owner:
        got = f"a manifest of {manifest.owner}"
        raise EvidenceRejected(NOT_AUTHORISED, "manifest owner", got=got, wanted=f"one of {execution.owner}")
    grant = manifest.grant_for(execution)
    if grant is None:
        got = (
            f"workflow {execution.workflow_id}, binary {execution.binary_sha256.hex()}, "
            f"config {execution.config_sha256.hex()}"
        )
        raise EvidenceRejected(NOT_AUTHORISED, "manifest grant", got=got, wanted="a grant for these three together")
    return grant


def _check_secret(
    name: tuple[str, str],
    grant: ManifestGrant,
    rules: Mapping[tuple[str, str], SecretRule],
    assurance: str,
    *,
    is_insecure: bool,
) -> None:
    spelled = "/".join(name)
    granted, rule = grant.secrets.get(name), rules.get(name)
    # One answer for both: whoever is not granted a secret does not learn whether it exists.
    if granted is None or rule is None:
        wanted = f"a grant of {spelled} to this workflow, and the secret in the vault"
        raise EvidenceRejected(NOT_AUTHORISED, "manifest secret", got="not both", wanted=wanted)
    if is_insecure and not rule.is_test_only:
        _too_low(f"secret {spelled}", "a simulation", "a secret made with --test-only, or hardware")
    for needed in (granted, rule.min_assurance):
        if not is_at_least(assurance, needed):
            _too_low(f"secret {spelled}", assurance, needed)


def _too_low(check: str, got: str, wanted: str) -> None:
    raise EvidenceRejected(ASSURANCE_TOO_LOW, check, got=got, wanted=wanted)
