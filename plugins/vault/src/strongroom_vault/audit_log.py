"""The audit records of a vault: what it released, repeated, refused and took in, as a chain in its own file.

A record is deterministic CBOR, and holds names, digests and reasons, never a value. It is written in the transaction
of what it is about, so neither is there without the other.
Source: contracts/attestation.md 14.1 step 4.6.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from strongroom.attest import cbor
from strongroom.audit.chain import GENESIS, ChainEnd, ChainLink, link_digest, verify_chain
from strongroom_vault.limits import AUDIT_RECORDS_MAX
from strongroom_vault.state import open_read_only

__all__ = ["append_audit", "read_audit", "verify_audit"]

PROFILE: Final = "strongroom/audit/v1"
_BEGIN: Final = "audit_begin"
"""Where the kept part of the chain begins: number and digest of the newest record that was dropped."""


def append_audit(database: sqlite3.Connection, event: str, at_s: int, fields: Mapping[str, Any]) -> None:
    """Add a record of ``event`` at ``at_s`` (Unix seconds). Any: texts, whole numbers, bytes and lists of them."""
    row = database.execute("SELECT number, digest FROM audit ORDER BY number DESC LIMIT 1").fetchone()
    number, digest = row if row is not None else _beginning(database)
    record = cbor.canonical({"profile": PROFILE, "event": event, "at": at_s, **fields})
    number += 1
    database.execute("INSERT INTO audit VALUES (?, ?, ?)", (number, record, link_digest(digest, number, record)))
    _drop_oldest(database)


def verify_audit(path: Path) -> ChainEnd:
    """The end of the chain in the state file ``path``. Raises ``ChainBreak`` and ``Misconfigured``."""
    database = open_read_only(path)
    try:
        number, digest = _beginning(database)
        return verify_chain(_links(database), number=number, digest=digest)
    finally:
        database.close()


def read_audit(database: sqlite3.Connection) -> list[dict[str, Any]]:
    """Every kept record, the oldest first. Any: see ``append_audit``."""
    return [cbor.decode_canonical("audit record", link.record) for link in _links(database)]


def _links(database: sqlite3.Connection) -> Iterator[ChainLink]:
    for number, record, digest in database.execute("SELECT number, record, digest FROM audit ORDER BY number"):
        yield ChainLink(number, bytes(record), bytes(digest))


def _beginning(database: sqlite3.Connection) -> tuple[int, bytes]:
    row = database.execute("SELECT value FROM meta WHERE name = ?", (_BEGIN,)).fetchone()
    return (int.from_bytes(row[0][:8], "big"), bytes(row[0][8:])) if row is not None else (0, GENESIS)


def _drop_oldest(database: sqlite3.Connection) -> None:
    """Keep the newest records, and where the chain of them begins."""
    (first,), (last,) = (database.execute(f"SELECT {edge}(number) FROM audit").fetchone() for edge in ("min", "max"))  # noqa: S608 - two constants
    if last - first < AUDIT_RECORDS_MAX:
        return
    dropped = last - AUDIT_RECORDS_MAX
    (digest,) = database.execute("SELECT digest FROM audit WHERE number = ?", (dropped,)).fetchone()
    database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_BEGIN, dropped.to_bytes(8, "big") + digest))
    database.execute("DELETE FROM audit WHERE number <= ?", (dropped,))
