"""What an audit log is found to be when its host starts: the file that grows beside the head that the database keeps.

The file is synced before the head follows, so after a crash the file may be ahead of the head, by a little, and is
never behind it. Files that grow no more are read by ``verify`` only, but for the last line of the newest.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from strongroom.audit.append_file import AppendFile
from strongroom.audit.log_chain import Head, LogKeys, LogName, parse_line
from strongroom.audit.log_place import LogPlace
from strongroom.audit.record import RECORD_BYTES_MAX
from strongroom.audit.walk import Break, Walk
from strongroom.errors import KeyMissing, Tampered

__all__ = ["AHEAD_MAX", "LINE_BYTES_MAX", "Found", "compare", "find"]

AHEAD_MAX: Final = 4096
"""Records by which a file may be ahead of its head. The host writes no more until the head has followed."""
LINE_BYTES_MAX: Final = RECORD_BYTES_MAX + 128
"""A record with its link."""


@dataclass(slots=True)
class Found:
    """A log as it was found. ``number`` and ``link`` are those of its last record."""

    number: int
    link: bytes
    count: int
    key_version: int = 0
    """The key version of the last record of the growing file; 0 when that is empty."""
    ahead: int = 0
    """Records that the head did not know of."""
    torn_bytes: int = 0
    """What a crash had left of a line."""
    breaks: list[Break] = field(default_factory=list)


def find(
    file: AppendFile, place: LogPlace, name: LogName, keys: LogKeys, read_head: Callable[[], Head | None]
) -> Found:
    """The log, repaired where a crash cut a line off, and every break that is seen at a start."""
    torn = _repair(file, place)
    walk = Walk(keys, name)
    before = place.before()
    if before and file.size:
        _go_behind(walk, _last_line(before[-1].read_bytes()[-2 * LINE_BYTES_MAX :]))
    lines = file.read().split(b"\n")[:-1] if file.size else []
    if before and not file.size:
        lines = before[-1].read_bytes().split(b"\n")[:-1]
        _go_behind_first(walk, lines)
    walk.follow(lines)
    walk.end()
    last = parse_line(lines[-1]) if lines and file.size else None
    found = Found(walk.number, walk.link, walk.count, last.key_version if last is not None else 0, torn_bytes=torn)
    # What an earlier start has named is no news.
    found.breaks = [each for each in walk.breaks if not each.named]
    try:
        head = read_head()
    except (Tampered, KeyMissing, ValueError, KeyError, TypeError):
        found.breaks.append(Break(walk.number + 1, "head altered", "the sealed head of the log cannot be opened"))
        return found
    if head is None:
        if lines:
            found.breaks.append(Break(walk.number + 1, "head removed", "the database has no head of this log"))
        return found
    found.count = head.count
    newest = (parse_line(raw) for raw in lines[-AHEAD_MAX - 1 :])
    compared = compare(walk.number, head, {each.number: each.link for each in newest if each is not None})
    if compared is not None:
        found.breaks.append(compared)
        found.number = max(found.number, head.number)
    else:
        found.ahead = walk.number - head.number
        found.count += found.ahead
    return found


def compare(last: int, head: Head, links: dict[int, bytes]) -> Break | None:
    """What is wrong with a file whose last record is ``last``, beside its ``head``.

    ``links`` are those of its last records; one that is further behind than they reach is not looked at.
    """
    if head.number > last:
        if last == 0:
            return Break(1, "file removed", f"the head knows of {head.number} records, and the file of none")
        return Break(last + 1, "tail cut", f"the file ends at record {last}, the head is at {head.number}")
    if head.closed and head.number < last:
        return Break(head.number + 1, "head replaced", "the head is of a host that closed its log before this record")
    if last - head.number > AHEAD_MAX:
        return Break(head.number + 1, "head replaced", f"the head is {last - head.number} records behind the file")
    known = links.get(head.number)
    if known is not None and known != head.link:
        return Break(head.number, "altered", "the head has another link for it")
    return None


def _repair(file: AppendFile, place: LogPlace) -> int:
    """Move what stands behind the last end of a line out of the file; how many bytes."""
    if not file.size:
        return 0
    end = file.read().rfind(b"\n") + 1
    if end == file.size:
        return 0
    tail = file.shorten(end)
    # Appended, so that one repair does not take away what another one left.
    with place.torn.open("ab") as torn:
        torn.write(tail + b"\n")
    return len(tail)


def _last_line(tail: bytes) -> bytes:
    return tail.removesuffix(b"\n").rsplit(b"\n", 1)[-1]


def _go_behind(walk: Walk, raw: bytes) -> None:
    """Begin behind the last line of the file before, whose own chain is not looked at now."""
    line = parse_line(raw)
    if line is not None:
        walk.number, walk.link = line.number, line.link


def _go_behind_first(walk: Walk, lines: list[bytes]) -> None:
    """Begin behind the first line of a file whose predecessor is not read."""
    _go_behind(walk, lines.pop(0) if lines else b"")
