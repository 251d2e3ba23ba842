"""Removing runs that are older than they are kept, and remembering their events for a while longer.

A run goes as a whole, with its journal, hooks and streams, and only once it has ended. A run that an event started
leaves the event's id behind until no trigger delivers it again. What failed authentication is left alone: nobody can
say how old it is.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from strongroom.engine.host import EngineHost
from strongroom.engine.journal import now_ms
from strongroom.engine.specs import Spec
from strongroom.errors import KeyMissing, StrongroomError, Tampered
from strongroom.storage import hooks, journal, runs, seen_events, stream_chunks
from strongroom.storage.database import Connection
from strongroom.storage.runs import RunRow
from strongroom.telemetry import logs

__all__ = ["Retention", "Swept"]

HOUR_MS: Final = 3_600_000
INTERVAL_S: Final = 600.0
"""Runs are kept for days; ten minutes more are nothing, and a sweep that finds nothing is two small reads."""
PAGE: Final = 200
EVENTS_PER_WRITE_MAX: Final = 2_000
"""Events that one transaction removes, unless a single run has more: nobody else can write meanwhile."""
PAUSE_S: Final = 0.02
"""Between two transactions, so that runs in progress come first."""
CLOSE_S: Final = 5.0
"""A database that does not answer keeps no host from stopping."""
log = logs.get("engine")


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep removed: runs, and events that were remembered longer than their runs."""

    runs: int
    events: int


class Retention:
    """Removes what is too old, now and then, on a thread of its own."""

    def __init__(self, host: EngineHost, *, clock_ms: Callable[[], int] = now_ms) -> None:
        self._host = host
        self._clock_ms = clock_ms
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.purged = 0
        """Runs removed since this host started."""

    def start(self) -> None:
        """Sweep from now on."""
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the transaction in progress."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def oldest_ms(self) -> int | None:
        """When the oldest run that is kept was accepted, Unix milliseconds."""
        return self._host.journals.database.read(runs.oldest)

    def sweep(self) -> Swept:
        """Remove what is too old now. Raises ``StorageFault`` or ``Unavailable``."""
        now = self._clock_ms()
        removed = 0
        for batch in _batches(self._expired(now)):
            removed += self._remove(batch, now)
            if self._stop.wait(PAUSE_S):
                break
        events = self._host.journals.database.write(lambda c: seen_events.forget_expired(c, now)).result()
        self.purged += removed
        if removed or events:
            log.info("what was older than it is kept is removed", extra={"runs": removed, "events": events})
        return Swept(removed, events)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.sweep()
            except StrongroomError as error:
                log.warning("old runs could not be removed; it is tried again", extra={"code": error.code})
            except Exception:
                # Whatever it is, runs must go on, and the next sweep may work.
                log.exception("removing old runs failed unexpectedly")
            self._stop.wait(INTERVAL_S)

    def _expired(self, now: int) -> Iterator[RunRow]:
        """Runs whose time is over at ``now``, oldest first."""
        usual_hours = self._host.limits.run_retention_hours
        kept_hours = self._hours_by_workflow()
        for row in self._finished(now - usual_hours * HOUR_MS, ""):
            hours = kept_hours.get(row.workflow_id, usual_hours)
            if hours is not None and row.finished_at < now - hours * HOUR_MS:
                yield row
        for workflow_id, hours in kept_hours.items():
            if hours is not None and hours < usual_hours:
                yield from self._finished(now - hours * HOUR_MS, workflow_id)

    def _finished(self, before_ms: int, workflow_id: str) -> Iterator[RunRow]:
        after: tuple[int, str] | None = None
        database = self._host.journals.database
        while True:
            page = database.read(
                partial(runs.finished_before, before_ms=before_ms, limit=PAGE, after=after, workflow_id=workflow_id)
            )
            yield from (row for row in page if self._authentic(row))
            if len(page) < PAGE:
                return
            after = (page[-1].created_at, page[-1].run_id)

    def _hours_by_workflow(self) -> dict[str, int | None]:
        """How long each workflow wants its runs kept; nothing for a record that cannot be read, whose runs stay."""
        hours: dict[str, int | None] = {}
        before = None
        while page := self._host.specs.page(None, before, PAGE):
            for entry in page:
                if not isinstance(entry, Spec):
                    hours[entry.untrusted_id] = None
                elif entry.attributes.retention_hours is not None:
                    hours[entry.workflow_id] = entry.attributes.retention_hours
            before = page[-1].position
        return hours

    def _authentic(self, row: RunRow) -> bool:
        try:
            self._host.journals.verified(row)
        except (Tampered, KeyMissing):
            return False
        return True

    def _remove(self, batch: Sequence[RunRow], now: int) -> int:
        memory_ms = self._host.limits.event_memory_hours * HOUR_MS

        def job(connection: Connection) -> int:
            removed = 0
            for row in batch:
                # Another host may have been faster.
                if not runs.delete(connection, row.run_id):
                    continue
                journal.delete(connection, row.run_id)
                hooks.delete(connection, row.run_id)
                stream_chunks.delete(connection, row.run_id)
                # A run that was started by hand has its own id for an event, which nobody delivers again.
                if row.event_id != row.run_id:
                    seen_events.put(
                        connection,
                        row.workflow_id,
                        row.trigger_index,
                        row.event_id,
                        run_id=row.run_id,
                        expires_at=now + memory_ms,
                    )
                removed += 1
            return removed

        return self._host.journals.database.write(job).result()


def _batches(rows: Iterator[RunRow]) -> Iterator[list[RunRow]]:
    batch: list[RunRow] = []
    events = 0
    for row in rows:
        batch.append(row)
        events += row.head_index + 1
        if events >= EVENTS_PER_WRITE_MAX or len(batch) >= PAGE:
            yield batch
            batch, events = [], 0
    if batch:
        yield batch
