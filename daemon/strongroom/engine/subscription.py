"""One subscription of one workflow: its events become runs, make the trigger wait, or are refused where it can be seen.

An event is confirmed to its trigger after its run is on disk and never before, so a trigger that keeps its events loses
none. What is confirmed once is known by (workflow id, trigger index, event id) and starts no second run.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from google.protobuf import any_pb2

from strongroom.engine.specs import ACTIVE, Spec
from strongroom.engine.subscription_states import SubscriptionEvent, SubscriptionState, step
from strongroom.errors import (
    CapabilityError,
    Internal,
    InvalidInput,
    LimitExceeded,
    NotFound,
    StorageFault,
    StrongroomError,
    Unavailable,
    WrongState,
)
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.plugin.capability import EVENT_ID_BYTES_MAX
from strongroom.plugin.error_text import error_of, readable
from strongroom.storage.runs import RunRow
from strongroom.telemetry import logs

__all__ = ["Acceptance", "Subscription", "SubscriptionReport"]

REASON_CHARACTERS_MAX: Final = 500
"""A reason is a sentence; what a plugin writes beyond that helps nobody."""
# How soon a full host is asked again: soon enough that no runner idles, rare enough to cost nothing.
ROOM_WAIT_S: Final = 0.02
ROOM_WAIT_MAX_S: Final = 0.25
STORE_WAIT_S: Final = 0.2
STORE_WAIT_MAX_S: Final = 2.0
# What acceptance says when the record is not the one any more that the registration was made under.
MOVED_ON: Final = frozenset({"SR-RUN-021", "SR-WF-001", "SR-WF-002"})
EXPLAINED: Final = frozenset({SubscriptionState.DEGRADED, SubscriptionState.BY_HAND})
"""States that are shown with their reason."""
REFUSALS_LOGGED: Final = 100
"""A trigger that sends nothing but rubbish must not fill the log: after so many only every power of two is a line."""

log = logs.get("engine")


class Acceptance(Protocol):
    """What the engine does with an event."""

    def accept(self, spec: Spec, trigger_index: int, event_id: str, payload: any_pb2.Any) -> tuple[RunRow, bool]:
        """The run of an event, on disk when this returns, and whether it is new."""

    def unstarted(self, workflow_id: str) -> int:
        """Accepted runs of a workflow that wait for their execution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionReport:
    """One subscription as operators see it. Counts are since the start of this host; times are Unix milliseconds.

    ``final`` means that its trigger refused it and is not asked again until somebody changes something.
    """

    index: int
    capability_id: str
    state: SubscriptionState
    reason: str
    final: bool
    accepted: int
    repeated: int
    refused: int
    last_event_ms: int
    last_refusal: str


class Subscription:
    """Takes the events of one registration, from whatever thread the registry delivers them on."""

    def __init__(
        self,
        spec: Spec,
        index: int,
        runs: Acceptance,
        ack: Callable[[str], None],
        record: Callable[[], Spec | None],
        unfinished: Callable[[], int],
        *,
        payload_bytes_max: int,
        queued_max: int,
    ) -> None:
        """``ack(event_id)`` confirms an event to its trigger; ``record()`` reads the workflow's record again;
        ``unfinished()`` counts runs of this subscription that have not ended."""
        self._spec = spec
        self._index = index
        self._runs = runs
        self._ack = ack
        self._record = record
        self._unfinished = unfinished
        self._payload_bytes_max = payload_bytes_max
        self._queued_max = queued_max
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._state = SubscriptionState.UNREGISTERED
        self._reason = ""
        self._final = False
        self._waits = ""
        self._accepted = self._repeated = self._refused = self._last_event_ms = 0
        self._last_refusal = ""

    def move(self, event: SubscriptionEvent, reason: str = "", *, final: bool = False) -> None:
        """Note what happened, and why where that is of interest."""
        with self._lock:
            self._state = step(self._state, event)
            self._reason = _shown(reason) if self._state in EXPLAINED else ""
            self._final = final

    def stop(self) -> None:
        """Take nothing more; whoever waits to deliver goes away with an event that is not confirmed."""
        self._stopped.set()

    def go_on(self, spec: Spec) -> None:
        """Take events again, under the record as it stands now."""
        self._spec = spec
        self._stopped.clear()

    def report(self) -> SubscriptionReport:
        """How it stands."""
        with self._lock:
            return SubscriptionReport(
                index=self._index,
                capability_id=self._spec.subscriptions[self._index].id,
                state=self._state,
                reason=self._reason or self._waits,
                final=self._final,
                accepted=self._accepted,
                repeated=self._repeated,
                refused=self._refused,
                last_event_ms=self._last_event_ms,
                last_refusal=self._last_refusal,
            )

    # What the registry calls.

    def event(self, event: capabilities_pb2.TriggerEvent) -> None:
        """Accept one event and confirm it. Returns late while the workflow has enough to do: that is the push back."""
        if self._stopped.is_set():
            return
        with self._lock:
            self._last_event_ms = time.time_ns() // 1_000_000
        try:
            self._check(event)
            created = self._accepted_run(event)
        except StrongroomError as error:
            self._refuse(f"{error.code}: {error}")
            return
        except Exception:
            # The last line of defence: a bug here must not end the thread that delivers everything else.
            log.exception("taking an event failed unexpectedly", extra=self._named())
            fault = Internal("SR-INT-003", "an internal error kept an event from its run", fix="see the daemon's log")
            self._refuse(f"{fault.code}: {fault}")
            return
        if created is None:
            return
        with self._lock:
            if created:
                self._accepted += 1
            else:
                self._repeated += 1
        try:
            self._ack(event.id)
        except Exception as raised:
            # It comes again and is found to be there already, so nothing is lost but a message.
            log.info("an event could not be confirmed", extra={**self._named(), "why": readable(error_of(raised))})

    def failed(self, error: CapabilityError) -> None:
        """Count and show an event that could not be made."""
        self._refuse(f"the trigger could not make an event: {readable(error)}")

    def unfinished(self) -> int:
        """How many runs of this subscription have not ended."""
        return self._unfinished()

    def degraded(self, why: str) -> None:
        """No events come now; the registry makes the registration again."""
        self.move(SubscriptionEvent.LOST, why)

    def restored(self) -> None:
        """Events come again."""
        self.move(SubscriptionEvent.RESTORED)

    def _check(self, event: capabilities_pb2.TriggerEvent) -> None:
        """Raises ``InvalidInput`` or ``LimitExceeded`` for an event that can never become a run."""
        id_bytes = len(event.id.encode())
        if not 1 <= id_bytes <= EVENT_ID_BYTES_MAX or not event.id.isprintable():
            raise InvalidInput(
                "SR-TRIG-001",
                "the event has no usable id",
                why=f"it has {id_bytes} bytes; 1 to {EVENT_ID_BYTES_MAX} are allowed, all of them printable",
                field="id",
            )
        size = event.payload.ByteSize()
        if size > self._payload_bytes_max:
            raise LimitExceeded(
                "SR-TRIG-002",
                f"the payload of the event is {size} bytes, more than {self._payload_bytes_max}",
                fix="send a reference to large data instead",
                size=size,
                limit=self._payload_bytes_max,
                setting="limits.payload_bytes_max",
            )

    def _accepted_run(self, event: capabilities_pb2.TriggerEvent) -> bool | None:
        """Whether the event made a new run; ``None`` when this subscription takes nothing more."""
        wait_s = STORE_WAIT_S
        while self._room():
            try:
                _row, created = self._runs.accept(self._spec, self._index, event.id, event.payload)
            except (StorageFault, Unavailable) as error:
                # Not confirmed, so it is the trigger's still; the stream waits with it until the disk is back.
                self._wait(f"{error.code}: {error}", wait_s)
                wait_s = min(wait_s * 2, STORE_WAIT_MAX_S)
            except (WrongState, NotFound) as error:
                if error.code not in MOVED_ON:
                    raise
                # Paused or deleted between the delivery and the disk, unless the record was only written anew.
                record = self._record()
                if record is None or record.row.status != ACTIVE or record.row.mac == self._spec.row.mac:
                    return None
                self._spec = record
            else:
                self._waits = ""
                return created
        return None

    def _room(self) -> bool:
        """Wait until the workflow can use another event; false when this subscription takes nothing more."""
        wait_s = ROOM_WAIT_S
        while not self._stopped.is_set():
            waiting = self._runs.unstarted(self._spec.workflow_id)
            if waiting < self._queued_max:
                return True
            limit = "limits.events_queued_per_workflow_max"
            self._wait(f"{waiting} events wait for their runs ({limit}); the trigger waits too", wait_s)
            wait_s = min(wait_s * 2, ROOM_WAIT_MAX_S)
        return False

    def _wait(self, why: str, wait_s: float) -> None:
        if not self._waits:
            log.warning("events of a trigger wait", extra={**self._named(), "why": why})
        self._waits = _shown(why)
        self._stopped.wait(wait_s)

    def _refuse(self, why: str) -> None:
        why = _shown(why)
        with self._lock:
            self._refused += 1
            self._last_refusal = why
            count = self._refused
        if count <= REFUSALS_LOGGED or count & (count - 1) == 0:
            log.warning("an event was refused", extra={**self._named(), "why": why, "refused": count})

    def _named(self) -> dict[str, str | int]:
        return {"workflow_id": self._spec.workflow_id, "trigger_index": self._index}


def _shown(reason: str) -> str:
    """One line; what a plugin wrote stands in it, and may be anything."""
    return "".join(c if c.isprintable() else " " for c in reason[:REASON_CHARACTERS_MAX])
