"""The desk that keeps active workflows registered with their triggers.

All subscriptions of a workflow are registered at once, and one that fails takes the others back: a workflow that hears
half of what it asked for is worse than one that visibly waits. It is tried again until it works, unless the trigger
said that the subscription itself is wrong. Source: contracts, "cre-guest" section 16.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from strongroom.engine.host import EngineHost
from strongroom.engine.later import Later
from strongroom.engine.specs import ACTIVE, Spec, TamperedSpec
from strongroom.engine.subscription import Acceptance, Subscription, SubscriptionReport, SubscriptionState
from strongroom.errors import CapabilityError, StrongroomError
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.plugin.error_text import error_of, readable
from strongroom.registry.triggers import Subscriber
from strongroom.registry.workers import Workers
from strongroom.storage import trigger_runs
from strongroom.telemetry import logs

__all__ = ["Trigger", "TriggerDesk"]

RETRY_MIN_S: Final = 12.0
RETRY_MAX_S: Final = 300.0
"""The reference's figures. It gives up after 100 attempts; a look every five minutes costs nothing, so we do not."""
WORKFLOWS_AT_ONCE: Final = 8
"""Workflows that are registered side by side, at a start with many of them."""
REGISTRATIONS_AT_ONCE: Final = 64
PAGE: Final = 100
FINAL_NAMES: Final = frozenset({"InvalidArgument", "LimitExceeded", "OutOfRange", "PermissionDenied", "Unimplemented"})
"""With the origin User: the trigger understood the subscription and will say the same of it for ever."""

log = logs.get("engine")


class Trigger(Protocol):
    """A handle on a trigger capability, as the registry gives it."""

    def register(
        self,
        request: capabilities_pb2.TriggerRegistrationRequest,
        subscriber: Subscriber,
        *,
        timeout_s: float,
    ) -> None:
        """Start delivering. Raises ``CapabilityError``."""

    def pause(self, request: capabilities_pb2.TriggerRegistrationRequest) -> None:
        """Stop delivering; the trigger keeps what it has."""

    def unregister(self, request: capabilities_pb2.TriggerRegistrationRequest) -> None:
        """Stop delivering for good; the trigger forgets what it kept."""

    def ack(self, trigger_id: str, event_id: str, method: str) -> None:
        """Confirm one event. Raises ``CapabilityError``."""


class Triggers(Protocol):
    """The registry, as the desk needs it."""

    def get_trigger(self, capability_id: str) -> Trigger:
        """Raises ``NotFound`` or ``InvalidInput``."""


@dataclass(eq=False)
class _Enrolment:
    """One workflow at the desk. ``lock`` is held while its registrations change."""

    spec: Spec
    lock: threading.Lock = field(default_factory=threading.Lock)
    subscriptions: list[Subscription] = field(default_factory=list)
    wanted: bool = False
    attempts: int = 0
    epoch: int = 0


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
        self._enrolments: dict[str, _Enrolment] = {}
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
        enrolment = self._enrolment(spec)
        with enrolment.lock:
            enrolment.spec, enrolment.wanted, enrolment.attempts = spec, True, 0
            enrolment.epoch += 1
            self._register_all(enrolment)

    def pause(self, spec: Spec) -> None:
        """Take no more events of a workflow. Its triggers keep what they have until ``enrol``."""
        enrolment = self._enrolment(spec)
        self._end(enrolment, lambda trigger, request: trigger.pause(request), SubscriptionState.PAUSED)

    def forget(self, workflow_id: str, spec: Spec | None = None) -> None:
        """The workflow is gone: its triggers forget it too. ``spec`` helps where this desk has not met it yet."""
        enrolment = self._enrolments.get(workflow_id) if spec is None else self._enrolment(spec)
        if enrolment is None:
            return
        self._end(enrolment, lambda trigger, request: trigger.unregister(request), SubscriptionState.UNREGISTERED)
        with self._lock:
            self._enrolments.pop(workflow_id, None)

    def report(self, workflow_id: str) -> list[SubscriptionReport]:
        """How the subscriptions of a workflow stand, in the guest's order; empty for one that is not known here."""
        enrolment = self._enrolments.get(workflow_id)
        return [] if enrolment is None else [each.report() for each in enrolment.subscriptions]

    def close(self) -> None:
        """Take no more events. Triggers keep theirs; nothing is unregistered for good."""
        with self._lock:
            self._closed = True
            enrolments = list(self._enrolments.values())
        self._later.close()
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
        enrolment = self._enrolment(spec)
        with enrolment.lock:
            if enrolment.epoch or self._closed:
                return
            enrolment.epoch = 1
            if spec.row.status == ACTIVE:
                enrolment.wanted = True
                self._register_all(enrolment)
            else:
                for subscription in enrolment.subscriptions:
                    subscription.move(SubscriptionState.PAUSED)

    def _enrolment(self, spec: Spec) -> _Enrolment:
        with self._lock:
            known = self._enrolments.get(spec.workflow_id)
            if known is None:
                known = self._enrolments[spec.workflow_id] = _Enrolment(spec)
                known.subscriptions = [self._subscription(spec, index) for index in range(len(spec.subscriptions))]
            return known

    def _subscription(self, spec: Spec, index: int) -> Subscription:
        wish = spec.subscriptions[index]

        def ack(event_id: str) -> None:
            self._triggers.get_trigger(wish.id).ack(_trigger_id(spec, index), event_id, wish.method)

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

    def _register_all(self, enrolment: _Enrolment) -> None:
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
            for subscription in enrolment.subscriptions:
                subscription.move(SubscriptionState.REGISTERED)
            enrolment.attempts = 0
            return
        self._take_back(enrolment, errors)

    def _register(self, enrolment: _Enrolment, index: int, until: float) -> None:
        trigger = self._triggers.get_trigger(enrolment.spec.subscriptions[index].id)
        left_s = max(0.001, until - time.monotonic())
        trigger.register(self._request(enrolment.spec, index), enrolment.subscriptions[index], timeout_s=left_s)

    def _take_back(self, enrolment: _Enrolment, errors: list[CapabilityError | None]) -> None:
        spec = enrolment.spec
        failed = next(index for index, error in enumerate(errors) if error is not None)
        final = any(error is not None and _is_final(error) for error in errors)
        for index, error in enumerate(errors):
            subscription = enrolment.subscriptions[index]
            subscription.stop()
            if error is None:
                self._quietly(spec, index, lambda trigger, request: trigger.pause(request))
                subscription.move(SubscriptionState.DEGRADED, f"trigger {failed} was not registered, so none was")
            else:
                tail = "; it is not tried again until the workflow is activated again" if _is_final(error) else ""
                subscription.move(SubscriptionState.DEGRADED, f"{readable(error)}{tail}")
                log.warning(
                    "a trigger was not registered",
                    extra={"workflow_id": spec.workflow_id, "trigger_index": index, "why": readable(error)},
                )
        if not final:
            enrolment.attempts += 1
            wait_s = min(self._retry_min_s * 2.0 ** min(enrolment.attempts - 1, 10), RETRY_MAX_S)
            epoch = enrolment.epoch
            self._later.do(partial(self._try_again, enrolment, epoch), delay_s=wait_s)

    def _try_again(self, enrolment: _Enrolment, epoch: int) -> None:
        with enrolment.lock:
            if enrolment.wanted and enrolment.epoch == epoch and not self._closed:
                self._register_all(enrolment)

    def _end(
        self,
        enrolment: _Enrolment,
        how: Callable[[Trigger, capabilities_pb2.TriggerRegistrationRequest], None],
        state: SubscriptionState,
    ) -> None:
        # Before the lock: whoever waits to deliver goes away at once, however long a registration still takes.
        for subscription in enrolment.subscriptions:
            subscription.stop()
        with enrolment.lock:
            enrolment.wanted = False
            enrolment.epoch += 1
            for index, subscription in enumerate(enrolment.subscriptions):
                subscription.stop()
                self._quietly(enrolment.spec, index, how)
                subscription.move(state)

    def _quietly(
        self, spec: Spec, index: int, how: Callable[[Trigger, capabilities_pb2.TriggerRegistrationRequest], None]
    ) -> None:
        """Tell a trigger to stop. One that cannot be told is not believed any more, so its events are not taken."""
        try:
            how(self._triggers.get_trigger(spec.subscriptions[index].id), self._request(spec, index))
        except StrongroomError as error:
            log.info(
                "a trigger could not be told to stop",
                extra={"workflow_id": spec.workflow_id, "trigger_index": index, "why": str(error)},
            )

    def _request(self, spec: Spec, index: int) -> capabilities_pb2.TriggerRegistrationRequest:
        wish = spec.subscriptions[index]
        metadata = self._host.metadata(spec, "")
        metadata.reference_id = f"trigger_{index}"
        return capabilities_pb2.TriggerRegistrationRequest(
            triggerId=_trigger_id(spec, index), metadata=metadata, payload=wish.payload, method=wish.method
        )


def _trigger_id(spec: Spec, index: int) -> str:
    """As `cre-guest` section 13.3 writes it."""
    return f"trigger_reg_{spec.workflow_id}_{index}"


def _is_final(error: CapabilityError) -> bool:
    return error.origin == "User" and error.name in FINAL_NAMES
