"""Follows an audit log line by line, and says of each place that does not hold what was done there.

A line holds when its link is the one of it and of the line before. Where one does not, the walk goes on from the link
that stands in the file, so that one change is told as one, and what stands behind it is still checked.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, Literal, get_args

from strongroom.audit.log_chain import BREAK, FILE, RESTORE, Line, LogKeys, LogName, link_of, parse_line
from strongroom.audit.record import decode
from strongroom.errors import KeyMissing

__all__ = ["Break", "BreakKind", "Walk"]

BreakKind = Literal[
    "altered",
    "inserted",
    "removed",
    "reordered",
    "tail cut",
    "file removed",
    "head removed",
    "head altered",
    "head replaced",
    "wrong key",
    "another host",
]
BREAKS_MAX: Final = 100
"""Breaks that are told one by one; a file that somebody wrote anew has one at each line."""
PENDING_MAX: Final = 10_000
"""Lines in a row that do not hold and are kept by their number, to tell what was done to them."""
NOT_THE_FILE: Final = "its file is not the one that the next file vouches for"


@dataclass(frozen=True, slots=True)
class Break:
    """A place where the log does not hold. ``number`` is the first record that is not what, or where, it was."""

    number: int
    kind: BreakKind
    why: str
    named: bool = False
    """Whether a start of the host found it before, and a record names it."""

    def __str__(self) -> str:
        """One line for people."""
        return f"record {self.number}: {self.kind}, {self.why}"


@dataclass(slots=True)
class Walk:
    """``number`` and ``link`` are those of the last record that holds, or is taken to."""

    keys: LogKeys
    name: LogName
    number: int = 0
    link: bytes = b""
    count: int = 0
    unchecked: int = 0
    """Records under a key that this host has not any more, which a later digest of their file vouches for."""
    breaks: list[Break] = field(default_factory=list)
    breaks_seen: int = 0
    restores: list[int] = field(default_factory=list)
    """Records at which the state was restored from a backup; the first hundred."""
    digest_before: str = ""
    """SHA-256 of the file before, in hex, for the first record of the next one."""
    _pending: list[int] = field(default_factory=list)
    _hosts: set[str] = field(default_factory=set)
    _last: Line | None = None
    _no_key_since: int = 0
    _gone: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.link = self.link or self.name.genesis

    def follow(self, lines: Iterable[bytes]) -> None:
        """Read the lines of one file, without their ends, up to the place where it ends."""
        for raw in lines:
            self.line(raw)

    def line(self, raw: bytes) -> None:
        """Read one more line."""
        line = parse_line(raw)
        self.count += 1
        if line is None:
            self._set_aside(self.number + 1 + len(self._pending), None)
        elif self._holds(line, self.number + 1, self.link):
            self._goes_on(line)
        elif line.is_of(BREAK) and self._holds(line, line.number, self.name.after_break):
            self._after_break(line)
        elif self._lacks_key(line):
            self._unread(line)
        elif self._last is not None and self._holds(line, self._last.number + 1, self._last.link):
            self._rejoin(line)
        else:
            self._set_aside(line.number, line)

    def end(self) -> None:
        """There are no more lines: what was set aside stays so."""
        if self._pending:
            kind, why = self._of_the_rest()
            self.found(self.number + 1, kind, why)
            if self._last is not None:
                self.number, self.link = max(self.number, self._last.number), self._last.link
            self._pending.clear()
        if self._no_key_since:
            self.found(self._no_key_since, "wrong key", "this host has no key for it, and no later file vouches for it")
            self._no_key_since = 0

    def found(self, number: int, kind: BreakKind, why: str, *, named: bool = False) -> None:
        """Note a break."""
        self.breaks_seen += 1
        if len(self.breaks) < BREAKS_MAX:
            self.breaks.append(Break(number, kind, why, named))

    def _holds(self, line: Line, number: int, previous: bytes) -> bool:
        try:
            return line.number == number and line.link == link_of(
                self.keys, line.key_version, previous, number, line.record
            )
        except KeyMissing:
            return False

    def _goes_on(self, line: Line) -> None:
        pending, self._pending = self._pending, []
        behind = self._last if pending else None
        if pending and behind is not None and self._holds(behind, line.number + 1, line.link):
            self.found(line.number, "reordered", f"it stands behind record {behind.number}")
            self._take(behind)
            return
        if pending and not self._were_gone(pending):
            self.found(line.number, "inserted", f"{_lines(len(pending))} before it were never written by this host")
        if line.is_of(FILE):
            self._check_file_before(line)
        self._take(line)

    def _check_file_before(self, line: Line) -> None:
        if not self._no_key_since:
            return
        if not self._vouches(line):
            self.found(self._no_key_since, "altered", NOT_THE_FILE)
        self._no_key_since = 0

    def _vouches(self, line: Line) -> bool:
        record = decode(line.record)
        return record is not None and bool(self.digest_before) and record.facts.get("sha256") == self.digest_before

    def _lacks_key(self, line: Line) -> bool:
        try:
            self.keys.mac(line.key_version, b"")
        except KeyMissing:
            return True
        return False

    def _unread(self, line: Line) -> None:
        """A record of a key that was retired: its number must follow; what it says, only its file's digest tells."""
        if line.is_of(BREAK):
            # Nothing vouches for what stands before a break, and that there was one stays told.
            self._after_break(line)
            self._no_key_since, self.unchecked = line.number, self.unchecked + 1
            return
        if line.number != self.number + 1:
            self._missing(line.number)
        elif line.is_of(FILE) and self._no_key_since and not self._vouches(line):
            # What this one says is vouched for by the next file.
            self.found(self._no_key_since, "altered", NOT_THE_FILE)
        self._no_key_since = self._no_key_since or line.number
        self.unchecked += 1
        self._take(line)

    def _after_break(self, line: Line) -> None:
        """The chain goes on by itself; what it went on from is named in the record, which is ours."""
        record = decode(line.record)
        facts = record.facts if record is not None else {}
        self.end()
        at = facts.get("at", line.number)
        first, missing = self.number + 1, line.number - self.number - 1
        if missing > 0 and at != first and not any(known.number == first for known in self.breaks):
            why = f"{_missing(missing)} before record {line.number}, which names a break"
            self.found(first, "removed", why, named=True)
        if not any(known.number == at for known in self.breaks):
            kind = str(facts.get("kind", "altered"))
            named: BreakKind = kind if kind in BREAK_KINDS else "altered"  # type: ignore[assignment]  # checked just here
            why = f"{facts.get('why', '')}; found by the host, and named by record {line.number}"
            self.found(int(at), named, why, named=True)
        self._take(line)

    def _rejoin(self, line: Line) -> None:
        """The lines before this one did not hold, this one follows the last of them: what is between was touched."""
        first, wanted = self.number + 1, set(range(self.number + 1, line.number))
        pending, self._pending = self._pending, []
        missing = wanted.difference(pending)
        record = decode(line.record)
        if record is not None and record.host != self.name.host and self.name.host not in self._hosts:
            self.found(first, "another host", f"it is of the log of host {record.host[:80]}")
        elif any(number not in wanted for number in pending):
            self.found(first, "reordered", f"the lines up to record {line.number - 1} are not in their order")
        elif missing:
            self._gone.update(dict.fromkeys(list(missing)[:PENDING_MAX], len(self.breaks)))
            self.found(min(missing), "removed", _missing(len(missing)))
        elif len(pending) > len(wanted):
            self.found(first, "inserted", f"there are more lines than records up to record {line.number - 1}")
        else:
            self.found(first, "altered", "its link is not that of it and of all before it")
        self._take(line)

    def _were_gone(self, pending: list[int]) -> bool:
        """Whether these lines were missed before: then they were moved, and that is what is told of the place."""
        places = {self._gone.get(number, len(self.breaks)) for number in pending}
        if any(place >= len(self.breaks) for place in places):
            return False
        for place in places:
            known = self.breaks[place]
            self.breaks[place] = replace(known, kind="reordered", why=f"it stands behind record {self.number}")
        return True

    def _missing(self, number: int) -> None:
        if number > self.number + 1:
            self.found(self.number + 1, "removed", f"{_lines(number - self.number - 1)} are missing")
        else:
            self.found(number, "reordered", f"it stands behind record {self.number}")

    def _set_aside(self, number: int, line: Line | None) -> None:
        if len(self._pending) < PENDING_MAX:
            self._pending.append(number)
            record = decode(line.record) if line is not None else None
            if record is not None:
                self._hosts.add(record.host)
        self._last = line

    def _of_the_rest(self) -> tuple[BreakKind, str]:
        first = self.number + 1
        number = len(self._pending)
        if self._hosts and self.name.host not in self._hosts and number > 1:
            return "another host", f"{_lines(number)} are of the log of host {min(self._hosts)[:80]}"
        if number == 1 and self._pending[0] > first:
            return "removed", f"the next line is record {self._pending[0]}"
        if number == 1 and self._pending[0] < first:
            return "inserted", f"it repeats the number {self._pending[0]}"
        if number > 1 and self.number == 0:
            return "wrong key", f"not one of {_lines(number)} was written under a key of this host"
        return "altered", "its link is not that of it and of all before it"

    def _take(self, line: Line) -> None:
        self.number, self.link, self._last = line.number, line.link, line
        self._hosts.clear()
        if line.is_of(RESTORE) and len(self.restores) < BREAKS_MAX:
            self.restores.append(line.number)


BREAK_KINDS: Final = frozenset(get_args(BreakKind))


def _lines(number: int) -> str:
    return "1 line" if number == 1 else f"{number} lines"


def _missing(number: int) -> str:
    return "1 line is missing" if number == 1 else f"{number} lines are missing"
