"""The audit log of a host as the rest of it sees it: redaction in front, the policy behind.

``refuse``: what cannot be recorded is not done. ``degrade``: it is done, counted, and said in ``status``.
"""

import time
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTimeError
from typing import Final

from strongroom.audit.audit_log import AuditLog
from strongroom.audit.log_chain import Head, LogName
from strongroom.audit.record import HOST, Record
from strongroom.engine.auditing import CALLER, Pending
from strongroom.errors import StrongroomError, Tampered, Unavailable
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import AUDIT, AUDIT_HEADS, RootKeyring
from strongroom.storage import audit_heads
from strongroom.storage.database import Database
from strongroom.telemetry.redaction import Redaction

__all__ = ["AuditKeys", "HostAudit", "SealedHeads"]

WAIT_S: Final = 30.0
"""A disk that does not answer for so long is as good as one that refuses."""


class AuditKeys:
    """MACs of records, under the subroot that they have for themselves."""

    def __init__(self, root: RootKeyring) -> None:
        self._root = root

    @property
    def writing_version(self) -> int:
        """The version that writes."""
        return self._root.writing_version

    def mac(self, version: int, data: bytes) -> bytes:
        """HMAC-SHA256. Raises ``KeyMissing``."""
        return self._root.subroot(AUDIT, version).mac(data)


class SealedHeads:
    """The head of one log, sealed in the database."""

    def __init__(self, name: LogName, database: Database, keys: RecordKeys) -> None:
        self._name = name
        self._place = (name.host,)
        self._database = database
        self._keys = keys

    def read(self) -> Head | None:
        """The head. Raises ``Tampered``, ``KeyMissing``."""
        sealed = self._database.read(lambda connection: audit_heads.get(connection, self._name.host))
        if sealed is None:
            return None
        deployment_id, _, head = self._keys.open(AUDIT_HEADS, self._place, sealed).partition(b" ")
        if deployment_id != self._name.deployment_id.encode():
            raise Tampered("head of the audit log")
        return Head.from_bytes(head)

    def write(self, head: Head) -> "Future[None]":
        """Have it stored with the next commit, or soon without one."""
        named = self._name.deployment_id.encode() + b" " + head.to_bytes()
        sealed, name = self._keys.seal(AUDIT_HEADS, self._place, named), self._name.host
        return self._database.write(lambda connection: audit_heads.set(connection, name, sealed), may_wait=True)


class HostAudit:
    """Writes records into ``log``. Safe for any thread."""

    def __init__(self, log: AuditLog, redaction: Redaction, *, refuses: bool) -> None:
        self.log = log
        self._redaction = redaction
        self.refuses = refuses
        self.unrecorded = 0
        """Records that could not be written since the host started."""

    def record(
        self,
        action: str,
        *,
        subject: str,
        owner: str = "",
        outcome: str = "done",
        caller: str = "",
        reason: str = "",
        **facts: str | int,
    ) -> None:
        """Have it on the disk when this returns. Raises ``Unavailable`` under ``refuse``."""
        self.begin(action, subject=subject, owner=owner, outcome=outcome, caller=caller, reason=reason, **facts).wait()

    def begin(
        self,
        action: str,
        *,
        subject: str,
        owner: str = "",
        outcome: str = "done",
        caller: str = "",
        reason: str = "",
        **facts: str | int,
    ) -> Pending:
        """As ``record``, without waiting for the disk."""
        text = self._redaction.text
        record = Record(
            action=action,
            subject=text(subject),
            owner=text(owner),
            outcome=text(outcome),
            caller=text(caller or CALLER.get() or HOST),
            reason=text(reason),
            facts=self._shown(facts),
        )
        try:
            future = self.log.append(record)
        except StrongroomError as error:
            future = Future()
            future.set_exception(error)
        future.add_done_callback(self._count)
        return _Pending(future, refuses=self.refuses)

    def check(self) -> None:
        """Raises ``Unavailable`` when the log takes nothing, and what cannot be recorded is refused."""
        failing = self.log.failing if self.refuses else ""
        if failing:
            raise _refused(failing)

    def _shown(self, facts: Mapping[str, str | int]) -> dict[str, str | int]:
        shown = self._redaction.fields(facts)
        return {name: value if isinstance(value, int) else str(value) for name, value in shown.items()}

    def _count(self, future: "Future[None]") -> None:
        if future.exception() is not None:
            self.unrecorded += 1


class _Pending:
    def __init__(self, future: "Future[None]", *, refuses: bool) -> None:
        self._future = future
        self._refuses = refuses
        self._until_s = time.monotonic() + WAIT_S

    def wait(self) -> None:
        """Return once it is on the disk, or cannot be and need not."""
        try:
            self._future.result(max(self._until_s - time.monotonic(), 0))
        except StrongroomError as error:
            if self._refuses:
                raise _refused(error.why or str(error)) from error
        except NotInTimeError as error:
            if self._refuses:
                raise _refused(f"its disk has not answered for {WAIT_S:g} s") from error


def _refused(why: str) -> Unavailable:
    return Unavailable(
        "SR-AUDIT-010",
        "this must be on record, and the audit log takes nothing",
        why=why,
        fix="make room on the disk of audit.file; the host tries again by itself. audit.on_failure: degrade goes on",
    )
