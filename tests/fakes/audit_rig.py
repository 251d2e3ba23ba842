"""An audit log in a directory of a test: keys, a place for its head, and a disk that fails when it is told to."""

import errno
import os
from concurrent.futures import Future
from dataclasses import dataclass, field

from strongroom.audit.append_file import Disk
from strongroom.audit.audit_log import AuditLog
from strongroom.audit.log_chain import LogName
from strongroom.audit.log_place import LogPlace
from strongroom.audit.log_writer import LogWriter
from strongroom.audit.record import Record
from strongroom.audit.verify import verify
from strongroom.crypto.keys import Key
from strongroom.errors import KeyMissing, StorageFault

HOST = LogName("deployment-1", "host-1")
OTHER_HOST = LogName("deployment-1", "host-2")


class Ring:
    """Keys by version."""

    def __init__(self, versions=(1,), seed=b"root"):
        self.keys = {version: Key.from_secret(seed + b"%d" % version) for version in versions}

    @property
    def writing_version(self):
        return max(self.keys)

    def mac(self, version, data):
        if version not in self.keys:
            raise KeyMissing("SR-KEY-002", f"root key version {version} is missing")
        return self.keys[version].mac(data)


class MemoryHeads:
    """The row of the database. ``fails`` makes it refuse."""

    def __init__(self):
        self.head = None
        self.written = []
        self.fails = False

    def read(self):
        if isinstance(self.head, Exception):
            raise self.head
        return self.head

    def write(self, head):
        future = Future()
        if self.fails:
            future.set_exception(StorageFault("SR-STORE-001", "the database refused"))
        else:
            self.head = head
            self.written.append(head)
            future.set_result(None)
        return future


class SimulatedDisk(Disk):
    """A disk with ``room`` bytes left, or as much as there is; ``fail`` makes the next syncs or writes fail."""

    def __init__(self, room=None):
        self.room = room
        self.sync_errors = 0
        self.write_errors = 0
        self.reserved = 0
        self.syncs = 0

    def write(self, descriptor, data):
        if self.write_errors:
            self.write_errors -= 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if self.room is not None and len(data) > self.room:
            if not self.room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            data = bytes(data[: self.room])
        written = os.write(descriptor, data)
        if self.room is not None:
            self.room -= written
        return written

    def sync(self, descriptor):
        self.syncs += 1
        if self.sync_errors:
            self.sync_errors -= 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def allocate(self, descriptor, size):
        if self.room is not None and size > self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.room is not None:
            self.room -= size
        self.reserved = size


@dataclass
class Rig:
    """A log that can be closed, crashed, and opened again."""

    directory: object
    keys: Ring = field(default_factory=Ring)
    heads: MemoryHeads = field(default_factory=MemoryHeads)
    disk: Disk = field(default_factory=SimulatedDisk)
    name: LogName = HOST
    file_bytes_max: int = 1 << 20
    reserve_bytes: int = 0
    log: AuditLog | None = None
    found: object = None

    @property
    def path(self):
        return self.directory / "audit.jsonl"

    @property
    def place(self):
        return LogPlace(self.path)

    def open(self):
        writer = LogWriter(
            self.place,
            self.name,
            self.keys,
            file_bytes_max=self.file_bytes_max,
            mode=0o600,
            disk=self.disk,
            clock_ms=lambda: 1_700_000_000_000,
        )
        self.log = AuditLog(writer, self.heads, reserve_bytes=self.reserve_bytes, disk=self.disk)
        self.found = self.log.open()
        return self

    def write(self, count=1, **fields):
        for number in range(count):
            self.log.append(Record(action="run.start", subject=f"wrun_{number}", **fields)).result(10)
        return self

    def close(self):
        self.log.close()
        return self

    def crash(self, lose_head_since=None):
        """End without a word: the head is as it was at the last commit, or as it was ``lose_head_since``."""
        before = lose_head_since or [head for head in self.heads.written if not head.closed][-1]
        self.log.close()
        self.heads.head = before
        return self

    def lines(self):
        return self.path.read_bytes().splitlines(keepends=True)

    def put(self, lines):
        """Write the file anew, as somebody with an editor does."""
        self.path.write_bytes(b"".join(lines))

    def verify(self):
        return verify(self.log.snapshot(), self.name, self.keys, self.heads.read)

    def breaks(self):
        """What ``verify`` finds, as (number, kind)."""
        return [(each.number, each.kind) for each in self.verify().breaks]
