"""Giving up for good what nobody can open: rows that a log carries along, and entries whose values stay closed.

They keep the key version in use that they name, so `keys retire` would be refused for ever. Rule 1: nothing goes that a
person has not seen; the list has a digest, and what is discarded is that list or nothing. Rule 2: what only lacks a key
which is not here now may be opened by it some day, so it goes only when that is asked for as well.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Final

from strongroom.crypto.framing import length_prefixed
from strongroom.engine.workspace_rows import place_text
from strongroom.errors import Conflict, WrongState
from strongroom.telemetry import logs
from strongroom.workspace.mount.mounts import OpenMount
from strongroom.workspace.persistence.sealed_log import CarriedRow

__all__ = ["ClosedEntry", "Discardable", "discard", "discardable"]

ORIGIN: Final = "discard"
"""Of the deletions, which reach every other device of the workspace."""
log = logs.get("workspace.upkeep")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedEntry:
    """An entry that cannot be opened. ``lacks_key`` says that its key version is not held now."""

    array: str
    key: str = field(repr=False)
    time_ms: int
    key_version: int
    reason: str
    lacks_key: bool

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return place_text(self.array, self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Discardable:
    """What would go, and the digest of exactly that."""

    rows: tuple[CarriedRow, ...]
    entries: tuple[ClosedEntry, ...]

    @property
    def listing(self) -> str:
        """The digest. It changes with everything that is in the list."""
        digest = hashlib.sha256()
        for row in self.rows:
            digest.update(length_prefixed("row", str(row.id), str(row.size), row.reason))
        for entry in self.entries:
            digest.update(length_prefixed("entry", entry.array, entry.key, str(entry.time_ms), entry.reason))
        return digest.hexdigest()


def discardable(opened: OpenMount, *, rows: bool, entries: bool) -> Discardable:
    """What of an open mount cannot be opened, whatever the reason. Plaintext is none of it: that can be adopted."""
    return Discardable(rows=opened.log.closed_rows() if rows else (), entries=tuple(_closed(opened)) if entries else ())


def discard(opened: OpenMount, *, rows: bool, entries: bool, even_unheld: bool, listing: str) -> Discardable:
    """Discard the list whose digest is ``listing``; on disk, and out of the log, when this returns.

    Raises ``WrongState`` where something only lacks a key, ``Conflict`` when the list is another one by now; nothing is
    changed then.
    """
    workspace = opened.workspace
    with workspace.document.transaction(ORIGIN):
        found = discardable(opened, rows=rows, entries=entries)
        if found.listing != listing:
            raise Conflict(
                "SR-WS-120",
                "what would be discarded is not what was listed",
                why="a key came or went, or somebody wrote meanwhile",
                fix="list it again with --dry-run; nothing was changed",
                mount=opened.name,
            )
        if not even_unheld:
            _refuse_unheld(found)
        for array, closed in groupby(found.entries, key=attrgetter("array")):
            workspace.store(array).bulk_delete([entry.key for entry in closed])
    opened.flush()
    if found.rows or found.entries:
        opened.log.discard([row.id for row in found.rows])
        facts = {"mount": opened.name, "rows": len(found.rows), "entries": len(found.entries)}
        log.warning("what nobody can open was discarded", extra=facts)
    return found


def _closed(opened: OpenMount) -> list[ClosedEntry]:
    workspace, held = opened.workspace, opened.keys()
    with workspace.document.lock:
        return [
            ClosedEntry(
                array=each.array,
                key=each.key,
                time_ms=entry.ts,
                key_version=each.key_version,
                reason=each.reason,
                lacks_key=each.key_version not in held,
            )
            for each in workspace.unreadable()
            if each.key_version is not None and (entry := workspace.raw_store(each.array).entry(each.key)) is not None
        ]


def _refuse_unheld(found: Discardable) -> None:
    closed: Collection[CarriedRow | ClosedEntry] = [*found.rows, *found.entries]
    lacking = [each.key_version for each in closed if each.lacks_key]
    if lacking:
        versions = ", ".join(str(version) for version in sorted(set(lacking)))
        raise WrongState(
            "SR-WS-121",
            f"{len(lacking)} of what would be discarded only lack a key that is not here now",
            why=f"key version {versions} may open them",
            fix="bring that version back; or give them up too with --even-unheld",
            blobs=len(lacking),
        )
