"""Lets the sealed head of an audit log follow its file: a few times a second, and never far behind.

A file that is further ahead of its head than a start would believe could not be told from one beside an older head.
"""

import threading
import time
from concurrent.futures import Future
from typing import Final, Protocol

from strongroom.audit.log_chain import Head
from strongroom.audit.log_start import AHEAD_MAX
from strongroom.errors import StorageFault, StrongroomError
from strongroom.telemetry import logs

__all__ = ["HEAD_EVERY_S", "HeadFollower", "Heads"]

HEAD_EVERY_S: Final = 0.25
HEAD_WAIT_S: Final = 5.0
"""How long records wait for a database that does not store a head."""
log = logs.get("audit")


class Heads(Protocol):
    """Where the sealed head of the log is kept."""

    def read(self) -> Head | None:
        """The head. Raises ``Tampered``, ``KeyMissing``."""

    def write(self, head: Head) -> "Future[None]":
        """Keep ``head``; the future resolves once it is on the disk."""


class HeadFollower:
    """For the thread that writes, but for ``committed``."""

    def __init__(self, heads: Heads) -> None:
        self._heads = heads
        self.committed: Head | None = None
        """The head that is on the disk for sure; nothing after a break, until the next record."""
        self._following: Future[None] | None = None
        self._follows: Head | None = None
        self._next_s = 0.0

    def begin(self, head: Head) -> None:
        """Store ``head`` before the first record. Raises ``StorageFault``, ``Unavailable``."""
        self._heads.write(head).result()
        self.committed = head

    def is_behind(self, number: int) -> bool:
        """Whether the head is not that of record ``number`` yet."""
        return self.committed is None or self.committed.number != number

    def follow(self, head: Head) -> None:
        """See what became of the head before, and store this one if it is time to."""
        now_s = time.monotonic()
        if self._following is not None and self._following.done():
            error = self._following.exception()
            if error is None:
                self.committed = self._follows
            else:
                log.warning("the head of the audit log was not stored", extra={"why": str(error)})
            self._following = None
        if self.is_behind(head.number) and self._following is None and now_s >= self._next_s:
            self._next_s = now_s + HEAD_EVERY_S
            self._follows = head
            try:
                self._following = self._heads.write(head)
            except StrongroomError as error:
                log.warning("the head of the audit log was not stored", extra={"why": str(error)})

    def stay_near(self, head: Head, records: int) -> None:
        """Wait, before ``records`` more are written, until the head is near. Raises ``StorageFault``."""
        until_s = time.monotonic() + HEAD_WAIT_S
        while self.committed is not None and head.number + records - self.committed.number > AHEAD_MAX // 2:
            if self._following is None:
                self._next_s = 0.0
            self.follow(head)
            if time.monotonic() > until_s:
                raise StorageFault(
                    "SR-AUDIT-006", "the audit log takes no record", why="the database does not store its head"
                )
            if self._following is not None:
                _wait(self._following)

    def end(self, head: Head) -> None:
        """Store the last head."""
        try:
            self._heads.write(head).result(HEAD_WAIT_S)
        except (StrongroomError, TimeoutError) as error:
            log.warning("the head of the audit log was not stored at the end", extra={"why": str(error)})


def _wait(future: "Future[None]") -> None:
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    done.wait(HEAD_EVERY_S)
