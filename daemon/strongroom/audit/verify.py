"""Reads a whole audit log and says whether it holds: every file, the end that the host knows, and the sealed head."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from strongroom.audit.audit_log import Snapshot
from strongroom.audit.log_chain import Head, LogKeys, LogName
from strongroom.audit.log_start import LINE_BYTES_MAX
from strongroom.audit.walk import Break, Walk
from strongroom.errors import KeyMissing, Tampered

__all__ = ["Report", "verify"]

PROGRESS_EVERY: Final = 20_000
"""Records between two words about how it goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found. ``breaks`` are in the order of the file, at most a hundred of ``breaks_seen``; at
    ``restores`` the state was restored from a backup."""

    records: int
    files: int
    number: int
    unchecked: int
    breaks: tuple[Break, ...]
    breaks_seen: int
    restores: tuple[int, ...]


def verify(
    snapshot: Snapshot,
    name: LogName,
    keys: LogKeys,
    read_head: Callable[[], Head | None],
    on_progress: Callable[[int], None] = lambda _records: None,
) -> Report:
    """The log as it was when ``snapshot`` was made. ``on_progress`` may raise to end it."""
    walk = Walk(keys, name)
    number = 0
    for path in snapshot.before:
        with path.open("rb") as file:
            number += _read(walk, file, None, on_progress, number)
    if snapshot.file is not None:
        with snapshot.file as file:
            number += _read(walk, file, snapshot.size, on_progress, number)
    walk.end()
    if walk.number < snapshot.number:
        kind, why = ("file removed", "not one record is left") if not walk.count else ("tail cut", _cut(walk, snapshot))
        walk.found(walk.number + 1, kind, why)  # type: ignore[arg-type]  # two of the kinds
    elif snapshot.link is not None and walk.link != snapshot.link and not walk.breaks:
        walk.found(walk.number, "altered", "the host knows another link for it")
    _look_at_head(walk, snapshot, read_head)
    return Report(
        records=walk.count,
        files=len(snapshot.before) + (snapshot.file is not None),
        number=walk.number,
        unchecked=walk.unchecked,
        breaks=tuple(walk.breaks),
        breaks_seen=walk.breaks_seen,
        restores=tuple(walk.restores),
    )


def _cut(walk: Walk, snapshot: Snapshot) -> str:
    return f"the files end at record {walk.number}, the host wrote {snapshot.number}"


def _look_at_head(walk: Walk, snapshot: Snapshot, read_head: Callable[[], Head | None]) -> None:
    behind = walk.number + 1
    try:
        head = read_head()
    except (Tampered, KeyMissing, ValueError, KeyError, TypeError):
        walk.found(behind, "head altered", "the sealed head of the log cannot be opened")
        return
    if head is None:
        walk.found(behind, "head removed", "the database has no head of this log")
    elif snapshot.committed is not None and head.number < snapshot.committed.number:
        why = f"the database has one of record {head.number}, the host stored one of {snapshot.committed.number}"
        walk.found(head.number + 1, "head replaced", why)


def _read(walk: Walk, file: BinaryIO, size: int | None, on_progress: Callable[[int], None], before: int) -> int:
    digest = hashlib.sha256()
    number = 0
    for raw in _lines(file, size):
        digest.update(raw)
        walk.line(raw.removesuffix(b"\n"))
        number += 1
        if (before + number) % PROGRESS_EVERY == 0:
            on_progress(before + number)
    walk.digest_before = digest.hexdigest()
    return number


def _lines(file: BinaryIO, size: int | None) -> Iterator[bytes]:
    """Lines with their ends. What is longer than any of ours comes in pieces, each of which is none of ours."""
    left = size
    while left is None or left > 0:
        raw = file.readline(LINE_BYTES_MAX * 2 if left is None else min(LINE_BYTES_MAX * 2, left))
        if not raw:
            return
        if left is not None:
            left -= len(raw)
        yield raw
