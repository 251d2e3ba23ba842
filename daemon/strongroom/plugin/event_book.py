"""Events of triggers that are kept until the host has confirmed them: delivery at least once, for every author.

    book = EventBook(host.store, log=host.log)            # in start(host)
    TriggerMethod(register=register, ack=book.ack, forget=book.forget)

    def register(registration, events):
        ...                                               # refuse what is wrong before this line
        return book.attach(registration.trigger_id, events)

    book.add(registration.trigger_id, event_id, payload)  # on disk when it returns; a thread of the book sends it

What is not confirmed is sent again after 30 s, then ever more rarely: 20 times in the day that an event is kept, and
all of it anew when the registration comes back after a pause or a restart. The host knows an event by its id for longer
than that, so an event that is sent twice is one run. What could not be delivered in a day is given up, and the host is
told of it as a failed event. Source: contracts, "capability-wire" section 19, whose pauses do not grow.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from google.protobuf import any_pb2
from google.protobuf.message import Message

from strongroom.errors import CapabilityError, LimitExceeded
from strongroom.plugin.capability import Events, pack
from strongroom.plugin.event_rows import EventRows, key_of, now_ms
from strongroom.plugin.host import Store

__all__ = ["EventBook", "Redelivery"]

CLEAN_EVERY_S: Final = 3600.0
DOUBLINGS_MAX: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Redelivery:
    """How often and how long. The first pause is ``after_s``; each next one is twice as long, up to ``after_max_s``.

    ``attempts_max`` 0 means no bound but ``keep_s``. Of one trigger at most ``resends_max`` events are sent again in a
    row, with ``tick_s`` between such rows. ``events_max`` is for one trigger: an author whose source cannot wait must
    refuse to take more.
    """

    after_s: float = 30.0
    after_max_s: float = 7200.0
    attempts_max: int = 20
    keep_s: float = 86_400.0
    resends_max: int = 20
    tick_s: float = 0.1
    events_max: int = 1000


@dataclass(slots=True, eq=False)
class _Row:
    """One event. ``born_s`` is on the monotonic clock, so that a jump of the other one ages nothing."""

    born_s: float
    payload: any_pb2.Any | None = field(default=None, repr=False)
    due_s: float = 0.0
    attempts: int = 0
    stored: bool = False


@dataclass(slots=True, eq=False)
class _Line:
    """The events of one trigger id, oldest first, and who sends them."""

    rows: dict[str, _Row] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)
    loaded: bool = False
    events: Events | None = None
    sender: threading.Thread | None = None


class EventBook:
    """The unconfirmed events of one plugin. Safe for any thread; each function may raise what the store raises."""

    def __init__(
        self,
        store: Store,
        *,
        log: logging.Logger,
        redelivery: Redelivery | None = None,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        """``clock_ms`` is Unix time; the age of events that an earlier process left is taken from it."""
        self._kept = EventRows(store, clock_ms)
        self._log = log
        self._rules = redelivery or Redelivery()
        self._lock = threading.Lock()
        self._lines: dict[str, _Line] = {}
        self._clean_from_s = 0.0

    def attach(self, trigger_id: str, events: Events) -> Callable[[], None]:
        """Deliver the events of a registration into ``events``, those that are kept first.

        Returns the function that stops it; stopping forgets nothing.
        """
        line = self._line(trigger_id)
        with line.changed:
            line.events, line.sender = events, None
            for row in line.rows.values():
                row.due_s, row.attempts = 0.0, 0
            self._start_sender(trigger_id, line)
        self._clean()

        def stop() -> None:
            with line.changed:
                if line.events is events:
                    line.events = None
                    line.changed.notify_all()

        return stop

    def add(self, trigger_id: str, event_id: str, payload: Message) -> bool:
        """Keep an event and have it sent; it is on disk when this returns. False when it was there before.

        Raises ``InvalidInput`` for an id that the host would refuse, ``LimitExceeded`` while too many are unconfirmed.
        """
        key_of(trigger_id, event_id)
        packed = any_pb2.Any()
        pack(packed, payload)
        line = self._line(trigger_id)
        row = _Row(born_s=time.monotonic(), payload=packed)
        with line.changed:
            while (known := line.rows.get(event_id)) is not None:
                if known.stored:
                    return False
                # Somebody is storing it now; when that fails, it is not there.
                line.changed.wait()
            if len(line.rows) >= self._rules.events_max:
                raise LimitExceeded(
                    "SR-PLUG-061",
                    f"{len(line.rows)} events of this trigger wait to be confirmed",
                    fix="deliver this event later: the host or the workflow is behind",
                    size=len(line.rows) + 1,
                    limit=self._rules.events_max,
                    setting="events_max",
                )
            line.rows[event_id] = row
        try:
            self._kept.put(trigger_id, event_id, packed)
        except BaseException:
            with line.changed:
                line.rows.pop(event_id, None)
                line.changed.notify_all()
            raise
        with line.changed:
            row.stored = True
            line.changed.notify_all()
            self._start_sender(trigger_id, line)
            is_forgotten = line.rows.get(event_id) is not row
        if is_forgotten and trigger_id not in self._lines:
            # Its trigger must not find it when it comes back as a new one.
            self._kept.remove(trigger_id, event_id)
        return True

    def ack(self, trigger_id: str, event_id: str) -> None:
        """The host has the event; one that was not sent yet will not be."""
        self._kept.remove(trigger_id, event_id)
        line = self._lines.get(trigger_id)
        if line is not None:
            with line.changed:
                line.rows.pop(event_id, None)
                line.changed.notify_all()

    def forget(self, trigger_id: str) -> None:
        """Drop every event of a trigger."""
        with self._lock:
            line = self._lines.pop(trigger_id, None)
        if line is not None:
            with line.changed:
                line.events = None
                line.rows.clear()
                line.changed.notify_all()
        self._kept.remove_trigger(trigger_id)

    def waiting(self, trigger_id: str) -> list[str]:
        """Ids of the events of a trigger that are not confirmed, the oldest first."""
        line = self._line(trigger_id)
        with line.changed:
            return list(line.rows)

    def close(self) -> None:
        """Send nothing more. What is kept is sent after the next start."""
        with self._lock:
            lines = list(self._lines.values())
        for line in lines:
            with line.changed:
                line.events = None
                line.changed.notify_all()

    def _line(self, trigger_id: str) -> _Line:
        """The line of a trigger, with what an earlier process left."""
        with self._lock:
            line = self._lines.setdefault(trigger_id, _Line())
        with line.changed:
            if not line.loaded:
                now_s = time.monotonic()
                for event_id, age_s in self._kept.of_trigger(trigger_id):
                    line.rows[event_id] = _Row(born_s=now_s - age_s, stored=True)
                line.loaded = True
        return line

    def _start_sender(self, trigger_id: str, line: _Line) -> None:
        """Each trigger that has something to send has a thread for as long as it has: one that the host makes wait must
        not make the others wait. Called with the line's lock."""
        if line.events is None or not line.rows or line.sender is not None:
            return
        arguments = (trigger_id, line, line.events)
        line.sender = threading.Thread(target=self._send_all, args=arguments, name="event-book", daemon=True)
        line.sender.start()

    def _send_all(self, trigger_id: str, line: _Line, events: Events) -> None:
        resent = 0
        while (found := self._next(line, events)) is not None:
            event_id, row = found
            resent = resent + 1 if row.attempts > 1 else 0
            try:
                if time.monotonic() - row.born_s > self._rules.keep_s:
                    self._give_up(trigger_id, event_id, line, events)
                else:
                    self._send(trigger_id, event_id, row, events)
            except Exception as raised:
                # Whatever it was (a store that is away, a host that is behind), the event stays and is due again.
                self._log.warning("event %s of %s was not sent: %s", event_id, trigger_id, raised)
            if resent >= self._rules.resends_max:
                resent = 0
                time.sleep(self._rules.tick_s)

    def _next(self, line: _Line, events: Events) -> tuple[str, _Row] | None:
        """Wait for an event that is due, and note that it is being sent; nothing when this sender has nothing to do."""
        with line.changed:
            while line.events is events and line.sender is threading.current_thread():
                if not line.rows:
                    line.sender = None
                    return None
                now_s = time.monotonic()
                ready = [(row.due_s, event_id, row) for event_id, row in line.rows.items() if row.stored]
                due_s, event_id, row = min(ready, key=lambda each: each[0], default=(None, "", None))
                if row is not None and due_s is not None and due_s <= now_s:
                    self._note_attempt(row, now_s)
                    return event_id, row
                line.changed.wait(None if due_s is None else due_s - now_s)
            return None

    def _note_attempt(self, row: _Row, now_s: float) -> None:
        rules = self._rules
        row.attempts += 1
        pause_s = min(rules.after_s * 2.0 ** min(row.attempts - 1, DOUBLINGS_MAX), rules.after_max_s)
        left_s = max(0.0, row.born_s + rules.keep_s - now_s) + rules.tick_s
        last = 0 < rules.attempts_max <= row.attempts
        row.due_s = now_s + (left_s if last else min(pause_s, left_s))

    def _send(self, trigger_id: str, event_id: str, row: _Row, events: Events) -> None:
        payload, row.payload = row.payload, None
        payload = payload or self._kept.payload(trigger_id, event_id)
        if payload is not None:  # or else it is being confirmed this very moment
            events.send(event_id, payload)

    def _give_up(self, trigger_id: str, event_id: str, line: _Line, events: Events) -> None:
        self._kept.remove(trigger_id, event_id)
        with line.changed:
            line.rows.pop(event_id, None)
        self._log.error("event %s of %s is given up: it was never confirmed", event_id, trigger_id)
        text = f"event {event_id} was not confirmed within {self._rules.keep_s:g} s and is given up"
        events.fail(CapabilityError("Public", "System", "DeadlineExceeded", text))

    def _clean(self) -> None:
        """Now and then remove what belongs to triggers that never came back."""
        with self._lock:
            if time.monotonic() < self._clean_from_s:
                return
            self._clean_from_s = time.monotonic() + CLEAN_EVERY_S
        threading.Thread(target=self._clean_all, name="event-book-clean", daemon=True).start()

    def _clean_all(self) -> None:
        try:
            self._kept.remove_old(self._rules.keep_s, but_of=self._lines)
        except Exception as raised:
            self._log.warning("old events were not removed: %s", raised)
