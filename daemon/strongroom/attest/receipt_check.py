"""Checking a receipt: a pure function, offline, that reports every check with what was found and wanted.

Rule 1: hardware evidence lives for hours, so it is verified at the time of the result: ``iat`` of the attestation
result, unless the caller names another.
Rule 2: checking goes on after a check has failed; what could not be reached counts as failed.
Rule 3: no policy is applied here. That everything holds says what ran, not that it is good enough.
Source: contracts/attestation.md 15. The result is signed by the key in the runtime data, and that is the proof of its
possession: a receipt has no place for the one of the release.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeVar

from strongroom.attest.assurance import MEDIA_TYPES
from strongroom.attest.checks import FAILED, PASSED, Check
from strongroom.attest.codes import BINDING, IDENTITY, POLICY_INVALID, POSSESSION, UNSUPPORTED_KIND, VERIFIER_FAILED
from strongroom.attest.ear import Ear, check_ear
from strongroom.attest.evidence import Claims, Evidence, EvidenceLimits, Verifier, is_same, malformed
from strongroom.attest.receipt import Receipt
from strongroom.attest.result import Result, check_result, result_key_id
from strongroom.attest.runtime_data import RuntimeData, decode_runtime_data, report_data_of
from strongroom.crypto.signing import key_id
from strongroom.errors import EvidenceRejected

__all__ = ["RESULT_CHECK", "ReceiptFindings", "check_receipt"]

T = TypeVar("T")
RESULT_CHECK: Final = "result_sha256"
"""The check that compares the result itself, where somebody has it."""


@dataclass(slots=True, kw_only=True)
class ReceiptFindings:
    """Every check in its order, and what was verified: each part is there only when it holds.

    ``at`` is the time at which the evidence was verified.
    """

    checks: list[Check] = field(default_factory=list)
    at: datetime | None = None
    data: RuntimeData | None = None
    result: Result | None = None
    ear: Ear | None = None
    claims: Claims | None = None

    @property
    def holds(self) -> bool:
        """Whether every check passed. No policy was applied."""
        return bool(self.checks) and all(each.is_passed for each in self.checks)


def check_receipt(
    receipt: Receipt,
    *,
    verifiers: Mapping[str, Verifier],
    anchors: Mapping[str, frozenset[str]],
    limits: EvidenceLimits,
    at: datetime | None = None,
    result_bytes: bytes | None = None,
) -> ReceiptFindings:
    """Check everything that can be checked without a policy, offline. Never raises for what is in the receipt.

    ``verifiers`` and ``anchors`` are by kind of evidence. ``at`` replaces the time of the attestation result, and has
    a time zone. ``result_bytes`` are the result itself, where the caller has it.
    """
    found = ReceiptFindings(at=at)
    checks = _Checks(found.checks)
    found.data = data = checks.run("runtime data", lambda: decode_runtime_data(receipt.runtime_data))
    found.ear = ear = checks.run("ear", lambda: check_ear(receipt.ear, vault_public=receipt.vault_public_key))
    if found.at is None and ear is not None:
        found.at = datetime.fromtimestamp(ear.issued_s, UTC)
    if data is None:
        checks.unreached("proof of possession", "result", "evidence")
        return found
    claimed = checks.run("result key", lambda: result_key_id(receipt.result))
    if claimed is not None:
        checks.same("proof of possession", POSSESSION, claimed, key_id(data.sig_pub))
    found.result = checks.run("result", lambda: check_result(receipt.result, sig_pub=data.sig_pub))
    found.claims = checks.run("evidence", lambda: _verified(receipt, data, found.at, verifiers, anchors, limits))
    _compare(receipt, data, found, checks, result_bytes)
    return found


def _verified(
    receipt: Receipt,
    data: RuntimeData,
    at: datetime | None,
    verifiers: Mapping[str, Verifier],
    anchors: Mapping[str, frozenset[str]],
    limits: EvidenceLimits,
) -> Claims:
    kind = receipt.evidence.kind
    if kind != data.kind:
        raise EvidenceRejected(BINDING, "evidence kind", got=kind, wanted=data.kind)
    if kind not in verifiers:
        wanted = ", ".join(sorted(verifiers)) or "no kind at all"
        raise EvidenceRejected(UNSUPPORTED_KIND, "evidence kind", got=kind, wanted=wanted)
    _check_media_type(receipt.evidence)
    if at is None:
        raise EvidenceRejected(VERIFIER_FAILED, "evidence time", got="no attestation result", wanted="a time")
    return verifiers[kind](
        receipt.evidence, expected=data.binding(), now=at, anchors=anchors.get(kind, frozenset()), limits=limits
    )


def _check_media_type(evidence: Evidence) -> None:
    """Raise ``EvidenceRejected`` for another media type than that of the kind: no signature covers it."""
    wanted = MEDIA_TYPES.get(evidence.kind, "")
    if evidence.media_type != wanted:
        raise malformed("evidence media_type", got=repr(evidence.media_type[:80]), wanted=wanted)


def _compare(
    receipt: Receipt, data: RuntimeData, found: ReceiptFindings, checks: "_Checks", result_bytes: bytes | None
) -> None:
    """Every digest and id that stands in two places is the same in both."""
    result, ear, claims = found.result, found.ear, found.claims
    report_data = report_data_of(receipt.runtime_data)
    checks.same("vault key", IDENTITY, key_id(receipt.vault_public_key), data.challenge.vault_key_id)
    if ear is not None:
        checks.same("ear nonce", BINDING, ear.nonce, data.challenge.nonce)
        checks.same("ear report_data", BINDING, ear.report_data, report_data)
        checks.same("ear policy", POLICY_INVALID, ear.policy_sha256, receipt.policy_sha256)
        checks.same("ear assurance", BINDING, ear.assurance, receipt.assurance)
    if claims is not None:
        checks.same("evidence assurance", BINDING, claims.assurance, receipt.assurance)
    if result is None:
        return
    checks.same("result report_data", BINDING, result.report_data, report_data)
    checks.same("result execution_id", BINDING, result.execution_id, data.execution.execution_id)
    checks.same("result attempt", BINDING, str(result.attempt), str(data.execution.attempt))
    checks.same("result ear_sha256", BINDING, result.ear_sha256, hashlib.sha256(receipt.ear).digest())
    # The canonical form, without padding, where the verifier got so far.
    body = claims.evidence if claims is not None else receipt.evidence.body
    checks.same("result evidence_sha256", BINDING, result.evidence_sha256, hashlib.sha256(body).digest())
    others = {each[:2] for each in result.secrets} - set(data.secrets)
    checks.same("result secrets", BINDING, f"{len(others)} that were not asked for", "0 that were not asked for")
    if result_bytes is not None:
        checks.same(RESULT_CHECK, BINDING, hashlib.sha256(result_bytes).digest(), result.result_sha256)


class _Checks:
    """Notes down how each check came out."""

    __slots__ = ("_checks",)

    def __init__(self, checks: list[Check]) -> None:
        self._checks = checks

    def run(self, name: str, call: Callable[[], T]) -> T | None:
        try:
            value = call()
        except EvidenceRejected as error:
            self._fail(name, error.code, error.got, error.wanted, detail=error.check)
            return None
        except Exception as error:  # a verifier is somebody else's code, and what breaks it must not pass
            self._fail(name, VERIFIER_FAILED, type(error).__name__, "an answer")
            return None
        self._checks.append(Check(id=name, outcome=PASSED))
        return value

    def same(self, name: str, code: str, got: bytes | str, wanted: bytes | str) -> None:
        first, second = (each.hex() if isinstance(each, bytes) else each for each in (got, wanted))
        if is_same(first.encode(), second.encode()):
            self._checks.append(Check(id=name, outcome=PASSED, got=first, wanted=second))
        else:
            self._fail(name, code, first, second)

    def unreached(self, *names: str) -> None:
        for name in names:
            self._fail(name, VERIFIER_FAILED, "not reached", "a check before it passes")

    def _fail(self, name: str, code: str, got: str, wanted: str, *, detail: str = "") -> None:
        check = f"{name}: {detail}" if detail and detail != name else name
        self._checks.append(Check(id=check, outcome=FAILED, got=got, wanted=wanted, code=code))
