"""What was released: one row for each attempt of an execution, and for a while the envelope, to answer a repeat with.

An envelope is ciphertext, and the key to it died with its runner. The row stays: it is how attempts are counted.
Source: contracts/attestation.md 14.1 step 4.2 and 19.
"""

import sqlite3
from dataclasses import dataclass

from strongroom.attest.release import Signed
from strongroom_vault.limits import ENVELOPES_KEPT_S, RELEASES_KEPT_S

__all__ = ["Released", "count_attempts", "find_release", "put_release", "release_of_attempt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """A release. ``envelope`` is None once it is no longer kept."""

    execution_id: str
    attempt: int
    runtime_data_sha256: bytes
    release_id: bytes
    released_s: int
    envelope: Signed | None


def find_release(database: sqlite3.Connection, runtime_data_sha256: bytes) -> Released | None:
    """The release for exactly these runtime data."""
    row = database.execute("SELECT * FROM releases WHERE runtime_data_sha256 = ?", (runtime_data_sha256,)).fetchone()
    return _released(row) if row is not None else None


def release_of_attempt(database: sqlite3.Connection, execution_id: str, attempt: int) -> Released | None:
    """The release of this attempt."""
    statement = "SELECT * FROM releases WHERE execution_id = ? AND attempt = ?"
    row = database.execute(statement, (execution_id, attempt)).fetchone()
    return _released(row) if row is not None else None


def count_attempts(database: sqlite3.Connection, execution_id: str) -> int:
    """How many attempts had a release."""
    statement = "SELECT count(*) FROM releases WHERE execution_id = ?"
    return int(database.execute(statement, (execution_id,)).fetchone()[0])


def put_release(database: sqlite3.Connection, found: Released) -> None:
    """Record it, and forget what is no longer needed. Raises ``sqlite3.IntegrityError`` for a second one of its
    attempt."""
    database.execute(
        "UPDATE releases SET body = NULL, signature = NULL WHERE released_s < ? AND body IS NOT NULL",
        (found.released_s - ENVELOPES_KEPT_S,),
    )
    database.execute("DELETE FROM releases WHERE released_s < ?", (found.released_s - RELEASES_KEPT_S,))
    envelope = (found.envelope.body, found.envelope.signature) if found.envelope is not None else (None, None)
    row = (found.execution_id, found.attempt, found.runtime_data_sha256, found.release_id, found.released_s)
    database.execute("INSERT INTO releases VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, *envelope))


def _released(row: tuple[str, int, bytes, bytes, int, bytes | None, bytes | None]) -> Released:
    execution_id, attempt, runtime_data_sha256, release_id, released_s, body, signature = row
    return Released(
        execution_id=execution_id,
        attempt=attempt,
        runtime_data_sha256=bytes(runtime_data_sha256),
        release_id=bytes(release_id),
        released_s=released_s,
        envelope=Signed(bytes(body), bytes(signature)) if body is not None and signature is not None else None,
    )
