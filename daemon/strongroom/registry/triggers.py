"""Registrations of one trigger capability: kept while its plugin is away, made again when it is back."""

import logging
import threading
from collections.abc import Callable
from typing import Final, Protocol

from strongroom.errors import CapabilityError
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.plugin.dispatch import TriggerSink
from strongroom.plugin.error_text import error_of, readable

__all__ = ["Registrations", "Subscriber", "TriggerBackend"]

# A plugin that just came back may need a moment; later attempts are rare enough to cost nothing.
RETRY_MIN_S: Final = 1.0
RETRY_MAX_S: Final = 60.0
REGISTER_TIMEOUT_S: Final = 30.0
# A workflow has few triggers; this many for one capability is a leak of the caller.
REGISTRATIONS_MAX: Final = 10_000

log = logging.getLogger(__name__)


class Subscriber(Protocol):
    """Who receives the events of one registration. Called from threads of the registry."""

    def event(self, event: capabilities_pb2.TriggerEvent) -> None:
        """Take one event."""

    def failed(self, error: CapabilityError) -> None:
        """Count and show an event that could not be made."""

    def degraded(self, why: str) -> None:
        """No events come now. The registration is kept and made again as soon as that is possible."""

    def restored(self) -> None:
        """Events come again."""


class TriggerBackend(Protocol):
    """A trigger capability of one plugin, in process or behind a channel."""

    def register(
        self, request: capabilities_pb2.TriggerRegistrationRequest, sink: TriggerSink, *, timeout_s: float
    ) -> None:
        """Start one registration. Raises ``CapabilityError``."""

    def unregister(self, request: capabilities_pb2.TriggerRegistrationRequest) -> None:
        """Stop one registration."""

    def ack(self, trigger_id: str, event_id: str, method: str) -> None:
        """Confirm one event."""


class _Kept:
    """One registration, and the sink that its backend delivers into."""

    def __init__(self, request: capabilities_pb2.TriggerRegistrationRequest, subscriber: Subscriber) -> None:
        self.request = request
        self.subscriber = subscriber

    def event(self, event: capabilities_pb2.TriggerEvent) -> None:
        self.subscriber.event(event)

    def failed(self, error: CapabilityError) -> None:
        self.subscriber.failed(error)

    def ended(self, why: str) -> None:
        self.subscriber.degraded(why)


class Registrations:
    """Kept by trigger id; a second registration with the same id replaces the first."""

    def __init__(self, capability_id: str, current: Callable[[], TriggerBackend | None]) -> None:
        self._capability_id = capability_id
        self._current = current
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def register(
        self, request: capabilities_pb2.TriggerRegistrationRequest, subscriber: Subscriber, *, timeout_s: float
    ) -> None:
        """Start delivering. Raises ``CapabilityError``; what was refused is not kept."""
        backend = self._backend()
        with self._lock:
            if len(self._kept) >= REGISTRATIONS_MAX and request.triggerId not in self._kept:
                raise CapabilityError(
                    "Public",
                    "System",
                    "LimitExceeded",
                    f"{self._capability_id}: {REGISTRATIONS_MAX} registrations, the limit (REGISTRATIONS_MAX)",
                )
        kept = _Kept(request, subscriber)
        backend.register(request, kept, timeout_s=timeout_s)
        with self._lock:
            self._kept[request.triggerId] = kept

    def unregister(self, request: capabilities_pb2.TriggerRegistrationRequest) -> None:
        """Stop delivering. What is not registered needs no stopping."""
        with self._lock:
            kept = self._kept.pop(request.triggerId, None)
        backend = self._current()
        if kept is not None and backend is not None:
            backend.unregister(request)

    def ack(self, trigger_id: str, event_id: str, method: str) -> None:
        """Confirm one event. Raises ``CapabilityError``."""
        self._backend().ack(trigger_id, event_id, method)

    def lost(self, why: str) -> None:
        """Tell every subscriber that the capability is away."""
        for kept in self._all():
            kept.subscriber.degraded(why)

    def rebind(self, backend: TriggerBackend) -> None:
        """Register everything again with ``backend``, in the background, until it succeeds or another one comes."""
        if self._all():
            threading.Thread(target=self._register_again, args=(backend,), name="trigger-rebind", daemon=True).start()

    def _register_again(self, backend: TriggerBackend) -> None:
        waiting = {kept.request.triggerId: kept for kept in self._all()}
        wait_s = RETRY_MIN_S
        pause = threading.Event()
        while waiting and self._current() is backend:
            for trigger_id, kept in list(waiting.items()):
                with self._lock:
                    if self._kept.get(trigger_id) is not kept:
                        del waiting[trigger_id]
                        continue
                try:
                    backend.register(kept.request, kept, timeout_s=REGISTER_TIMEOUT_S)
                except Exception as raised:
                    why = readable(error_of(raised))
                    log.warning("trigger %s of %s is not registered again: %s", trigger_id, self._capability_id, why)
                    kept.subscriber.degraded(why)
                else:
                    del waiting[trigger_id]
                    kept.subscriber.restored()
            if waiting:
                pause.wait(wait_s)
                wait_s = min(wait_s * 2, RETRY_MAX_S)

    def _all(self) -> list[_Kept]:
        with self._lock:
            return list(self._kept.values())

    def _backend(self) -> TriggerBackend:
        backend = self._current()
        if backend is None:
            raise CapabilityError("Public", "System", "Unavailable", "capability unavailable")
        return backend
