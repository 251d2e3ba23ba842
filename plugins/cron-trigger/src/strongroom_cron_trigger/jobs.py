"""The schedules that are registered now, and the thread that fires them."""

import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from google.protobuf.message import Message

from strongroom.plugin import CapabilityError, EventBook, Events, Store, StrongroomError
from strongroom_cron_trigger.policy import Marks, Policy, due
from strongroom_cron_trigger.schedule import Schedule

__all__ = ["Job", "Jobs", "event_id_of"]

LOOK_S: Final = 5.0
"""How often the clock is looked at when nothing is due: a clock that was set is noticed that soon."""
RETRY_S: Final = 1
ADDERS: Final = 8
"""Schedules that are due in the same second are stored side by side, so that they share the disk's syncs."""
KEY: Final = "cron/"


@dataclass(eq=False)
class Job:
    """One registered schedule. ``next_s`` is when to look at it again."""

    trigger_id: str
    text: str
    schedule: Schedule
    policy: Policy
    payload: Callable[[int], Message]
    events: Events
    jitter_s: int
    marks: Marks
    next_s: int = 0
    stopped: bool = False
    waits: str = field(default="")


def event_id_of(unix_s: int) -> str:
    """RFC 3339 of the scheduled second in UTC, which is what `capability-wire` section 11.1 demands."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Jobs:
    """All of them. ``clock`` is Unix time in seconds."""

    def __init__(
        self, store: Store, book: EventBook, log: logging.Logger, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._book = book
        self._log = log
        self._clock = clock
        self._changed = threading.Condition()
        self._jobs: dict[str, Job] = {}
        self._closed = False
        self._looked_s = 0
        self._adders = ThreadPoolExecutor(ADDERS, thread_name_prefix="cron-add")
        self._thread = threading.Thread(target=self._run, name="cron", daemon=True)

    def start(self) -> None:
        """Begin to fire."""
        self._thread.start()

    def close(self) -> None:
        """Fire nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._adders.shutdown(wait=False, cancel_futures=True)

    def marks_of(self, trigger_id: str, text: str) -> Marks:
        """Where an earlier registration of the same schedule stood; now for a new one, and that is kept."""
        value = self._store.get(KEY + trigger_id)
        if value is not None:
            kept = json.loads(value)
            if kept["schedule"] == text:
                return Marks(done_s=kept["done_s"], before_s=kept["before_s"], left_out_s=kept["left_out_s"])
        marks = Marks(done_s=int(self._clock()))
        self._keep(trigger_id, text, marks)
        return marks

    def put(self, job: Job) -> None:
        """Fire a schedule from now on. Raises ``CapabilityError`` for a trigger id that is registered."""
        with self._changed:
            if job.trigger_id in self._jobs:
                text = f"triggerId {job.trigger_id} already registered"
                raise CapabilityError("Public", "System", "Internal", text)
            self._jobs[job.trigger_id] = job
            self._changed.notify()

    def stop(self, job: Job) -> None:
        """Fire it no more; where it stands is kept."""
        with self._changed:
            job.stopped = True
            if self._jobs.get(job.trigger_id) is job:
                del self._jobs[job.trigger_id]

    def forget(self, trigger_id: str) -> None:
        """Drop a schedule and where it stood."""
        with self._changed:
            job = self._jobs.pop(trigger_id, None)
            if job is not None:
                job.stopped = True
        self._store.delete(KEY + trigger_id)

    def tick(self) -> float:
        """Fire what is due; how long nothing else will be, in seconds."""
        now_s = int(self._clock())
        with self._changed:
            went_back = now_s < self._looked_s
            self._looked_s = now_s
            ready = [job for job in self._jobs.values() if went_back or job.next_s <= now_s]
        if len(ready) > 1:
            list(self._adders.map(lambda job: self._fire_safely(job, now_s), ready))
        elif ready:
            self._fire_safely(ready[0], now_s)
        with self._changed:
            next_s = min((job.next_s for job in self._jobs.values()), default=now_s + LOOK_S)
        return min(max(0.0, next_s - self._clock()), LOOK_S)

    def _run(self) -> None:
        while not self._closed:
            try:
                wait_s = self.tick()
            except Exception:
                # The last line of defence: without this thread no schedule fires again.
                self._log.exception("looking for due schedules failed")
                wait_s = LOOK_S
            with self._changed:
                if not self._closed:
                    self._changed.wait(max(wait_s, 0.01))

    def _fire_safely(self, job: Job, clock_s: int) -> None:
        try:
            self._fire(job, clock_s)
        except Exception as raised:
            # What could not be stored is still due; the schedule itself is the memory.
            if not job.waits:
                self._log.warning("schedule %s cannot fire: %s", job.trigger_id, raised)
            job.waits = "cannot fire"
            job.next_s = clock_s + RETRY_S

    def _fire(self, job: Job, clock_s: int) -> None:
        now_s = clock_s - job.jitter_s
        before = job.marks
        job.marks = job.marks.settled(now_s)
        from_s = job.marks.from_s(now_s)
        found = due(job.schedule, job.policy, from_s, now_s)
        seconds = found.seconds
        if seconds and job.policy.overlap != "allow" and self._busy(job):
            if job.policy.overlap == "queue":
                job.next_s = clock_s + RETRY_S
                return
            self._log.info("schedule %s: %s is skipped, its last run goes on", job.trigger_id, event_id_of(seconds[-1]))
            job.marks = job.marks.after(from_s, seconds[-1], left_out=False)
            seconds = ()
        more = job.policy.overlap == "queue" and len(seconds) > 1
        left_out = found.left_out
        for at_s in seconds[:1] if more else seconds:
            if job.stopped:
                return
            self._book.add(job.trigger_id, event_id_of(at_s), job.payload(at_s))
            job.marks = job.marks.after(from_s, at_s, left_out=left_out)
            from_s, left_out = job.marks.from_s(now_s), False
        if seconds and found.left_out:
            self._log.warning("schedule %s: missed times are left out (%s)", job.trigger_id, job.policy.catch_up)
        job.waits = ""
        job.next_s = clock_s + RETRY_S if more else next(job.schedule.after(max(now_s, from_s))) + job.jitter_s
        if job.marks != before:
            self._keep(job.trigger_id, job.text, job.marks)

    def _busy(self, job: Job) -> bool:
        """Whether an event of this schedule is on its way, or its run goes on."""
        try:
            return bool(self._book.waiting(job.trigger_id)) or job.events.unfinished() > 0
        except StrongroomError as error:
            self._log.warning("schedule %s: the host does not say what runs: %s", job.trigger_id, error)
            return True

    def _keep(self, trigger_id: str, text: str, marks: Marks) -> None:
        # After the event and not with it: what is fired twice after a crash has the same id, and is one run.
        kept = {
            "schedule": text,
            "done_s": marks.done_s,
            "before_s": marks.before_s,
            "left_out_s": marks.left_out_s,
        }
        self._store.put(KEY + trigger_id, json.dumps(kept).encode())
