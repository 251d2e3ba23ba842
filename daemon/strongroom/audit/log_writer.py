"""Writes records of an audit log: numbers them, links them, and begins a new file when that is due.

Rule 1: number and link move on only after the file is synced, so a failed write leaves no trace in the chain.
Rule 2: a file holds records of one key version, and its first record carries the digest of the file before: once a
version is retired, the digest vouches for what nobody can check by its links any more.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from strongroom.audit.append_file import AppendFile, Disk
from strongroom.audit.log_chain import BREAK, FILE, Head, LogKeys, LogName, line_of, link_of
from strongroom.audit.log_place import LogPlace, sync_names
from strongroom.audit.log_start import Found, find
from strongroom.audit.record import HOST, Record, encode
from strongroom.audit.walk import Break

__all__ = ["LogWriter", "Written"]


@dataclass(frozen=True, slots=True)
class Written:
    """A record that is on the disk, and its line without the end."""

    number: int
    line: bytes


class LogWriter:
    """The growing end of one log. For one thread, but for ``number`` and ``link`` once nobody writes."""

    def __init__(
        self,
        place: LogPlace,
        name: LogName,
        keys: LogKeys,
        *,
        file_bytes_max: int,
        mode: int,
        disk: Disk,
        clock_ms: Callable[[], int],
    ) -> None:
        self.place = place
        self._name = name
        self._keys = keys
        self._file_bytes_max = file_bytes_max
        self._mode = mode
        self._disk = disk
        self._clock_ms = clock_ms
        self._file: AppendFile | None = None
        self._version = 0
        self._first: Record | None = None
        self._digest_before = ("", "")
        self.number = 0
        self.link = name.genesis
        self.count = 0

    def open(self, read_head: Callable[[], Head | None]) -> Found:
        """Open the file and look at it. Raises ``Misconfigured``, and ``OSError`` for a file that cannot be read."""
        self._file = self._opened()
        found = find(self._file, self.place, self._name, self._keys, read_head)
        self.number, self.link, self.count = found.number, found.link, found.count
        self._version = found.key_version
        before = self.place.before()
        if before and not self._file.size:
            self._digest_before = before[-1].name, _digest_of(before[-1])
        if found.breaks:
            # The last: what is wrong inside of the files shows there for as long as they stand, a lost end only now.
            self._name_break(found.breaks[-1], len(found.breaks))
        return found

    def write(self, records: Sequence[Record]) -> list[Written]:
        """Append ``records`` and sync. Raises ``OSError`` or ``StrongroomError``; nothing of them is written then."""
        version = self._keys.writing_version
        file = self._ready(version)
        number, link, now_ms = self.number, self.link, self._clock_ms()
        if self._first is not None:
            link = self._name.after_break
        elif not file.size:
            named, digest = self._digest_before
            facts: dict[str, str | int] = {"before": named, "sha256": digest}
            records = [Record(action=FILE, subject=self.place.path.name, facts=facts), *records]
        if self._first is not None:
            records = [self._first, *records]
        written = []
        for record in records:
            number += 1
            caller = record.caller or HOST
            raw = encode(replace(record, number=number, time_ms=now_ms, host=self._name.host, caller=caller))
            link = link_of(self._keys, version, link, number, raw)
            written.append(Written(number, line_of(raw, version, link)))
        file.append(b"".join(each.line for each in written))
        self.number, self.link, self.count = number, link, self.count + len(written)
        self._version, self._first = version, None
        return [Written(each.number, each.line[:-1]) for each in written]

    def begin_anew(self) -> Break:
        """Leave a file that somebody moved, replaced or cut since the last write to whoever verifies; what follows
        stands in a new one, which begins with that break. Raises ``OSError``; the file is then as before."""
        path = self.place.path
        if os.path.lexists(path):
            path.rename(self.place.next_before())
            sync_names(path.parent)
        self.close()
        found = Break(
            self.number + 1, "file removed", "the file before was moved, replaced or cut while it was written"
        )
        self._name_break(found, 1)
        return found

    def cut_back(self) -> None:
        """Take out of the file what a failed write has left in it, as far as the disk lets it."""
        if self._file is not None:
            self._file.cut_back()

    @property
    def size(self) -> int:
        """Bytes of the growing file that are synced."""
        return self._file.size if self._file is not None else 0

    def is_in_place(self) -> bool:
        """Whether the growing file is where it should be."""
        return self._file is None or self._file.is_in_place()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _name_break(self, found: Break, breaks: int) -> None:
        """The next record says what was found."""
        facts = {"kind": found.kind, "at": found.number, "why": found.why, "breaks": breaks}
        self._first = Record(action=BREAK, subject=self.place.path.name, outcome="found", facts=facts)

    def _ready(self, version: int) -> AppendFile:
        """The file to append to: another one when this one is full, of another key version, or broken."""
        file = self._file or self._opened()
        self._file = file
        file.cut_back()
        is_full = file.size >= self._file_bytes_max
        if file.size and (is_full or self._first is not None or self._version not in {0, version}):
            file = self._rotated(file)
        return file

    def _rotated(self, file: AppendFile) -> AppendFile:
        name = self.place.next_before()
        self.place.path.rename(name)
        sync_names(name.parent)
        self._digest_before = name.name, file.digest.hexdigest()
        file.close()
        self._file = None
        self._file = self._opened()
        return self._file

    def _opened(self) -> AppendFile:
        return AppendFile(self.place.path, mode=self._mode, disk=self._disk)


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
