"""A receipt checked with what this installation has, and appraised where there is a policy."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from strongroom.attest.anchors import PINNED
from strongroom.attest.appraisal_report import AppraisalReport
from strongroom.attest.appraise import Expected, appraise
from strongroom.attest.assurance import INSECURE_KINDS
from strongroom.attest.checks import FAILED, PASSED, Check
from strongroom.attest.codes import IDENTITY
from strongroom.attest.evidence import NO_ASSURANCE, EvidenceLimits
from strongroom.attest.policy import Policy
from strongroom.attest.receipt import Receipt, decode_receipt
from strongroom.attest.receipt_check import RESULT_CHECK, ReceiptFindings, check_receipt
from strongroom.attest.release_rules import release_checks
from strongroom.attest.verifiers import VERIFIERS
from strongroom.cli.attest_verdict import AFFIRMING, evidence_anchors, failed_check
from strongroom.crypto.signing import key_id
from strongroom.errors import EvidenceRejected

__all__ = ["JudgedReceipt", "judged_receipt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedReceipt:
    """What came of a receipt.

    ``receipt`` and ``found`` are None where it could not be read; ``checks`` then say why. ``report`` is there when it
    was appraised under ``policy``, and ``release`` what that says about releasing. ``is_time_given`` says that somebody
    named the time.
    """

    receipt: Receipt | None
    found: ReceiptFindings | None
    checks: tuple[Check, ...]
    policy: Policy | None
    report: AppraisalReport | None
    release: tuple[Check, ...]
    is_time_given: bool

    @property
    def holds(self) -> bool:
        """Whether everything in it fits together and is authentic."""
        return bool(self.checks) and all(each.is_passed for each in self.checks)

    @property
    def is_good(self) -> bool:
        """Whether it holds and, where there is a policy, is affirming under it and what a vault would release to."""
        if self.policy is None or self.report is None:
            return self.holds and self.policy is None
        return self.holds and self.report.status == AFFIRMING and all(each.is_passed for each in self.release)

    @property
    def failed(self) -> list[Check]:
        """Every check that does not hold, those of the policy last."""
        return [each for each in (*self.checks, *self.policy_checks) if not each.is_passed]

    @property
    def policy_checks(self) -> tuple[Check, ...]:
        """Every check that comes of the policy: the appraisal, then what it says about releasing."""
        return (*(self.report.checks if self.report is not None else ()), *self.release)

    @property
    def result_matches(self) -> bool | None:
        """Whether the result that was given is the one that the enclave signed; None where nothing was compared."""
        return next((each.is_passed for each in self.checks if each.id == RESULT_CHECK), None)

    @property
    def is_result_compared(self) -> bool:
        """Whether a result was given, and the receipt got so far that there was something to compare it with."""
        return self.result_matches is not None

    @property
    def is_insecure(self) -> bool:
        """Whether any part of it says that it is a simulation."""
        receipt, data = self.receipt, self.found.data if self.found is not None else None
        kinds = {receipt.evidence.kind if receipt is not None else "", data.kind if data is not None else ""}
        return bool(kinds & INSECURE_KINDS) or (receipt is not None and receipt.assurance == NO_ASSURANCE)

    @property
    def assurance(self) -> str | None:
        """The class that was verified; ``none`` for every simulation; None where nothing was."""
        if self.is_insecure:
            return NO_ASSURANCE
        return self.receipt.assurance if self.receipt is not None and self.holds else None


def judged_receipt(
    raw: bytes,
    *,
    policy: Policy | None,
    development_ca: str,
    enclave_configs: frozenset[bytes] | None,
    vault_key: bytes,
    result: bytes | None,
    at: datetime | None,
) -> JudgedReceipt:
    """The receipt in ``raw``, checked as a whole; under ``policy`` too where there is one.

    ``vault_key`` is the raw public key that the vault must have, empty for any; ``result`` the result itself.
    """
    try:
        receipt = decode_receipt(raw)
    except EvidenceRejected as error:
        return _judged(None, None, (failed_check(error),), policy, None, (), at)
    limits = EvidenceLimits()
    if policy is not None:
        limits = replace(limits, skew_s_max=policy.freshness.max_skew_s)
    anchors: Mapping[str, frozenset[str]] = PINNED
    if receipt.evidence.kind in VERIFIERS:
        own = evidence_anchors(receipt.evidence.kind, receipt.evidence, policy, development_ca)
        anchors = {receipt.evidence.kind: own}
    found = check_receipt(receipt, verifiers=VERIFIERS, anchors=anchors, limits=limits, at=at, result_bytes=result)
    report, release = None, tuple[Check, ...]()
    if policy is not None and found.claims is not None and found.at is not None:
        expected = Expected(data=found.data, enclave_configs=enclave_configs)
        report = appraise(found.claims, policy, expected, now=found.at)
        release = release_checks(report, policy, found.result.calls if found.result is not None else None)
    checks = (*found.checks, *([_vault_check(receipt, vault_key)] if vault_key else []))
    return _judged(receipt, found, checks, policy, report, release, at)


def _vault_check(receipt: Receipt, wanted: bytes) -> Check:
    """Whether the vault is the one that somebody expects; a receipt alone says only which one it was."""
    is_it = receipt.vault_public_key == wanted
    return Check(
        id="vault public key",
        outcome=PASSED if is_it else FAILED,
        got=f"SHA-256 {key_id(receipt.vault_public_key).hex()}",
        wanted=f"SHA-256 {key_id(wanted).hex()}",
        code="" if is_it else IDENTITY,
    )


def _judged(
    receipt: Receipt | None,
    found: ReceiptFindings | None,
    checks: tuple[Check, ...],
    policy: Policy | None,
    report: AppraisalReport | None,
    release: tuple[Check, ...],
    at: datetime | None,
) -> JudgedReceipt:
    return JudgedReceipt(
        receipt=receipt,
        found=found,
        checks=checks,
        policy=policy,
        report=report,
        release=release,
        is_time_given=at is not None,
    )
