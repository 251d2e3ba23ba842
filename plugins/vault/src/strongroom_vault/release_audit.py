"""The audit records of releases: what was asked, how far it came, and why it ended so. Refusals too.

What is known grows on the way; a refusal tells as much as was known when it came.
"""

import sqlite3
from typing import Any, Final

from strongroom.attest.authorise import Grant
from strongroom.plugin import EvidenceRejected
from strongroom_vault.audit_log import append_audit
from strongroom_vault.clock import Clock
from strongroom_vault.release_request import ReleaseAsked
from strongroom_vault.state import State

__all__ = ["Trail"]

REASON_CHARS_MAX: Final = 1_000
"""Of each part of a reason: a refusal can repeat what the runner sent."""


class Trail:
    """One request for a release on its way. ``asked`` is known once it was decoded, ``evidence_sha256`` once the
    evidence was verified, ``ear`` once it was appraised."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self.asked: ReleaseAsked | None = None
        self.evidence_sha256 = b""
        self.ear = b""

    def append_repeat(self, database: sqlite3.Connection, release_id: bytes) -> None:
        """Record that a stored envelope was given out again."""
        append_audit(database, "repeated", self._clock.now_s(), self._known() | {"release_id": release_id})

    def append_release(
        self,
        database: sqlite3.Connection,
        grant: Grant,
        *,
        release_id: bytes,
        versions: tuple[tuple[str, str, int], ...],
        entry: str,
    ) -> None:
        """Record a release: (namespace, key, version) of its secrets, and the entry of the policy that matched."""
        fields = {
            "release_id": release_id,
            "secrets": [list(each) for each in versions],
            "assurance": grant.assurance,
            "insecure": int(grant.is_insecure),
            "entry": entry,
            "manifest_sha256": grant.manifest_sha256,
            "policy_sha256": grant.policy_sha256,
            "policy_epoch": grant.policy_epoch,
            "policy_refs": list(grant.policy_refs),
        }
        append_audit(database, "released", self._clock.now_s(), self._known() | fields)

    def append_refusal(self, refusal: EvidenceRejected) -> None:
        """Record a refusal. Raises ``Unavailable``."""
        reason = {"code": refusal.code, "check": refusal.check, "got": refusal.got, "wanted": refusal.wanted}
        fields = {name: text[:REASON_CHARS_MAX] for name, text in reason.items()}
        with self._state.transaction() as database:
            append_audit(database, "refused", self._clock.now_s(), self._known() | fields)

    def _known(self) -> dict[str, Any]:  # Any: see append_audit
        fields: dict[str, Any] = {"evidence_sha256": self.evidence_sha256, "ear": self.ear}
        if self.asked is not None:
            execution = self.asked.data.execution
            fields |= {
                "execution_id": execution.execution_id,
                "workflow_id": execution.workflow_id,
                "owner": execution.owner,
                "attempt": execution.attempt,
                "kind": self.asked.data.kind,
                "report_data": self.asked.data.report_data(),
                "binary_sha256": execution.binary_sha256,
                "config_sha256": execution.config_sha256,
                "runner": self.asked.data.runner.build,
                "runner_svn": self.asked.data.runner.svn,
            }
        return fields
