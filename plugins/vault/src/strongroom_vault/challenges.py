"""Nonces: each for one attempt of one execution, good once, until both clocks say that its time is over.

Rule 1: ``unused`` is the only state from which a nonce can be used, and no clock leads back to it.
Rule 2: a nonce dies with the process that gave it out: the time since boot means nothing to another one.
Source: contracts/attestation.md 14.1 and 19.
"""

import secrets
import sqlite3
from dataclasses import dataclass
from typing import Final

from strongroom.attest.codes import NONCE_EXPIRED, NONCE_UNKNOWN, NONCE_USED
from strongroom.plugin import EvidenceRejected, LimitExceeded
from strongroom_vault.clock import Clock
from strongroom_vault.limits import CHALLENGES_KEPT_S, CHALLENGES_OPEN_MAX, CHALLENGES_PER_ATTEMPT_MAX
from strongroom_vault.state import State

__all__ = ["ChallengeBook", "Issued"]

NONCE_BYTES: Final = 32
SESSION_BYTES: Final = 16
_CHECK: Final = "challenge nonce"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A challenge as it was given out: for whom, for which attempt, and until when (Unix seconds)."""

    nonce: bytes
    execution_id: str
    workflow_id: str
    owner: str
    attempt: int
    exp_s: int


class ChallengeBook:
    """The nonces of this vault."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._session = secrets.token_bytes(SESSION_BYTES)

    def issue(
        self, database: sqlite3.Connection, *, execution_id: str, workflow_id: str, owner: str, attempt: int, ttl_s: int
    ) -> Issued:
        """A fresh nonce. Raises ``LimitExceeded`` when this attempt, or the vault as a whole, has too many."""
        now_s, boot_s = self._clock.now_s(), self._clock.boot_s()
        self._tidy(database, now_s, boot_s)
        self._check_count(database, execution_id, attempt)
        found = Issued(
            nonce=secrets.token_bytes(NONCE_BYTES),
            execution_id=execution_id,
            workflow_id=workflow_id,
            owner=owner,
            attempt=attempt,
            exp_s=now_s + ttl_s,
        )
        row = (found.nonce, "unused", execution_id, workflow_id, owner, attempt, now_s, found.exp_s)
        statement = "INSERT INTO challenges VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        database.execute(statement, (*row, self._session, boot_s + ttl_s))
        return found

    def consume(self, nonce: bytes) -> Issued:
        """The challenge of ``nonce``, which is used from now on, whatever becomes of the release.

        Raises ``EvidenceRejected`` for a nonce that is unknown, used or expired.
        """
        now_s, boot_s = self._clock.now_s(), self._clock.boot_s()
        wanted = "a challenge of this vault that nobody answered yet"
        with self._state.transaction() as database:
            row = database.execute(_SELECT, (nonce,)).fetchone()
            if row is None:
                raise EvidenceRejected(NONCE_UNKNOWN, _CHECK, got=nonce.hex(), wanted=wanted)
            state, session, end_boot_s, *fields = row
            found = Issued(nonce=nonce, **dict(zip(_FIELDS, fields, strict=True)))
            is_over = session != self._session or boot_s > end_boot_s or now_s > found.exp_s
            after = "expired" if is_over and state == "unused" else "used"
            if state == "unused":
                database.execute("UPDATE challenges SET state = ? WHERE nonce = ?", (after, nonce))
        if state == "used":
            raise EvidenceRejected(NONCE_USED, _CHECK, got=nonce.hex(), wanted=wanted)
        if state == "expired" or is_over:
            got = "one of before the vault was started" if session != self._session else "one whose time is over"
            raise EvidenceRejected(NONCE_EXPIRED, _CHECK, got=got, wanted=f"an answer before {found.exp_s}")
        return found

    def _tidy(self, database: sqlite3.Connection, now_s: int, boot_s: float) -> None:
        """Note which are over by now, so that no clock revives them, and forget those that nobody asks for."""
        over = "state = 'unused' AND (exp_s < ? OR session <> ? OR end_boot_s < ?)"
        database.execute(f"UPDATE challenges SET state = 'expired' WHERE {over}", (now_s, self._session, boot_s))  # noqa: S608 - a constant
        database.execute("DELETE FROM challenges WHERE issued_s < ?", (now_s - CHALLENGES_KEPT_S,))

    def _check_count(self, database: sqlite3.Connection, execution_id: str, attempt: int) -> None:
        # One whose time is over was lost with a host or a vault that was killed: that must not use an execution up.
        of_attempt = "SELECT count(*) FROM challenges WHERE execution_id = ? AND attempt = ? AND state <> 'expired'"
        (count,) = database.execute(of_attempt, (execution_id, attempt)).fetchone()
        if count >= CHALLENGES_PER_ATTEMPT_MAX:
            raise LimitExceeded(
                "SR-VAULT-007",
                f"attempt {attempt} of execution {execution_id} had {count} challenges",
                why=f"{CHALLENGES_PER_ATTEMPT_MAX} is the limit, and none of them led to a release",
                fix="look in the audit records of the vault for why; try again when these are over, or start anew",
                size=count,
                limit=CHALLENGES_PER_ATTEMPT_MAX,
            )
        (open_count,) = database.execute("SELECT count(*) FROM challenges WHERE state = 'unused'").fetchone()
        if open_count >= CHALLENGES_OPEN_MAX:
            raise LimitExceeded(
                "SR-VAULT-008",
                f"{open_count} challenges wait for an answer",
                why=f"{CHALLENGES_OPEN_MAX} is the limit",
                fix="try again in a minute; find out who asks and does not answer",
                size=open_count,
                limit=CHALLENGES_OPEN_MAX,
            )


_FIELDS: Final = ("execution_id", "workflow_id", "owner", "attempt", "exp_s")
_SELECT: Final = (
    "SELECT state, session, end_boot_s, execution_id, workflow_id, owner, attempt, exp_s"
    " FROM challenges WHERE nonce = ?"
)
