"""The answer of an appraisal: numbers, a class, and every check that led to them.

Source: contracts/attestation.md 3 and 16.1; the shape is that of EAR, which ``ear`` signs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from strongroom.attest.ar4si import status_of
from strongroom.attest.checks import FAILED, Check
from strongroom.attest.ear import Ear
from strongroom.attest.runtime_data import RuntimeData

__all__ = ["AppraisalReport", "ear_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppraisalReport:
    """The answer, in the shape of an attestation result.

    ``assurance`` is the class, ``vector`` the numbers of AR4SI by element, ``checks`` everything that was looked at,
    ``entry`` the name of the accepted release that matched, empty where none did. ``report_data`` is the digest of the
    runtime data, empty where the evidence is not bound to them.
    """

    kind: str
    assurance: str
    vector: Mapping[str, int]
    checks: tuple[Check, ...]
    entry: str
    policy_sha256: bytes
    policy_epoch: int
    report_data: bytes

    @property
    def is_bound(self) -> bool:
        """Whether the evidence is bound to runtime data."""
        return bool(self.report_data)

    @property
    def status(self) -> str:
        """The worst tier of the vector."""
        return status_of(self.vector)

    @property
    def refusal(self) -> Check | None:
        """The first check that failed; without one the first that does not hold in another way; None if all hold."""
        failed = [each for each in self.checks if each.outcome == FAILED]
        return next(iter([*failed, *(each for each in self.checks if not each.is_passed)]), None)

    @property
    def code(self) -> str | None:
        """The code of the first check that failed, None where none did."""
        return next((each.code for each in self.checks if each.outcome == FAILED), None)


def ear_of(report: AppraisalReport, data: RuntimeData, *, issued_s: int, build: str, has_checks: bool = False) -> Ear:
    """The attestation result that says what ``report`` says, for ``make_ear`` to sign.

    ``issued_s`` is Unix time, ``build`` that of the vault; with ``has_checks`` every check goes along. The report must
    be bound to ``data``.
    """
    return Ear(
        nonce=data.challenge.nonce,
        report_data=report.report_data,
        assurance=report.assurance,
        issued_s=issued_s,
        build=build,
        vector=report.vector,
        policy_sha256=report.policy_sha256,
        checks=report.checks if has_checks else (),
    )
