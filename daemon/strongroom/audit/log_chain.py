"""The chain of the host's audit log: the link of each record is a MAC over it and over the link before it.

Rule 1: who has not the key can change, remove, insert or move nothing in the middle without every later link failing.
Rule 2: how many records there are and the last link, the *head*, are kept sealed elsewhere: so a cut end shows.
Rule 3: after a break a chain goes on with a record that names the break; it is linked to the log and to nothing before.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from strongroom.crypto.framing import length_prefixed

__all__ = ["BREAK", "FILE", "RESTORE", "Head", "Line", "LogKeys", "LogName", "line_of", "link_of", "parse_line"]

LABEL: Final = "strongroom/audit-log/v1"
BREAK: Final = "audit.break"
"""The action of the record with which a chain goes on after a break."""
FILE: Final = "audit.file"
"""The action of the record with which a file begins."""
RESTORE: Final = "backup.restore"
"""The action of the record with which a host goes on whose state was restored."""
_LINE: Final = re.compile(rb'\{"record":(\{.*\}),"key_version":([0-9]{1,3}),"link":"([0-9a-f]{64})"\}')
_NUMBER: Final = re.compile(rb'"number":([0-9]{1,18})[,}]')


class LogKeys(Protocol):
    """The MAC keys of audit logs, by key version."""

    @property
    def writing_version(self) -> int:
        """The version that new records are linked under."""

    def mac(self, version: int, data: bytes) -> bytes:
        """HMAC-SHA256, 32 bytes. Raises ``KeyMissing``."""


@dataclass(frozen=True, slots=True)
class LogName:
    """Whose log it is: a deployment, and a host of it."""

    deployment_id: str
    host: str

    @property
    def genesis(self) -> bytes:
        """What stands before the first record."""
        return hashlib.sha256(length_prefixed(LABEL, "begin", self.deployment_id, self.host)).digest()

    @property
    def after_break(self) -> bytes:
        """What stands before a record that names a break."""
        return hashlib.sha256(length_prefixed(LABEL, "after a break", self.deployment_id, self.host)).digest()


class Line(NamedTuple):
    """A line of the file, as it was read. Nothing of it is authentic before its link was checked."""

    number: int
    record: bytes
    key_version: int
    link: bytes

    def is_of(self, action: str) -> bool:
        """Whether the record says that this was done."""
        return self.record.startswith(b'{"action":"%b"' % action.encode())


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a log: its last number and link, how many records it has, and whether its host closed it."""

    number: int
    link: bytes
    count: int
    closed: bool = False

    def to_bytes(self) -> bytes:
        """For sealing."""
        document = {"number": self.number, "link": self.link.hex(), "count": self.count, "closed": self.closed}
        return json.dumps(document, sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Head":
        """What was sealed."""
        found = json.loads(raw)
        return cls(found["number"], bytes.fromhex(found["link"]), found["count"], found["closed"])


def link_of(keys: LogKeys, version: int, previous: bytes, number: int, record: bytes) -> bytes:
    """The link of ``record`` at place ``number`` behind ``previous``, 32 bytes. Raises ``KeyMissing``."""
    return keys.mac(version, length_prefixed(LABEL, previous) + number.to_bytes(8, "big") + length_prefixed(record))


def line_of(record: bytes, version: int, link: bytes) -> bytes:
    """The line of the file, with its end."""
    return b'{"record":%b,"key_version":%d,"link":"%b"}\n' % (record, version, link.hex().encode())


def parse_line(raw: bytes) -> Line | None:
    """The line without its end, or nothing when it is none of ours."""
    found = _LINE.fullmatch(raw)
    number = _NUMBER.search(found.group(1)) if found else None
    if found is None or number is None:
        return None
    # A fact called "number" would stand before the record's own; the whole is read then.
    value = int(number.group(1)) if found.group(1).count(b'"number":') == 1 else _number_of(found.group(1))
    return None if value is None else Line(value, found.group(1), int(found.group(2)), bytes.fromhex(found[3].decode()))


def _number_of(record: bytes) -> int | None:
    try:
        value = json.loads(record).get("number")
    except (ValueError, AttributeError, RecursionError):
        return None
    return value if isinstance(value, int) else None
