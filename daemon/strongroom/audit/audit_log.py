"""The audit log of a host: one thread that writes and syncs what many hand over, in groups, and lets the head follow.

Rule 1: a future resolves once its record is on the disk, and fails when it is not.
Rule 2: the file first, then the head; the head of a group joins a commit of the database, a few times a second.
Rule 3: a log that takes nothing is tried again every second, and says in its next record how many are missing.
"""

import errno
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from strongroom.audit.append_file import Disk
from strongroom.audit.head_follower import HEAD_EVERY_S, HeadFollower, Heads
from strongroom.audit.log_chain import Head
from strongroom.audit.log_start import Found
from strongroom.audit.log_writer import LogWriter, Written
from strongroom.audit.record import Record
from strongroom.audit.reserve import Reserve
from strongroom.errors import StorageFault, StrongroomError, Unavailable
from strongroom.telemetry import logs

__all__ = ["AuditLog", "Heads", "LogState", "Snapshot"]

GROUP_MAX: Final = 256
QUEUE_MAX: Final = 20_000
"""Records that wait for the disk; they are small, and behind them wait the calls that they tell of."""
CROWD: Final = 3
"""Records of one group from which on the next one is given time to gather, so that one sync is for more of them."""
LINGER_S: Final = 0.001
RETRY_S: Final = 1.0
RESERVE_EVERY_S: Final = 60.0
RECENT_MAX: Final = 1_000
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
log = logs.get("audit")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """How a log stands, for people and probes."""

    records: int
    failing: str
    failures: int
    problems: tuple[str, ...]


@dataclass(slots=True)
class Snapshot:
    """The log as it was at one moment. ``file`` is the growing one, of which ``size`` bytes count; ``before`` are those
    that grow no more. Of a copy nobody remembers the last ``link``."""

    number: int
    link: bytes | None
    committed: Head | None
    before: list[Path]
    size: int
    file: BinaryIO | None


class _Entry(NamedTuple):
    record: Record
    future: "Future[None]"


@dataclass(slots=True)
class _Failing:
    why: str = ""
    lost: int = 0
    problems: list[str] = field(default_factory=list)


class AuditLog:
    """Takes records from any thread between ``open`` and ``close``."""

    def __init__(self, writer: LogWriter, heads: Heads, *, reserve_bytes: int, disk: Disk) -> None:
        self.writer = writer
        self._heads = heads
        self._reserve = Reserve(writer.place.reserve, reserve_bytes, disk)
        self._queue: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._writing = threading.Lock()
        self._told = threading.Condition()
        self._recent: deque[Written] = deque(maxlen=RECENT_MAX)
        self._accepting = threading.Lock()
        self._is_open = False
        self._thread = threading.Thread(target=self._run, name="audit-log", daemon=True)
        self._follower = HeadFollower(heads)
        self._next_reserve_s = 0.0
        self._failing = _Failing()
        self._last_group = 0
        self.on_change: Callable[[], None] = _nothing
        """Called when the log begins or ceases to take records."""
        self.failures = 0
        """Groups of records that could not be written since the host started."""

    def open(self) -> Found:
        """Look at the log and begin to write. Raises ``Misconfigured``, ``StorageFault``."""
        try:
            found = self.writer.open(self._heads.read)
        except OSError as error:
            raise _takes_nothing(error) from error
        self._failing.problems = [str(each) for each in found.breaks]
        if not found.breaks:
            # Before the first record: a log without a head is one whose head somebody took away. After a break it stays
            # as it was found, until the record that names the break is written.
            self._follower.begin(self._head())
        self._reserve.hold()
        self._is_open = True
        self._thread.start()
        return found

    def append(self, record: Record) -> "Future[None]":
        """Hand a record over; the future resolves once it is on the disk. Raises ``Unavailable``."""
        future: Future[None] = Future()
        with self._accepting:
            if not self._is_open:
                raise Unavailable("SR-AUDIT-002", "the audit log is closed", why="the host starts or stops")
            if self._queue.qsize() >= QUEUE_MAX:
                why = f"{QUEUE_MAX} records wait for it"
                raise Unavailable("SR-AUDIT-003", "the audit log cannot keep up", why=why, fix="try again in a moment")
            self._queue.put(_Entry(record, future))
        return future

    @property
    def failing(self) -> str:
        """Why it takes no record; empty while it does."""
        return self._failing.why

    def state(self) -> LogState:
        """How it stands now."""
        failing = self._failing
        problems = list(failing.problems)
        if failing.why:
            problems.append(f"it takes no record: {failing.why}")
        if self._reserve.is_missing:
            problems.append("its reserve is given up, since the disk is full")
        if not self.writer.is_in_place():
            problems.append("its file is not where it was, or is shorter: somebody moved or cut it")
        return LogState(
            records=self.writer.count, failing=failing.why, failures=self.failures, problems=tuple(problems)
        )

    def behind(self, number: int, timeout_s: float) -> list[Written]:
        """The newest records behind ``number``, waited for if there are none; older ones than are kept are left out."""
        with self._told:
            self._told.wait_for(lambda: self.writer.number > number or not self._is_open, timeout_s)
            return [each for each in self._recent if each.number > number]

    def snapshot(self) -> Snapshot:
        """The log as it is between two groups. Whoever gets it closes its file."""
        with self._writing:
            size, before = self.writer.size, self.writer.place.before()
            try:
                file = self.writer.place.path.open("rb")
            except OSError:
                file = None
            return Snapshot(self.writer.number, self.writer.link, self._follower.committed, before, size, file)

    def close(self) -> None:
        """Write what was handed over, then the head, and let go of the file."""
        with self._accepting:
            was_open, self._is_open = self._is_open, False
        if not was_open:
            self.writer.close()
            return
        self._queue.put(None)
        self._thread.join()
        with suppress(OSError):
            self.writer.cut_back()
        self._follower.end(self._head(closed=True))
        self.writer.close()
        with self._told:
            self._told.notify_all()

    def _run(self) -> None:
        is_last = False
        while not is_last:
            batch, is_last = self._gather()
            if batch or self._failing.why:
                self._write(batch)
            now_s = time.monotonic()
            if self._reserve.is_missing and now_s >= self._next_reserve_s:
                self._next_reserve_s = now_s + RESERVE_EVERY_S
                self._reserve.hold()
            self._follower.follow(self._head())

    def _gather(self) -> tuple[list[_Entry], bool]:
        """What waits, and whether the log is to be closed behind it."""
        batch: list[_Entry] = []
        timeout_s: float | None = RESERVE_EVERY_S if self._reserve.is_missing else None
        if self._failing.why:
            timeout_s = RETRY_S
        if self._follower.is_behind(self.writer.number):
            timeout_s = HEAD_EVERY_S
        try:
            entry = self._queue.get(timeout=timeout_s)
            if self._last_group >= CROWD:
                time.sleep(LINGER_S)
            while entry is not None:
                batch.append(entry)
                if len(batch) >= GROUP_MAX:
                    return batch, False
                entry = self._queue.get_nowait()
        except queue.Empty:
            return batch, False
        return batch, True

    def _write(self, batch: list[_Entry]) -> None:
        failing = self._failing
        self._last_group = len(batch)
        records = [entry.record for entry in batch]
        if failing.why:
            facts: dict[str, str | int] = {"missing": failing.lost, "why": failing.why}
            records.insert(0, Record(action="audit.gap", subject=self.writer.place.path.name, facts=facts))
        try:
            written = self._written(records)
        except (OSError, StrongroomError) as error:
            fault = error if isinstance(error, StrongroomError) else _takes_nothing(error)
            was_well = not failing.why
            failing.why, failing.lost = fault.why or str(fault), failing.lost + len(batch)
            self.failures += bool(batch)
            if was_well:
                log.error("the audit log takes no record", extra={"why": failing.why})
                self.on_change()
            for entry in batch:
                entry.future.set_exception(fault)
            return
        if failing.why:
            log.warning("the audit log takes records again", extra={"missing": failing.lost})
            failing.why, failing.lost = "", 0
            self.on_change()
        for entry in batch:
            entry.future.set_result(None)
        with self._told:
            self._recent.extend(written)
            self._told.notify_all()

    def _written(self, records: list[Record]) -> list[Written]:
        self._follower.stay_near(self._head(), len(records))
        try:
            with self._writing:
                self._look_for_file()
                return self.writer.write(records)
        except OSError as error:
            if error.errno not in FULL or not self._reserve.release():
                raise
            log.error("the disk of the audit log is full: its reserve is given up")
            self._next_reserve_s = time.monotonic() + RESERVE_EVERY_S
            full = Record(action="audit.disk_full", subject=self.writer.place.path.name, outcome="reserve given up")
            with self._writing:
                return self.writer.write([full, *records])

    def _look_for_file(self) -> None:
        """What is written into a file that lost its name is on record for nobody."""
        if not self.writer.is_in_place():
            found = self.writer.begin_anew()
            log.error("the file of the audit log was moved or cut; a new one begins", extra={"record": found.number})
            self._failing.problems.append(str(found))

    def _head(self, *, closed: bool = False) -> Head:
        return Head(self.writer.number, self.writer.link, self.writer.count, closed)


def _nothing() -> None:
    """Nobody wants to know."""


def _takes_nothing(error: OSError) -> StorageFault:
    return StorageFault(
        "SR-AUDIT-001",
        "the audit log takes no record",
        why=error.strerror or type(error).__name__,
        fix="look at the disk of audit.file; the host tries again by itself",
    )
