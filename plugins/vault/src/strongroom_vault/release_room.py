"""Where secrets leave the vault: a challenge, then a release to the one execution that proves itself, in this order.

1. Size, the one encoding, and the proof that the runner holds its key.
2. A repeat gets the stored envelope again; another release for the same attempt is refused.
3. The nonce is used up, and must have been given out for this very execution.
4. The evidence is verified now, then appraised under the policy.
5. The owner's manifest, the policy and each secret must allow it. All secrets, or none.
6. Audit record and release are on disk before the answer leaves. If they cannot be, nothing leaves.

Source: contracts/attestation.md 14.1 step 4.
"""

import logging
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from strongroom.attest.codes import ALREADY_RELEASED, BINDING
from strongroom.attest.evidence import is_same
from strongroom.attest.release import Challenge, Signed, sign_challenge
from strongroom.crypto.signing import key_id
from strongroom.plugin import Call, EvidenceRejected, LimitExceeded, StrongroomError
from strongroom.plugin.messages import strongroom_vault_pb2
from strongroom_vault.challenges import ChallengeBook, Issued
from strongroom_vault.clock import Clock
from strongroom_vault.decision import Decider
from strongroom_vault.key import VaultKey
from strongroom_vault.release_audit import Trail
from strongroom_vault.release_request import ReleaseAsked, check_asker, check_ids, read_release
from strongroom_vault.releases import Released, count_attempts, find_release, put_release, release_of_attempt
from strongroom_vault.state import State

__all__ = ["ReleaseRoom"]

RELEASE_ID_BYTES: Final = 16
INSECURE_METRIC: Final = "strongroom_insecure_release_total"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRules:
    """``attempts_max`` releases of one execution; ``place`` is ``co-located`` or ``separate``."""

    attempts_max: int
    place: str


class ReleaseRoom:
    """Challenges and releases. ``insecure_releases`` counts those to simulations since the start."""

    def __init__(
        self,
        *,
        key: VaultKey,
        state: State,
        decider: Decider,
        clock: Clock,
        log: logging.Logger,
        rules: ReleaseRules,
    ) -> None:
        self._key = key
        self._key_id = key_id(key.signing.public)
        self._state = state
        self._decider = decider
        self._clock = clock
        self._log = log
        self._rules = rules
        self._challenges = ChallengeBook(state, clock)
        self._counting = threading.Lock()
        self.insecure_releases = 0

    def methods(self) -> Mapping[str, Callable[[Call], Any]]:
        """Method name to function."""
        return {"vault.release.challenge": self.challenge, "vault.release.release": self.release}

    def challenge(self, call: Call) -> strongroom_vault_pb2.ChallengeResponse:
        """A nonce for one execution, signed, and the number of its next attempt.

        Raises ``EvidenceRejected`` after the last attempt, ``LimitExceeded``, and ``Misconfigured`` without a policy.
        """
        asked = call.unpack(strongroom_vault_pb2.ChallengeRequest)
        try:
            return self._challenged(call, asked)
        except (EvidenceRejected, LimitExceeded) as refusal:
            self._log.warning("refused a challenge: %s: %s", refusal.code, refusal)
            raise

    def _challenged(
        self, call: Call, asked: strongroom_vault_pb2.ChallengeRequest
    ) -> strongroom_vault_pb2.ChallengeResponse:
        check_ids("challenge", asked.execution_id, asked.workflow_id, asked.owner)
        check_asker(call, asked.execution_id, asked.workflow_id, asked.owner)
        ttl_s = self._decider.policy().policy.freshness.nonce_ttl_s
        with self._state.transaction() as database:
            attempt = count_attempts(database, asked.execution_id) + 1
            self._check_attempt(asked.execution_id, attempt)
            issued = self._challenges.issue(
                database,
                execution_id=asked.execution_id,
                workflow_id=asked.workflow_id,
                owner=asked.owner,
                attempt=attempt,
                ttl_s=ttl_s,
            )
        signed = sign_challenge(
            Challenge(
                nonce=issued.nonce,
                exp_s=issued.exp_s,
                execution_id=issued.execution_id,
                workflow_id=issued.workflow_id,
                owner=issued.owner,
                vault_key_id=self._key_id,
            ),
            self._key.signing,
        )
        return strongroom_vault_pb2.ChallengeResponse(body=signed.body, signature=signed.signature, attempt=attempt)

    def release(self, call: Call) -> strongroom_vault_pb2.ReleaseResponse:
        """The secrets of one execution, sealed to its key. Raises ``EvidenceRejected``, ``Unavailable`` when it cannot
        be recorded, and ``Misconfigured`` without a policy."""
        trail = Trail(self._state, self._clock)
        try:
            asked = read_release(call.unpack(strongroom_vault_pb2.ReleaseRequest))
            trail.asked = asked
            execution = asked.data.execution
            check_asker(call, execution.execution_id, execution.workflow_id, execution.owner)
            envelope = self._repeated(asked, trail) or self._released(asked, trail)
        except EvidenceRejected as refusal:
            self._note_refusal(trail, refusal)
            raise
        return strongroom_vault_pb2.ReleaseResponse(
            body=envelope.body, signature=envelope.signature, vault=self._rules.place
        )

    def _repeated(self, asked: ReleaseAsked, trail: Trail) -> Signed | None:
        """The envelope of a release that was recorded, None for a request that is new."""
        execution = asked.data.execution
        with self._state.transaction() as database:
            found = find_release(database, asked.sha256)
            if found is not None and found.envelope is not None:
                trail.append_repeat(database, found.release_id)
                return found.envelope
            if found is None and execution.attempt <= self._rules.attempts_max:
                found = release_of_attempt(database, execution.execution_id, execution.attempt)
        if found is not None:
            raise _already(execution.execution_id, execution.attempt)
        return None

    def _released(self, asked: ReleaseAsked, trail: Trail) -> Signed:
        issued = self._challenges.consume(asked.data.challenge.nonce)
        self._check_issued(asked, issued)
        release_id = secrets.token_bytes(RELEASE_ID_BYTES)
        decision = self._decider.decide(asked, trail, release_id=release_id, key=self._key)
        execution = asked.data.execution
        with self._state.transaction() as database:
            if release_of_attempt(database, execution.execution_id, execution.attempt) is not None:
                raise _already(execution.execution_id, execution.attempt)
            decision.remember(database, now_s=self._clock.now_s())
            row = Released(
                execution_id=execution.execution_id,
                attempt=execution.attempt,
                runtime_data_sha256=asked.sha256,
                release_id=release_id,
                released_s=self._clock.now_s(),
                envelope=decision.envelope,
            )
            put_release(database, row)
            trail.append_release(
                database,
                decision.grant,
                release_id=release_id,
                versions=decision.versions,
                entry=decision.report.entry,
            )
        self._note_release(asked, decision.grant.assurance, is_insecure=decision.grant.is_insecure)
        return decision.envelope

    def _check_issued(self, asked: ReleaseAsked, issued: Issued) -> None:
        data = asked.data
        pairs = (
            ("execution_id", data.execution.execution_id, issued.execution_id),
            ("workflow_id", data.execution.workflow_id, issued.workflow_id),
            ("owner", data.execution.owner, issued.owner),
            ("exp", str(data.challenge.exp_s), str(issued.exp_s)),
        )
        for name, got, wanted in pairs:
            if got != wanted:
                raise EvidenceRejected(BINDING, f"challenge {name}", got=got, wanted=wanted)
        if not is_same(data.challenge.vault_key_id, self._key_id):
            got, wanted = data.challenge.vault_key_id.hex(), self._key_id.hex()
            raise EvidenceRejected(BINDING, "challenge vault_key_id", got=got, wanted=wanted)
        if data.execution.attempt != issued.attempt:
            got, wanted = str(data.execution.attempt), str(issued.attempt)
            raise EvidenceRejected(BINDING, "challenge attempt", got=got, wanted=wanted)

    def _check_attempt(self, execution_id: str, attempt: int) -> None:
        if attempt > self._rules.attempts_max:
            got = f"{attempt - 1} releases of {execution_id}"
            wanted = f"fewer than attempts_max, which is {self._rules.attempts_max}"
            raise EvidenceRejected(ALREADY_RELEASED, "attempts", got=got, wanted=wanted)

    def _note_release(self, asked: ReleaseAsked, assurance: str, *, is_insecure: bool) -> None:
        data = asked.data
        extra = {
            "execution_id": data.execution.execution_id,
            "workflow_id": data.execution.workflow_id,
            "attempt": data.execution.attempt,
            "kind": data.kind,
            "assurance": assurance,
            "secrets": ", ".join("/".join(name) for name in data.secrets),
        }
        if not is_insecure:
            self._log.info("released to an attested execution", extra=extra)
            return
        with self._counting:
            self.insecure_releases += 1
            total = self.insecure_releases
        self._log.warning(
            "INSECURE SIMULATION: released to a simulated enclave", extra=extra | {INSECURE_METRIC: total}
        )

    def _note_refusal(self, trail: Trail, refusal: EvidenceRejected) -> None:
        self._log.warning("refused a release: %s: %s", refusal.code, refusal)
        try:
            trail.append_refusal(refusal)
        except StrongroomError as error:
            # It stays refused; what cannot be written there is said here.
            self._log.error("a refusal is missing in the audit records: %s", error)


def _already(execution_id: str, attempt: int) -> EvidenceRejected:
    got = f"attempt {attempt} of {execution_id}, which had another release"
    return EvidenceRejected(ALREADY_RELEASED, "attempt", got=got, wanted="a new attempt")
