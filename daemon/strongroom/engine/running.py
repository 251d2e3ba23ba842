"""Runs that this host has accepted and not yet finished: a bounded queue, its workers, and who waits for what."""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from strongroom.engine.execution import CancelSignal
from strongroom.engine.journal import RunJournal
from strongroom.engine.specs import Spec
from strongroom.errors import Unavailable
from strongroom.modules.route import CONFIDENTIAL, LOCAL
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2

__all__ = ["Dispatcher", "Outcome", "RunHandle"]

RETRY_S: Final = 1.0
"""How soon a run is tried again whose journal could not be written."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: a result, or a failure."""

    result: sdk_pb2.ExecutionResult | None
    failure: journal_pb2.Failure | None


@dataclass(eq=False)
class RunHandle:
    """One accepted run. ``outcome`` stands once ``done`` is set; ``spec`` is the record that it was accepted under."""

    journal: RunJournal
    trigger: bytes
    node_seed: int
    spec: Spec | None = None
    answered: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    cancel: CancelSignal = field(default_factory=CancelSignal)
    done: threading.Event = field(default_factory=threading.Event)
    outcome: Outcome | None = None


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

    def admit(self) -> None:
        """Raises ``Unavailable`` while no further run may be accepted."""
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

    def submit(self, handle: RunHandle) -> RunHandle:
        """Queue a run, or return the handle that stands for it already."""
        run_id = handle.journal.header.run_id
        with self._lock:
            known = self._handles.setdefault(run_id, handle)
        if known is handle:
            self._queue(handle)
        return known

    def workflow_busy(self, workflow_id: str) -> int:
        """Unfinished runs of a workflow."""
        with self._lock:
            return sum(h.journal.header.workflow_id == workflow_id for h in self._handles.values())

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
            self._workers[handle.journal.header.module].submit(self._work, handle)

    def _work(self, handle: RunHandle) -> None:
        finished = self._execute(handle)
        if not finished and not self._draining:
            timer = threading.Timer(RETRY_S, self._resubmit, (handle,))
            timer.daemon = True
            timer.start()
            return
        with self._lock:
            self._handles.pop(handle.journal.header.run_id, None)
            if not self._handles:
                self._idle.notify_all()
        handle.done.set()

    def _resubmit(self, handle: RunHandle) -> None:
        if not self._draining:
            self._queue(handle)
