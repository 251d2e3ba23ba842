"""Numbers that only grow, the policy that was in force last, and the last counters of TPMs: what an older policy, or a
machine that went back, is noticed by.

Source: contracts/attestation.md 9.2 and 19.
"""

import sqlite3
from typing import Final

__all__ = [
    "EVIDENCE_KEPT_S",
    "POLICY_EPOCH_FLOOR",
    "RUNNER_SVN_FLOOR",
    "floor",
    "last_counts",
    "last_policy",
    "put_counts",
    "raise_floor",
    "remember_evidence",
    "remember_policy",
]

POLICY_EPOCH_FLOOR: Final = "policy_epoch"
RUNNER_SVN_FLOOR: Final = "min_runner_svn"
EVIDENCE_KEPT_S: Final = 600
"""A nonce lives for ten minutes at most, so no evidence is good for longer."""
_POLICY_SHA256: Final = "policy_sha256"
TPM_KEYS_MAX: Final = 10_000
"""Attestation keys that are remembered: more than a policy can name."""


def floor(database: sqlite3.Connection, name: str) -> int:
    """The highest value so far, 0 before the first."""
    row = database.execute("SELECT value FROM floors WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row is not None else 0


def raise_floor(database: sqlite3.Connection, name: str, value: int) -> None:
    """Remember ``value``, unless a higher one is known."""
    statement = "INSERT INTO floors VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)"
    database.execute(statement, (name, value))


def last_policy(database: sqlite3.Connection) -> bytes | None:
    """The SHA-256 of the policy with the highest epoch so far. None before the first, and in a store of a version that
    remembered only the number."""
    row = database.execute("SELECT value FROM meta WHERE name = ?", (_POLICY_SHA256,)).fetchone()
    return bytes(row[0]) if row is not None else None


def remember_policy(database: sqlite3.Connection, sha256: bytes) -> None:
    """Remember which policy the highest epoch means."""
    database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_POLICY_SHA256, sha256))


def last_counts(database: sqlite3.Connection, ak_name: bytes) -> tuple[int, int] | None:
    """Resets and restarts, seen last of the TPM with this key; None of a new one."""
    statement = "SELECT reset_count, restart_count FROM tpm_counts WHERE ak_name = ?"
    row = database.execute(statement, (ak_name,)).fetchone()
    return (int(row[0]), int(row[1])) if row is not None else None


def put_counts(database: sqlite3.Connection, ak_name: bytes, counts: tuple[int, int]) -> None:
    """Remember the counts, unless later ones are known: two releases may overtake each other."""
    known = last_counts(database, ak_name)
    if known is not None and known >= counts:
        return
    if known is None:
        excess = "SELECT count(*) FROM tpm_counts"
        if database.execute(excess).fetchone()[0] >= TPM_KEYS_MAX:
            return  # only enrolled keys get here, and a policy names 256 of them
    database.execute("INSERT OR REPLACE INTO tpm_counts VALUES (?, ?, ?)", (ak_name, *counts))


def remember_evidence(database: sqlite3.Connection, sha256: bytes, *, now_s: int) -> bool:
    """Remember this digest for ten minutes. False when it was there already."""
    database.execute("DELETE FROM evidence WHERE seen_s < ?", (now_s - EVIDENCE_KEPT_S,))
    return database.execute("INSERT OR IGNORE INTO evidence VALUES (?, ?)", (sha256, now_s)).rowcount == 1
