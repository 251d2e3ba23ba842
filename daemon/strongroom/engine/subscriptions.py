"""The desk that keeps active workflows registered with their triggers.

All subscriptions of a workflow are registered at once, and one that fails takes the others back: a workflow that hears
half of what it asked for is worse than one that visibly waits. It is tried again until it works, unless the trigger
said that the subscription itself is wrong. Source: contracts, "cre-guest" section 16.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from strongroom.engine.enrolment import Enrolment, Trigger, Triggers, degraded, is_final, refusal, trigger_id
from strongroom.engine.host import EngineHost
from strongroom.engine.later import Later
from strongroom.engine.specs import ACTIVE, Spec, TamperedSpec
from strongroom.engine.subscription import Acceptance, Subscription, SubscriptionReport
from strongroom.engine.subscription_states import SubscriptionEvent
from strongroom.engine.triggers import only_by_hand
from strongroom.errors import CapabilityError, KeyMissing, StrongroomError, Tampered
from strongroom.guest.ids import trigger_reference_id
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.plugin.error_text import error_of
from strongroom.registry.workers import Workers
from strongroom.storage import trigger_runs
from strongroom.telemetry import logs

__all__ = ["TriggerDesk"]

RETRY_MIN_S: Final = 12.0
RETRY_MAX_S: Final = 300.0
"""The reference's figures. It gives up after 100 attempts; a look every five minutes costs nothing, so we do not."""
WORKFLOWS_AT_ONCE: Final = 8
"""Workflows that are registered side by side, at a start with many of them."""
REGISTRATIONS_AT_ONCE: Final = 64
PAGE: Final = 100
log = logs.get("engine")


class TriggerDesk:
    """Registers, pauses and forgets the subscriptions of workflows, and tells how they stand. Safe for any thread."""

    def __init__(
        self, host: EngineHost, runs: Acceptance, triggers: Triggers, *, retry_min_s: float = RETRY_MIN_S
    ) -> None:
        """``retry_min_s`` is the first pause after a registration that failed; pauses double up to ``RETRY_MAX_S``."""
        self._host = host
        self._retry_min_s = retry_min_s
        self._runs = runs
        self._triggers = triggers
        self._lock = threading.Lock()
        self._enrolments: dict[str, Enrolment] = {}
        self._closed = False
        self._later = Later("trigger-enrolment", WORKFLOWS_AT_ONCE)
        self._registering = Workers("trigger-registration", REGISTRATIONS_AT_ONCE)

    def open(self) -> None:
        """Begin to register every active workflow again; returns at once."""
        self._later.do(self._enrol_all)

    def enrol(self, spec: Spec) -> None:
        """Register every subscription of an active workflow; when that fails it shows as degraded and is tried again.

        Returns after at most ``limits.trigger_registrations_timeout_ms`` and a little.
        """
        with self._held(spec) as (enrolment, record):
            if record is not None and record.row.status == ACTIVE:
                self._register_anew(enrolment, record)

    def pause(self, spec: Spec) -> None:
        """Take no more events of a workflow. Its triggers keep what they have until ``enrol``."""
        self._hush(spec.workflow_id)
        with self._held(spec) as (enrolment, record):
            if record is not None and record.row.status == ACTIVE:
                # Activated since; its subscriptions were told to take nothing more a moment ago.
                self._register_anew(enrolment, record)
            elif record is not None or enrolment.epoch:
                self._end(enrolment, lambda trigger, request: trigger.pause(request), SubscriptionEvent.PAUSED)

    def forget(self, workflow_id: str, spec: Spec | None = None) -> None:
        """The workflow is gone: its triggers forget it too. ``spec`` helps where this desk has not met it yet."""
        known = self._enrolments.get(workflow_id)
        spec = spec or (known.spec if known is not None else None)
        if spec is None:
            return
        self._hush(workflow_id)
        with self._held(spec) as (enrolment, record):
            self._end(enrolment, lambda trigger, request: trigger.unregister(request), SubscriptionEvent.FORGOTTEN)
            with self._lock:
                self._enrolments.pop(workflow_id, None)
        if record is not None:
            # Registered again since, perhaps with other triggers.
            self.enrol(record)

    def report(self, workflow_id: str) -> list[SubscriptionReport]:
        """How the subscriptions of a workflow stand, in the guest's order; empty for one that is not known here."""
        enrolment = self._enrolments.get(workflow_id)
        return [] if enrolment is None else [each.report() for each in enrolment.subscriptions]

    def degraded(self) -> list[tuple[str, SubscriptionReport]]:
        """Subscriptions that should hear events and do not, each with the name of its workflow."""
        return degraded(list(self._enrolments.values()))

    def close(self) -> None:
        """Take no more events. Triggers keep theirs; nothing is unregistered for good."""
        with self._lock:
            self._closed = True
            enrolments = list(self._enrolments.values())
        self._later.close()
        self._registering.close()
        for enrolment in enrolments:
            for subscription in enrolment.subscriptions:
                subscription.stop()

    def _enrol_all(self) -> None:
        before = None
        while page := self._host.specs.page(None, before, PAGE):
            for spec in page:
                # A record that failed authentication is listed as such, and nothing of it is routed.
                if not isinstance(spec, TamperedSpec):
                    self._later.do(partial(self._found, spec))
            before = page[-1].position

    def _found(self, spec: Spec) -> None:
        """A workflow of before the start; unless somebody was here with news of it."""
        with self._held(spec) as (enrolment, record):
            if enrolment.epoch or self._closed or record is None:
                return
            if record.row.status == ACTIVE:
                self._register_anew(enrolment, record)
            else:
                enrolment.epoch = 1
                for subscription in enrolment.subscriptions:
                    subscription.move(SubscriptionEvent.PAUSED)

    def _enrolment(self, spec: Spec) -> Enrolment:
        with self._lock:
            known = self._enrolments.get(spec.workflow_id)
            if known is None:
                known = self._enrolments[spec.workflow_id] = Enrolment(spec)
                known.subscriptions = [self._subscription(spec, index) for index in range(len(spec.subscriptions))]
            return known

    @contextmanager
    def _held(self, spec: Spec) -> Iterator[tuple[Enrolment, Spec | None]]:
        """The enrolment of a workflow with its lock, and the workflow's record as it stands now.

        Whoever changes a record comes here afterwards, in any order; so the record decides, and not who comes last.
        """
        while True:
            enrolment = self._enrolment(spec)
            with enrolment.lock:
                if self._enrolments.get(spec.workflow_id) is not enrolment:
                    continue  # forgotten while its lock was waited for
                try:
                    yield enrolment, self._standing(spec)
                finally:
                    if not enrolment.epoch:
                        # Nobody registered it, and it may be gone; who comes next makes it again.
                        with self._lock:
                            self._enrolments.pop(spec.workflow_id, None)
                return

    def _standing(self, spec: Spec) -> Spec | None:
        """The record of a workflow now; nothing when it is gone, or cannot be believed."""
        try:
            return self._host.specs.get(spec.workflow_id)
        except (Tampered, KeyMissing):
            return None
        except StrongroomError:
            # The database does not say: what it said last holds.
            return spec

    def _hush(self, workflow_id: str) -> None:
        """Before its lock is waited for: whoever waits to deliver goes away, however long a registration takes."""
        known = self._enrolments.get(workflow_id)
        for subscription in known.subscriptions if known is not None else ():
            subscription.stop()

    def _register_anew(self, enrolment: Enrolment, record: Spec) -> None:
        """Register under ``record``, whatever was tried before. Called with the enrolment's lock."""
        enrolment.spec, enrolment.wanted, enrolment.attempts = record, True, 0
        enrolment.epoch += 1
        self._register_all(enrolment)

    def _subscription(self, spec: Spec, index: int) -> Subscription:
        wish = spec.subscriptions[index]

        def ack(event_id: str) -> None:
            self._triggers.get_trigger(wish.id).ack(trigger_id(spec, index), event_id, wish.method)

        return Subscription(
            spec,
            index,
            self._runs,
            ack,
            lambda: self._host.specs.get(spec.workflow_id),
            lambda: self._unfinished(spec.workflow_id, index),
            payload_bytes_max=self._host.limits.payload_bytes_max,
            queued_max=self._host.limits.events_queued_per_workflow_max,
        )

    def _unfinished(self, workflow_id: str, index: int) -> int:
        return self._host.journals.database.read(lambda c: trigger_runs.count_unfinished(c, workflow_id, index))

    def _register_all(self, enrolment: Enrolment) -> None:
        """Register all, or none. Called with the enrolment's lock."""
        spec = enrolment.spec
        until = time.monotonic() + self._host.limits.trigger_registrations_timeout_ms / 1000
        for subscription in enrolment.subscriptions:
            subscription.go_on(spec)
        waiting = [
            self._registering.submit(partial(self._register, enrolment, index, until))
            for index in range(len(enrolment.subscriptions))
        ]
        errors = [error_of(raised) if (raised := future.exception()) else None for future in waiting]
        if not any(errors):
            enrolment.attempts = 0
            return
        self._take_back(enrolment, errors)

    def _register(self, enrolment: Enrolment, index: int, until: float) -> None:
        if by_hand := only_by_hand(enrolment.spec.subscriptions[index]):
            enrolment.subscriptions[index].move(SubscriptionEvent.BY_HAND, by_hand)
            return
        trigger = self._triggers.get_trigger(enrolment.spec.subscriptions[index].id)
        left_s = max(0.001, until - time.monotonic())
        subscription = enrolment.subscriptions[index]
        trigger.register(self._request(enrolment.spec, index), subscription, timeout_s=left_s)
        subscription.move(SubscriptionEvent.REGISTERED)
        if not trigger.entry.available:  # lost before it could be shown as registered
            subscription.degraded("capability unavailable")

    def _take_back(self, enrolment: Enrolment, errors: list[CapabilityError | None]) -> None:
        spec = enrolment.spec
        failed = next(index for index, error in enumerate(errors) if error is not None)
        final = any(error is not None and is_final(error) for error in errors)
        for index, error in enumerate(errors):
            subscription = enrolment.subscriptions[index]
            subscription.stop()
            if error is None and not only_by_hand(spec.subscriptions[index]):
                self._quietly(spec, index, lambda trigger, request: trigger.pause(request))
                why = f"trigger {failed} was not registered, so none was"
                subscription.move(SubscriptionEvent.REFUSED, why, final=final)
            elif error is not None:
                subscription.move(SubscriptionEvent.REFUSED, refusal(error), final=final)
                # Without the words of whoever refused it, which may quote what the guest asked for.
                log.warning(
                    "a trigger was not registered",
                    extra={"workflow_id": spec.workflow_id, "trigger_index": index, "why": error.name},
                )
        if not final:
            enrolment.attempts += 1
            wait_s = min(self._retry_min_s * 2.0 ** min(enrolment.attempts - 1, 10), RETRY_MAX_S)
            epoch = enrolment.epoch
            self._later.do(partial(self._try_again, enrolment, epoch), delay_s=wait_s)

    def _try_again(self, enrolment: Enrolment, epoch: int) -> None:
        with enrolment.lock:
            if enrolment.wanted and enrolment.epoch == epoch and not self._closed:
                self._register_all(enrolment)

    def _end(
        self,
        enrolment: Enrolment,
        how: Callable[[Trigger, capabilities_pb2.TriggerRegistrationRequest], None],
        event: SubscriptionEvent,
    ) -> None:
        """Called with the enrolment's lock."""
        enrolment.wanted = False
        enrolment.epoch += 1
        for index, subscription in enumerate(enrolment.subscriptions):
            subscription.stop()
            self._quietly(enrolment.spec, index, how)
            subscription.move(event)

    def _quietly(
        self, spec: Spec, index: int, how: Callable[[Trigger, capabilities_pb2.TriggerRegistrationRequest], None]
    ) -> None:
        """Tell a trigger to stop. One that cannot be told is not believed any more, so its events are not taken."""
        if only_by_hand(spec.subscriptions[index]):  # it was never told to start
            return
        try:
            how(self._triggers.get_trigger(spec.subscriptions[index].id), self._request(spec, index))
        except StrongroomError as error:
            log.info(
                "a trigger could not be told to stop",
                extra={"workflow_id": spec.workflow_id, "trigger_index": index, "why": error_of(error).name},
            )

    def _request(self, spec: Spec, index: int) -> capabilities_pb2.TriggerRegistrationRequest:
        wish = spec.subscriptions[index]
        metadata = self._host.metadata(spec, "")
        metadata.reference_id = trigger_reference_id(index)
        return capabilities_pb2.TriggerRegistrationRequest(
            triggerId=trigger_id(spec, index), metadata=metadata, payload=wish.payload, method=wish.method
        )
