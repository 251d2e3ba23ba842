"""Runs that this host has accepted and not yet finished: a bounded queue, its workers, and who waits for what."""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from strongroom.engine.execution import CancelSignal
from strongroom.engine.lifecycle import RunEvent
from strongroom.engine.run_journal import RunJournal
from strongroom.engine.specs import Spec
from strongroom.errors import Unavailable
from strongroom.modules.route import CONFIDENTIAL, LOCAL
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2

__all__ = ["Dispatcher", "End", "Outcome", "RunHandle"]

RETRY_S: Final = 1.0
"""How soon a run is tried again whose journal could not be written."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: a result, or a failure."""

    result: sdk_pb2.ExecutionResult | None
    failure: journal_pb2.Failure | None


@dataclass(frozen=True, slots=True)
class End:
    """The end of a run before it is stored: the event, its content, the code in the clear, and what it comes to."""

    event: RunEvent
    content: bytes
    error_code: str
    outcome: Outcome


@dataclass(eq=False)
class RunHandle:
    """One run. ``stored`` is set when it is accepted or refused; ``outcome`` stands once ``done`` is set.

    ``spec`` is the record that it was accepted under, ``marks`` what the header says of the backend that executes it,
    ``end`` how it ended when only the write is missing.
    """

    journal: RunJournal
    trigger: bytes
    node_seed: int
    spec: Spec | None = None
    answered: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    restrictions: journal_pb2.RestrictionsSet | None = None
    cancel: CancelSignal = field(default_factory=CancelSignal)
    marks: dict[str, Any] = field(default_factory=dict)  # Any: values of header columns
    end: End | None = None
    stored: threading.Event = field(default_factory=threading.Event)
    queued: "Future[None] | None" = None
    done: threading.Event = field(default_factory=threading.Event)
    outcome: Outcome | None = None

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return self.journal.header.run_id


class Dispatcher:
    """Takes accepted runs and has ``execute`` called for each of them, by ``workers_max`` threads for each module.

    Confidential runs wait for enclaves; with threads of their own they keep no local run waiting.
    """

    def __init__(self, execute: Callable[[RunHandle], bool], *, workers_max: int, queued_max: int) -> None:
        self._execute = execute
        self._queued_max = queued_max
        self._workers = {
            module: ThreadPoolExecutor(workers_max, thread_name_prefix=f"{module}-run")
            for module in (LOCAL, CONFIDENTIAL)
        }
        self._lock = threading.Lock()
        self._handles: dict[str, RunHandle] = {}
        self._draining = False
        self._idle = threading.Condition(self._lock)

    def __len__(self) -> int:
        """Accepted runs that have not ended."""
        return len(self._handles)

    def get(self, run_id: str) -> RunHandle | None:
        """The handle of a run that has not ended here."""
        return self._handles.get(run_id)

    def reserve(self, handle: RunHandle) -> RunHandle:
        """Make room for a run before it is stored, so that from then on everybody finds it; or the handle that stands
        for its id already. Raises ``Unavailable`` while no further run may be accepted."""
        with self._lock:
            known = self._handles.get(handle.run_id)
            if known is not None:
                return known
            if self._draining:
                raise Unavailable("SR-RUN-006", "this host is stopping", fix="start the run again in a moment")
            if len(self._handles) >= self._queued_max:
                raise Unavailable(
                    "SR-RUN-007",
                    f"{len(self._handles)} runs are accepted and not finished",
                    why=f"the limit limits.runs_queued_max is {self._queued_max}",
                    fix="try again in a moment, or raise the limit",
                    limit=self._queued_max,
                    setting="limits.runs_queued_max",
                    retry_ms=1000,
                )
            self._handles[handle.run_id] = handle
        return handle

    def release(self, handle: RunHandle) -> None:
        """Give back the room of a run that was not stored."""
        self._forget(handle)
        handle.stored.set()

    def submit(self, handle: RunHandle) -> None:
        """Queue a run that is stored and has its room."""
        handle.stored.set()
        self._queue(handle)

    def resume(self, handle: RunHandle) -> None:
        """Queue a run that was accepted before this host started; there is room for all of those."""
        with self._lock:
            self._handles[handle.run_id] = handle
        self.submit(handle)

    def cancel(self, handle: RunHandle, reason: str) -> None:
        """Ask a run to stop. One that waits for a worker ends here and now."""
        handle.cancel.set(reason)
        if handle.queued is not None and handle.queued.cancel():
            self._work(handle)

    def drain(self, timeout_s: float) -> bool:
        """Accept nothing more and wait for what runs. Returns whether all of it ended in time."""
        with self._lock:
            self._draining = True
            return self._idle.wait_for(lambda: not self._handles, timeout_s)

    def close(self) -> None:
        """Stop the workers; what they execute stays unfinished in its journal and goes on at the next start."""
        self._draining = True
        for workers in self._workers.values():
            workers.shutdown(wait=False, cancel_futures=True)

    def _queue(self, handle: RunHandle) -> None:
        # A host that has stopped takes no more work: what was accepted is on disk and goes on at the next start.
        with contextlib.suppress(RuntimeError):
            handle.queued = self._workers[handle.journal.header.module].submit(self._work, handle)

    def _work(self, handle: RunHandle) -> None:
        finished = True
        try:
            finished = self._execute(handle)
        finally:
            if finished or self._draining:
                self._forget(handle)
            else:
                timer = threading.Timer(RETRY_S, self._resubmit, (handle,))
                timer.daemon = True
                timer.start()

    def _resubmit(self, handle: RunHandle) -> None:
        if self._draining:
            self._forget(handle)
        else:
            self._queue(handle)

    def _forget(self, handle: RunHandle) -> None:
        with self._lock:
            self._handles.pop(handle.run_id, None)
            if not self._handles:
                self._idle.notify_all()
        handle.done.set()
