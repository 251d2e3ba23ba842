"""Runs that this host has accepted and not yet finished: queued, executed, or waiting.

A run has one place: a handle, while it is queued, executed or has calls under way; or an entry of a few bytes, while it
waits and nothing of it is under way. Every change of place happens under one lock, so nobody finds a run twice.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Collection
from itertools import count
from typing import Final

from strongroom.engine.alarms import Alarms
from strongroom.engine.counted import Ended, uncounted
from strongroom.engine.handles import Asleep, End, Outcome, Place, RunHandle, Waits
from strongroom.engine.lifecycle import RunState
from strongroom.engine.room import Room
from strongroom.engine.waiters import Waiter, Waiters
from strongroom.engine.workers import Workers
from strongroom.errors import Unavailable
from strongroom.modules.route import CONFIDENTIAL, LOCAL
from strongroom.storage.runs import RunRow
from strongroom.telemetry import logs

__all__ = ["Dispatcher", "End", "Outcome", "RunHandle", "Waits"]

RETRY_S: Final = 1.0
"""How soon a run is tried again whose journal could not be written."""
LOOK_S: Final = 0.25
"""How soon a host that stops sees that nobody waits for a run any more."""
WOKEN_AHEAD: Final = 4
"""Runs that are woken and queued for each worker; the others that are due stay the few bytes that they are."""
log = logs.get("engine")


class Dispatcher:
    """Takes accepted runs and has ``execute`` called for each of them, owners in turn, by threads for each module.

    An owner has ``workers_max`` threads at most; there are more, for others. Confidential runs wait for enclaves; with
    threads of their own they keep no local run waiting. ``execute`` returns True when the run has ended, False when it
    is to be tried again, as it is when it raises, or what it waits for. ``room`` is guarded by the lock in here.
    """

    def __init__(
        self, execute: Callable[[RunHandle], bool | Waits], *, workers_max: int, room: Room, on_end: Ended = uncounted
    ) -> None:
        self._execute = execute
        self.room = room
        most_of = {LOCAL: room.local_max, CONFIDENTIAL: room.executing_max}
        self._workers = {module: Workers(workers_max, module, most) for module, most in most_of.items()}
        self._alarms = {module: self._alarms_of(module, workers_max * WOKEN_AHEAD) for module in self._workers}
        self._lock = threading.RLock()
        self._idle = threading.Condition(self._lock)
        self._handles: dict[str, RunHandle] = {}
        self._asleep: dict[str, Asleep] = {}
        self._waiters = Waiters(on_end)
        self._tokens = count(1)
        self._draining = False

    def __len__(self) -> int:
        """Accepted runs that have not ended."""
        return len(self._handles) + len(self._asleep)

    def __contains__(self, run_id: object) -> bool:
        """Whether that run has its place here."""
        with self._lock:
            return run_id in self._handles or run_id in self._asleep

    @property
    def workers(self) -> Collection[Workers]:
        """Who executes runs."""
        return self._workers.values()

    @property
    def waiting(self) -> int:
        """Runs that wait for something outside."""
        return self.room.waiting

    @property
    def is_draining(self) -> bool:
        """Whether it accepts nothing more."""
        return self._draining

    def unstarted(self, workflow_id: str) -> int:
        """Accepted runs of a workflow whose guest was not executed yet."""
        return self.room.unstarted[workflow_id]

    def get(self, run_id: str) -> RunHandle | None:
        """The handle of a run that has not ended here; one that sleeps gets one."""
        with self._lock:
            return self._with_handle(run_id) if run_id in self else None

    def waiter(self, run_id: str) -> contextlib.AbstractContextManager[Waiter | None]:
        """Told when the run ends; nothing when it has ended, or is not of this host."""
        with self._lock:
            return self._waiters.join(run_id) if run_id in self else contextlib.nullcontext()

    def reserve(self, handle: RunHandle, size: int = 0) -> RunHandle:
        """Make room for a run before it is stored, so that from then on everybody finds it; or the handle that stands
        for its id already. Raises ``Unavailable`` while no further run may be accepted."""
        with self._lock:
            known = self.get(handle.run_id)
            if known is not None:
                return known
            if self._draining:
                raise Unavailable("SR-RUN-006", "this host is stopping", fix="start the run again in a moment")
            self.room.take(handle.owner, size)
            self._handles[handle.run_id] = handle
            self.room.add_unstarted(handle.workflow_id, 1)
        return handle

    def release(self, handle: RunHandle) -> None:
        """Give back the room of a run that was not stored."""
        self.forget(handle)
        handle.stored.set()

    def submit(self, handle: RunHandle) -> None:
        """Queue a run that is stored and has its room."""
        handle.stored.set()
        self._queue(handle)

    def take_up(self, header: RunRow, *, wake_in_s: float, used_ms: int) -> None:
        """Take in a run from before this host started, which has used ``used_ms``, to be executed in ``wake_in_s``."""
        with self._lock:
            if header.run_id in self:
                return
            now_s, token, is_new = time.monotonic(), next(self._tokens), header.status == RunState.PENDING
            # Waiting uses up time of the run; standing in a queue does not.
            since_s, due_s = now_s if header.status == RunState.WAITING else None, now_s + max(wake_in_s, 0)
            place = header.module, header.workflow_id, header.workflow_owner, token, due_s
            self.room.add_waiting(header.workflow_owner, 1)
            self._asleep[header.run_id] = Asleep(*place, since_s, True, is_new, used_ms)
            self.room.add_unstarted(header.workflow_id, int(is_new))
        self._alarms[header.module].set(header.run_id, token, due_s)

    def wake(self, run_id: str, token: int | None = None) -> None:
        """Queue a run that waits. With a token only if it still is the wait that the token is of."""
        with self._lock:
            standing = self._standing(run_id)
            is_stale = standing is None or (token is not None and standing.token != token)
            if is_stale or (self._draining and run_id not in self._waiters):
                return
            handle = self._with_handle(run_id)
            if handle.place is not Place.PARKED:
                return
            handle.token = next(self._tokens)
            self.room.move(handle, Place.QUEUED)
        self._queue(handle)

    def rest(self, handle: RunHandle) -> None:
        """Let a waiting run that somebody looked at be the few bytes again that it was."""
        self._answered(handle, handle.token, handle.waits or Waits(due_s=handle.due_s, sleeps=handle.end is None))

    def hasten(self, handle: RunHandle) -> None:
        """Bring a run that is to stop to its end: what waits is woken, what waits for a worker ends here and now."""
        self.wake(handle.run_id)
        with self._lock:
            # With calls under way its end takes a while, which is a worker's time and not the caller's.
            is_taken = handle.queued is not None and not len(handle.calls) and handle.queued.cancel()
            if is_taken:
                # From the pool, by one caller only.
                handle.queued = None
        if is_taken:
            self._work(handle)

    def drain(self, timeout_s: float) -> bool:
        """Accept nothing more, and wait for what runs, for calls under way, and for runs that somebody waits for and
        that are due. Whether that ended in time. What else waits is not woken any more, and nobody waits for it."""
        deadline_s = time.monotonic() + timeout_s
        with self._lock:
            self._draining = True
            while (is_busy := self._is_busy(deadline_s)) and (left_s := deadline_s - time.monotonic()) > 0:
                self._idle.wait(min(left_s, LOOK_S))
            self._waiters.leave()
            return not is_busy

    def close(self) -> None:
        """Stop the workers; what they execute stays unfinished in its journal and goes on at the next start."""
        with self._lock:
            self._draining = True
            for handle in self._handles.values():
                handle.cancel.leave()
        for alarms in self._alarms.values():
            alarms.close()
        for workers in self._workers.values():
            workers.shutdown(wait=False, cancel_futures=True)

    def forget(self, handle: RunHandle) -> None:
        """The run has ended, or is left to the next start of this host."""
        with self._lock:
            if self._handles.get(handle.run_id) is not handle:
                return
            del self._handles[handle.run_id]
            self._started(handle)
            self.room.move(handle, Place.NEW)
            self.room.add_active(handle.owner, -1)
            self._idle.notify_all()
            header = handle.journal.header if handle.journal is not None else None
            self._waiters.tell(handle.run_id, header, handle.outcome)
        handle.retire()

    def _is_busy(self, deadline_s: float) -> bool:
        """Whether something is worth to be waited for until ``deadline_s``. The lock is held."""
        if any(handle.is_busy() for handle in self._handles.values()):
            return True
        waited_for = map(self._standing, self._waiters)
        return any(each is not None and each.due_s < deadline_s for each in waited_for)

    def _alarms_of(self, module: str, woken_max: int) -> Alarms:
        return Alarms(
            f"{module}-alarms",
            self.wake,
            owner_of=lambda run_id: getattr(self._standing(run_id), "owner", None),
            has_room=lambda owner: self.room.backlog[module, owner] < woken_max,
            is_live=lambda run_id, token: getattr(self._standing(run_id), "token", None) == token,
        )

    def _standing(self, run_id: str) -> RunHandle | Asleep | None:
        return self._handles.get(run_id) or self._asleep.get(run_id)

    def _with_handle(self, run_id: str) -> RunHandle:
        """The handle of a run that has its place here. The lock is held."""
        if run_id in self._handles:
            return self._handles[run_id]
        handle = self._handles[run_id] = RunHandle.woken(run_id, self._asleep.pop(run_id))
        handle.place = Place.PARKED
        return handle

    def _started(self, handle: RunHandle) -> None:
        if handle.is_unstarted:
            handle.is_unstarted = False
            self.room.add_unstarted(handle.workflow_id, -1)

    def _queue(self, handle: RunHandle) -> None:
        with self._lock:
            self.room.move(handle, Place.QUEUED)
            # A host that has stopped takes no more work: what was accepted is on disk and goes on at the next start.
            with contextlib.suppress(RuntimeError):
                handle.queued = self._workers[handle.module].begin(self._work, handle, handle.owner)

    def _work(self, handle: RunHandle) -> None:
        with self._lock:
            self._started(handle)
            self.room.move(handle, Place.EXECUTING)
        verdict: bool | Waits = False
        try:
            verdict = self._execute(handle)
        except Exception:
            # A bug here must not lose a run: it is tried again from what the disk has.
            log.exception("executing a run failed unexpectedly; it is tried again", extra={"run_id": handle.run_id})
            if handle.journal is not None:
                handle.journal.close()
        finally:
            if isinstance(verdict, Waits):
                self._park(handle, verdict)
            elif verdict or self._draining:
                self.forget(handle)
            else:
                due_s = time.monotonic() + RETRY_S
                self._park(handle, Waits(due_s=due_s, awaiting=(handle.run_id,), heeds_cancel=False))

    def _park(self, handle: RunHandle, waits: Waits) -> None:
        with self._lock:
            if self._handles.get(handle.run_id) is not handle:
                return
            token = handle.token = next(self._tokens)
            handle.due_s, handle.waits = waits.due_s, waits
            self.room.move(handle, Place.PARKED)
        self._alarms[handle.module].set(handle.run_id, token, waits.due_s)
        handle.calls.tell(lambda: self._answered(handle, token, waits))
        self._answered(handle, token, waits)

    def _wake_at(self, handle: RunHandle, token: int, due_s: float) -> None:
        """Wake a waiting run for which everything is there, at ``due_s`` (monotonic) at the earliest."""
        if due_s <= time.monotonic():
            self.wake(handle.run_id, token)
            return
        with self._lock:
            if handle.place is Place.PARKED and handle.token == token and due_s < handle.due_s:
                handle.due_s = due_s
                self._alarms[handle.module].set(handle.run_id, token, due_s)

    def _answered(self, handle: RunHandle, token: int, waits: Waits) -> None:
        """Something that a waiting run has under way has ended, or it has just begun to wait."""
        if waits.heeds_cancel and handle.cancel.reason is not None:
            self.wake(handle.run_id, token)
        elif waits.is_over(handle.calls):
            self._wake_at(handle, token, waits.not_before_s)
        with self._lock:
            is_parked = handle.place is Place.PARKED and handle.token == token
            if is_parked and (waits.may_sleep or self._draining) and handle.fall_asleep():
                # It waits as before, so nothing is counted anew.
                del self._handles[handle.run_id]
                handle.place = Place.NEW
                self._asleep[handle.run_id] = Asleep.of(handle)
            self._idle.notify_all()
