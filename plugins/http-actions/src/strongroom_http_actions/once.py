"""A repeated call is answered with the first answer and sends nothing.

The host repeats a call with the same metadata when it stopped before the answer was on disk. What changes something on
the far side therefore leaves a pending row in the store before it leaves this host, and the row becomes its outcome. A
pending row that is found later means that nobody knows. GET changes nothing: it is remembered in memory only, and sent
again after a crash.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from strongroom.plugin import CapabilityError, StrongroomError
from strongroom.plugin.messages import http_pb2
from strongroom_http_actions.limits import MEMORY_BYTES_MAX
from strongroom_http_actions.outcome import Outcome, Row
from strongroom_http_actions.refusals import late, unavailable, unknown_outcome
from strongroom_http_actions.rows import Rows

__all__ = ["Once"]

# Counted for each answer in memory beside its bytes, so that empty answers are not free.
ENTRY_BYTES: Final = 500

Act = Callable[[], Outcome]
T = TypeVar("T")


@dataclass(slots=True)
class _Flight:
    """A call that is under way, and who waits for it."""

    digest: bytes
    done: threading.Event = field(default_factory=threading.Event)
    outcome: Outcome | None = None


class Once:
    """``resend_unknown`` sends again what may have been sent before a crash."""

    def __init__(
        self, rows: Rows, log: logging.Logger, *, resend_unknown: bool, memory_bytes_max: int = MEMORY_BYTES_MAX
    ) -> None:
        self._rows = rows
        self._log = log
        self._resend_unknown = resend_unknown
        self._memory_bytes_max = memory_bytes_max
        self._lock = threading.Lock()
        self._flights: dict[str, _Flight] = {}
        self._memory: OrderedDict[str, Row] = OrderedDict()
        self._memory_bytes = 0

    def answer(
        self, key: str, digest: bytes, *, is_safe: bool, deadline: float, admit: Callable[[], Outcome | None], act: Act
    ) -> http_pb2.Response:
        """The first answer to ``key``; ``admit`` and ``act`` are called for the first call only.

        ``admit`` may answer without sending anything, or refuse. Raises the first ``CapabilityError`` again; others
        when the key came with another request or the outcome is unknown.
        """
        if not key:
            return (admit() or act()).result()
        with self._lock:
            flight = self._flights.get(key)
            first = flight is None
            if flight is None:
                flight = self._flights[key] = _Flight(digest)
        if not first:
            _same(flight.digest, digest)
            if not flight.done.wait(max(deadline - time.monotonic(), 0.0)):
                raise late("the same request is under way and has no answer yet")
            if flight.outcome is None:
                raise unavailable("the same request failed on this host before it was sent")
            return flight.outcome.result()
        try:
            flight.outcome = self._first(key, digest, is_safe=is_safe, admit=admit, act=act)
        except CapabilityError as error:
            flight.outcome = Outcome(error=error, sent=False)
        finally:
            with self._lock:
                del self._flights[key]
            flight.done.set()
        return flight.outcome.result()

    def _first(
        self, key: str, digest: bytes, *, is_safe: bool, admit: Callable[[], Outcome | None], act: Act
    ) -> Outcome:
        known = self._known(key, digest, is_safe=is_safe)
        if known is not None:
            return known
        cached = admit()
        if cached is not None:
            self._keep(key, Row(digest=digest, outcome=cached), is_safe=is_safe)
            return cached
        if not is_safe:
            self._must(lambda: self._rows.put(key, Row(digest=digest, outcome=None)))
        outcome = Outcome(error=unknown_outcome())
        try:
            outcome = act()
        finally:
            self._keep(key, Row(digest=digest, outcome=outcome), is_safe=is_safe)
        return outcome

    def _known(self, key: str, digest: bytes, *, is_safe: bool) -> Outcome | None:
        with self._lock:
            row = self._memory.get(key)
        if row is None:
            row = self._must(lambda: self._rows.get(key))
        if row is None:
            return None
        if row.outcome is None:
            if self._resend_unknown and row.digest == digest:
                return None
            outcome = Outcome(error=unknown_outcome())
            self._keep(key, Row(digest=row.digest or digest, outcome=outcome), is_safe=is_safe)
            return outcome
        _same(row.digest, digest)
        return row.outcome

    def _keep(self, key: str, row: Row, *, is_safe: bool) -> None:
        """Keep an outcome if anything may have been sent. Never raises: the answer in hand matters more."""
        if is_safe:
            self._remember(key, row)
            return
        try:
            if row.outcome is None or row.outcome.sent:
                self._rows.put(key, row)
            else:
                self._rows.delete(key)
            self._rows.prune()
        except StrongroomError as error:
            self._log.warning("an outcome was not stored (%s); a repeated call will find it unknown", error.code)

    def _remember(self, key: str, row: Row) -> None:
        if row.outcome is None or row.outcome.response is None:
            return  # a GET that failed may be tried again
        with self._lock:
            self._memory[key] = row
            self._memory_bytes += _size(row)
            while self._memory_bytes > self._memory_bytes_max:
                self._memory_bytes -= _size(self._memory.popitem(last=False)[1])

    def _must(self, job: Callable[[], T]) -> T:
        """``job`` of the store; nothing is sent when it fails."""
        try:
            return job()
        except StrongroomError as error:
            raise unavailable(f"the store of this host did not answer ({error.code}), and nothing was sent") from error


def _size(row: Row) -> int:
    response = row.outcome.response if row.outcome is not None else None
    return ENTRY_BYTES + (response.ByteSize() if response is not None else 0)


def _same(first: bytes, second: bytes) -> None:
    if first != second:
        raise CapabilityError(
            "Public", "User", "FailedPrecondition", "this step of this run was sent before with another request"
        )
