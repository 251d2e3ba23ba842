"""Evidence verified, and appraised where there is a policy: what came of it, for people and for programs.

Rule 1: without a policy only authenticity is spoken of; without runtime data nothing is ever affirming.
Rule 2: the verifiers are those of this installation. Which ones a vault loads is pinned in its policy, by the digest of
their installation, and that is the vault's to check.
Rule 3: a simulation has no anchor that anybody could trust. Without a policy that names one, or a file that the person
gave, the development CA in the evidence itself is taken, and the class is ``none`` in every case.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from strongroom.attest.anchors import PINNED
from strongroom.attest.appraisal_report import AppraisalReport
from strongroom.attest.appraise import Expected, appraise
from strongroom.attest.assurance import INSECURE_KINDS
from strongroom.attest.checks import FAILED, PASSED, Check
from strongroom.attest.codes import VERIFIER_FAILED
from strongroom.attest.enclave_config import decode_enclave_config
from strongroom.attest.evidence import Claims, Evidence, EvidenceLimits
from strongroom.attest.policy import Policy
from strongroom.attest.release_rules import release_checks
from strongroom.cli.caller import read_file
from strongroom.cli.evidence_files import Opened
from strongroom.cli.failure import bad_data
from strongroom.crypto.certificates import load_certificate, load_pem_certificates
from strongroom.errors import EvidenceRejected, InvalidInput

__all__ = [
    "AFFIRMING",
    "Verdict",
    "development_anchor",
    "enclave_digests",
    "evidence_anchors",
    "failed_check",
    "judged",
    "plain",
]

AFFIRMING: Final = "affirming"
CERTIFICATE_BYTES_MAX: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one piece of evidence.

    ``claims`` are there when it is authentic, ``refusal`` when it is not, ``report`` when it was appraised; ``release``
    are then the rules of the policy about releasing to it.
    """

    opened: Opened
    at: datetime
    claims: Claims | None
    refusal: EvidenceRejected | None
    report: AppraisalReport | None
    release: tuple[Check, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether it is authentic and, under a policy, affirming and of a class that a vault would release to."""
        if self.claims is None or self.report is None:
            return self.claims is not None
        return self.report.status == AFFIRMING and all(each.is_passed for each in self.release)

    @property
    def checks(self) -> tuple[Check, ...]:
        """Authenticity first, as one check, then those of the appraisal."""
        error = self.refusal
        if error is not None:
            return (failed_check(error),)
        first = Check(id="authenticity", outcome=PASSED, got=f"{self.opened.kind}, signed under its root")
        return (first, *(self.report.checks if self.report is not None else ()), *self.release)

    @property
    def first_refusal(self) -> Check | None:
        """The first check that does not hold; None where nothing speaks against the evidence."""
        if self.refusal is not None:
            return self.checks[0]
        if self.report is None or self.is_good:
            return None
        missed = next((each for each in self.release if not each.is_passed), None)
        if self.report.code is None and missed is not None:
            return missed
        if self.report.code is None and not self.report.is_bound:
            # What could not be compared all comes of this one.
            return next((each for each in self.report.checks if each.id == "binding"), self.report.refusal)
        return self.report.refusal


def judged(
    opened: Opened,
    *,
    at: datetime,
    policy: Policy | None = None,
    development_ca: str = "",
    enclave_configs: frozenset[bytes] | None = None,
) -> Verdict:
    """``opened`` at the time ``at``, under ``policy`` where there is one.

    ``development_ca`` is the SHA-256 of one, ``enclave_configs`` are digests of configurations that are good.
    """
    claims, refusal = None, opened.refusal
    limits = EvidenceLimits()
    if policy is not None:
        limits = replace(limits, skew_s_max=policy.freshness.max_skew_s)
    expected = opened.data.binding() if opened.data is not None else None
    anchors = evidence_anchors(opened.kind, opened.evidence, policy, development_ca)
    if refusal is None:
        try:
            claims = opened.verify(opened.evidence, expected=expected, now=at, anchors=anchors, limits=limits)
        except EvidenceRejected as error:
            refusal = error
        except Exception as error:  # whatever breaks a verifier refuses, as it does in the vault
            got = type(error).__name__
            refusal = EvidenceRejected(VERIFIER_FAILED, f"{opened.kind} verifier", got=got, wanted="an answer")
    report, release = None, tuple[Check, ...]()
    if claims is not None and policy is not None:
        report = appraise(claims, policy, Expected(data=opened.data, enclave_configs=enclave_configs), now=at)
        release = release_checks(report, policy, opened.calls)
    return Verdict(opened=opened, at=at, claims=claims, refusal=refusal, report=report, release=release)


def failed_check(error: EvidenceRejected) -> Check:
    """A refusal as the check that it came from."""
    return Check(
        id=error.check, outcome=FAILED, got=error.got, wanted=error.wanted, code=error.code, fix=error.fix or ""
    )


def evidence_anchors(kind: str, evidence: Evidence, policy: Policy | None, development_ca: str) -> frozenset[str]:
    """The roots that evidence of this kind may end in, as SHA-256 in hex."""
    if kind not in INSECURE_KINDS:
        return policy.anchors().get(kind, frozenset()) if policy is not None else PINNED.get(kind, frozenset())
    if policy is not None and kind in policy.insecure.allow_kinds:
        return policy.anchors().get(kind, frozenset())
    if development_ca:
        return frozenset({development_ca})
    return frozenset(hashlib.sha256(each).hexdigest() for each in evidence.endorsements[-1:])


def development_anchor(path: Path | None) -> str:
    """The SHA-256 of the certificate in a file, PEM or DER; empty where no file was named. Raises ``Failure``."""
    if path is None:
        return ""
    raw = read_file("--development-ca", path, bytes_max=CERTIFICATE_BYTES_MAX)
    try:
        found = load_pem_certificates(raw)[0] if raw.lstrip().startswith(b"-----") else load_certificate(raw)
    except InvalidInput:
        raise bad_data(
            "SR-CLI-101",
            f"{path} holds no certificate",
            why="it is neither PEM nor DER",
            fix="give the development CA's certificate: development-ca.der in the directory of the vault's keys",
        ) from None
    return found.fingerprint


def enclave_digests(paths: Sequence[Path]) -> frozenset[bytes] | None:
    """The digests of enclave configurations in files; None where none was named. Raises ``Failure``,
    ``EvidenceRejected``."""
    if not paths:
        return None
    raws = [read_file("--enclave-config", path, bytes_max=CERTIFICATE_BYTES_MAX) for path in paths]
    return frozenset(decode_enclave_config(raw).sha256() for raw in raws)


def plain(value: Any) -> Any:  # Any: facts of a format, as JSON has them
    """A fact as JSON: bytes as hex digits, times as RFC 3339."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return [plain(each) for each in value]
    return value
