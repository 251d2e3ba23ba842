"""Whether an execution gets its secrets: evidence verified, appraised and authorised, and the envelope made.

Nothing is written here. What must be remembered of a decision is written by whoever records it, in one transaction.
"""

import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

from strongroom.attest.appraisal_report import AppraisalReport, ear_of
from strongroom.attest.appraise import Expected, appraise
from strongroom.attest.authorise import Grant, SecretRule, authorise
from strongroom.attest.codes import ALGORITHM, STALE
from strongroom.attest.ear import make_ear
from strongroom.attest.evidence import Claims, EvidenceLimits
from strongroom.attest.release import Envelope, ReleasedSecret, Signed, seal_secrets, sign_envelope
from strongroom.attest.verification import verified_under_policy
from strongroom.crypto.signing import key_id
from strongroom.plugin import EvidenceRejected, InvalidInput, Misconfigured
from strongroom_vault.clock import Clock
from strongroom_vault.floors import last_counts, put_counts, remember_evidence
from strongroom_vault.key import VaultKey
from strongroom_vault.manifests import ManifestRoom
from strongroom_vault.names import SecretName
from strongroom_vault.policy_in_force import PolicyInForce
from strongroom_vault.release_audit import Trail
from strongroom_vault.release_request import ReleaseAsked
from strongroom_vault.shelf import Shelf, StoredSecret
from strongroom_vault.state import State

__all__ = ["BUILD", "Decider", "Decision"]

BUILD = "strongroom-vault 0.1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A release that is allowed, and not recorded yet. ``versions`` are (namespace, key, version)."""

    grant: Grant
    report: AppraisalReport
    envelope: Signed
    release_id: bytes
    versions: tuple[tuple[str, str, int], ...]
    evidence_sha256: bytes
    ak_name: bytes | None = field(default=None)
    counts: tuple[int, int] | None = field(default=None)

    def remember(self, database: sqlite3.Connection, *, now_s: int) -> None:
        """Write what later evidence is compared with. Raises ``EvidenceRejected`` for evidence that was used before."""
        if not remember_evidence(database, self.evidence_sha256, now_s=now_s):
            got = f"evidence {self.evidence_sha256.hex()}, which was used in another release"
            raise EvidenceRejected(STALE, "evidence", got=got, wanted="evidence of its own")
        if self.ak_name is not None and self.counts is not None:
            put_counts(database, self.ak_name, self.counts)


class Decider:
    """Steps 4 and 5 of a release, and the envelope."""

    def __init__(
        self,
        *,
        state: State,
        shelf: Shelf,
        manifests: ManifestRoom,
        clock: Clock,
        policy: PolicyInForce | None,
        no_policy: Callable[[], Misconfigured],
    ) -> None:
        """``no_policy`` makes the error of a vault that has no policy."""
        self._state = state
        self._shelf = shelf
        self._manifests = manifests
        self._clock = clock
        self._policy = policy
        self._no_policy = no_policy

    def policy(self) -> PolicyInForce:
        """What is in force. Raises ``Misconfigured`` when there is nothing."""
        if self._policy is None:
            raise self._no_policy()
        return self._policy

    def decide(self, asked: ReleaseAsked, trail: Trail, *, release_id: bytes, key: VaultKey) -> Decision:
        """The envelope for ``asked``. Raises ``EvidenceRejected`` with the first reason why there is none."""
        force, data, now = self.policy(), asked.data, self._clock.now()
        claims = verified_under_policy(
            asked.untrusted_evidence,
            force.policy,
            force.verifiers,
            expected=data.binding(),
            now=now,
            limits=EvidenceLimits(),
        )
        trail.evidence_sha256 = hashlib.sha256(claims.evidence).digest()
        ak_name, counts = _counts_of(claims)
        known = None
        if ak_name is not None:
            with self._state.transaction() as database:
                known = last_counts(database, ak_name)
        expected = Expected(data=data, enclave_configs=force.enclave_configs, last_counts=known)
        report = appraise(claims, force.policy, expected, now=now)
        issued_s = self._clock.now_s()
        if report.is_bound:
            full = ear_of(report, data, issued_s=issued_s, build=BUILD, has_checks=True)
            trail.ear = make_ear(full, key.signing)
        manifest = self._manifests.of(asked.owner) if data.secrets else None
        found = {name: self._shelf.get(SecretName(asked.owner, *name)) for name in data.secrets}
        stored = {name: each for name, each in found.items() if each is not None}
        grant = authorise(
            report, data, manifest, _rules(stored), force.policy, accepts_simulated=force.accepts_simulated
        )
        released = [_released(name, stored[name]) for name in grant.secrets]
        envelope = Envelope(
            release_id=release_id,
            report_data=data.report_data(),
            vault_key_id=key_id(key.signing.public),
            policy_epoch=force.policy.epoch,
            issued_s=issued_s,
            secrets=tuple((each.namespace, each.key, each.version) for each in released),
            sealed=_sealed(asked, release_id, released),
            ear=make_ear(ear_of(report, data, issued_s=issued_s, build=BUILD), key.signing),
        )
        return Decision(
            grant=grant,
            report=report,
            envelope=sign_envelope(envelope, key.signing),
            release_id=release_id,
            versions=envelope.secrets,
            evidence_sha256=trail.evidence_sha256,
            ak_name=ak_name,
            counts=counts,
        )


def _rules(stored: dict[tuple[str, str], StoredSecret]) -> dict[tuple[str, str], SecretRule]:
    return {
        name: SecretRule(min_assurance=each.entry.min_assurance, is_test_only=each.entry.is_test_only)
        for name, each in stored.items()
    }


def _released(name: tuple[str, str], stored: StoredSecret) -> ReleasedSecret:
    return ReleasedSecret(namespace=name[0], key=name[1], version=stored.version, value=stored.entry.value)


def _sealed(asked: ReleaseAsked, release_id: bytes, released: list[ReleasedSecret]) -> bytes:
    try:
        return seal_secrets(asked.data, release_id, released)
    except InvalidInput as error:
        got, wanted = error.what, "a key that secrets can be sealed to"
        raise EvidenceRejected(ALGORITHM, "runtime-data kem pub", got=got, wanted=wanted) from error


def _counts_of(claims: Claims) -> tuple[bytes | None, tuple[int, int] | None]:
    """The name of a TPM's key and its counters, None for evidence that has none."""
    name = claims.facts.get("ak_name")
    resets, restarts = claims.facts.get("reset_count"), claims.facts.get("restart_count")
    if isinstance(name, bytes) and isinstance(resets, int) and isinstance(restarts, int):
        return name, (resets, restarts)
    return None, None
