"""Registrations of one trigger capability: kept while its plugin is away, made again when it is back."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Protocol

from strongroom.errors import CapabilityError
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.plugin.dispatch import TriggerSink
from strongroom.plugin.error_text import error_of, readable
from strongroom.registry.gate import Gate

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

    def unfinished(self) -> int:
        """How many runs of this registration have not ended."""

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

    def pause(self, request: capabilities_pb2.TriggerRegistrationRequest) -> None:
        """Stop one registration; the trigger keeps what it has for it."""

    def unregister(self, request: capabilities_pb2.TriggerRegistrationRequest) -> None:
        """Stop one registration for good, whether it is live or not; the trigger forgets what it kept."""

    def ack(self, trigger_id: str, event_id: str, method: str) -> None:
        """Confirm one event."""


class _Kept:
    """One registration, and the sink that its backend delivers into."""

    def __init__(
        self,
        request: capabilities_pb2.TriggerRegistrationRequest,
        subscriber: Subscriber,
        ended: Callable[["_Kept"], None],
        capability_id: str,
        gate: Gate,
    ) -> None:
        """``capability_id`` is where it was made, wherever it was moved since, and ``gate`` is shut at its end."""
        self.capability_id = capability_id
        self.request = request
        self.subscriber = subscriber
        self.gate = gate
        self._ended = ended

    def event(self, event: capabilities_pb2.TriggerEvent) -> None:
        self.gate.let_through(self.subscriber.event, event)

    def failed(self, error: CapabilityError) -> None:
        self.gate.let_through(self.subscriber.failed, error)

    def unfinished(self) -> int:
        return self.subscriber.unfinished()

    def ended(self, why: str) -> None:
        self.subscriber.degraded(why)
        self._ended(self)


class Registrations:
    """Kept by trigger id; a second registration with the same id replaces the first."""

    def __init__(
        self,
        capability_id: str,
        current: Callable[[], TriggerBackend | None],
        away: Callable[[], CapabilityError],
    ) -> None:
        """``current`` is the backend, if there is one now; ``away`` makes the error of a call while there is none."""
        self._capability_id = capability_id
        self._current = current
        self._away = away
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._ended: list[_Kept] = []
        self._to_forget: dict[str, capabilities_pb2.TriggerRegistrationRequest] = {}

    def register(
        self, request: capabilities_pb2.TriggerRegistrationRequest, subscriber: Subscriber, *, timeout_s: float
    ) -> None:
        """Start delivering. Raises ``CapabilityError``; what was refused is not kept."""
        with self._lock:
            if len(self._kept) >= REGISTRATIONS_MAX and request.triggerId not in self._kept:
                raise CapabilityError(
                    "Public",
                    "System",
                    "LimitExceeded",
                    f"{self._capability_id}: {REGISTRATIONS_MAX} registrations, the limit (REGISTRATIONS_MAX)",
                )
            self._to_forget.pop(request.triggerId, None)
        kept = _Kept(request, subscriber, self._again, self._capability_id, Gate())
        until = time.monotonic() + timeout_s
        while True:
            backend = self._backend()
            backend.register(request, kept, timeout_s=max(0.001, until - time.monotonic()))
            with self._lock:
                # A plugin that went away just now told only those of it that were kept already.
                if self._current() is backend:
                    replaced = self._kept.get(request.triggerId)
                    self._kept[request.triggerId] = kept
                    break
        if replaced is not None:
            # Not waited for: the one that holds an event may wait for what only its successor brings.
            replaced.gate.shut(wait_s=0)

    def pause(self, request: capabilities_pb2.TriggerRegistrationRequest) -> None:
        """Stop delivering; the trigger keeps what it has. What is not registered needs no pause."""
        kept = self._given_up(request)
        backend = self._current()
        if kept is not None and backend is not None:
            backend.pause(request)

    def unregister(self, request: capabilities_pb2.TriggerRegistrationRequest) -> None:
        """Stop delivering, and have the trigger forget it; one that is away is told when it is back."""
        self._given_up(request)
        with self._lock:
            backend = self._current()
            if backend is None:
                if len(self._to_forget) < REGISTRATIONS_MAX:
                    self._to_forget[request.triggerId] = request
                return
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
        if self._all() or self._to_forget:
            self._in_background(self._bring_back, backend)

    def move(self, heir_of: "Callable[[str], Registrations | None]") -> None:
        """Hand each registration to the heir of the capability that it was made with, where there is one."""
        given: dict[Registrations, list[_Kept]] = {}
        for each in self._all():
            to = heir_of(each.capability_id)
            with self._lock:
                # Unless it was given up meanwhile.
                if to is not None and self._kept.get(each.request.triggerId) is each:
                    del self._kept[each.request.triggerId]
                    given.setdefault(to, []).append(each)
        forget: dict[str, capabilities_pb2.TriggerRegistrationRequest] = {}
        if (heir := heir_of(self._capability_id)) is not None:
            with self._lock:
                forget, self._to_forget = self._to_forget, {}
            if forget:
                given.setdefault(heir, [])
        for to, those in given.items():
            to.take(those, forget if to is heir else {})

    def take(
        self, registrations: list[_Kept], forget: Mapping[str, capabilities_pb2.TriggerRegistrationRequest]
    ) -> None:
        """Keep registrations that were made elsewhere, and what is to be forgotten as soon as that is possible."""
        adopted = [
            _Kept(each.request, each.subscriber, self._again, each.capability_id, each.gate) for each in registrations
        ]
        with self._lock:
            self._kept.update({each.request.triggerId: each for each in adopted})
            self._to_forget.update(forget)
        backend = self._current()
        if backend is not None and forget:
            self.rebind(backend)
        elif backend is not None and adopted:
            self._in_background(partial(self._register_again, lost=adopted), backend)

    def _again(self, kept: _Kept) -> None:
        """A source of events closed by itself, which is not what its subscriber asked for."""
        backend = self._current()
        with self._lock:
            if backend is None or self._kept.get(kept.request.triggerId) is not kept:
                return
            self._ended.append(kept)
            others = len(self._ended) > 1
        # When a process dies, all of its streams end: one thread looks after all that end in the same second.
        if not others:
            self._in_background(self._open_again, backend)

    def _open_again(self, backend: TriggerBackend) -> None:
        threading.Event().wait(RETRY_MIN_S)
        with self._lock:
            ended, self._ended = self._ended, []
        self._register_again(backend, ended)

    def _in_background(self, work: Callable[[TriggerBackend], None], backend: TriggerBackend) -> None:
        # A thread for the time of it: it may wait for a minute, and there is one plugin behind one capability.
        threading.Thread(target=work, args=(backend,), name="trigger-rebind", daemon=True).start()

    def _bring_back(self, backend: TriggerBackend) -> None:
        with self._lock:
            forget, self._to_forget = self._to_forget, {}
        for request in forget.values():
            try:
                backend.unregister(request)
            except Exception as raised:
                why = readable(error_of(raised))
                log.warning("trigger %s of %s is not forgotten: %s", request.triggerId, self._capability_id, why)
        self._register_again(backend, self._all())

    def _register_again(self, backend: TriggerBackend, lost: list[_Kept]) -> None:
        waiting = {kept.request.triggerId: kept for kept in lost}
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
                    self._restored(backend, kept)
            if waiting:
                pause.wait(wait_s)
                wait_s = min(wait_s * 2, RETRY_MAX_S)

    def _restored(self, backend: TriggerBackend, kept: _Kept) -> None:
        if self._kept.get(kept.request.triggerId) is kept:
            kept.subscriber.restored()
            return
        # It was given up while it was made again.
        try:
            backend.pause(kept.request)
        except Exception as raised:
            log.warning("trigger %s could not be stopped: %s", kept.request.triggerId, readable(error_of(raised)))

    def _given_up(self, request: capabilities_pb2.TriggerRegistrationRequest) -> _Kept | None:
        """Keep a registration no more. Its subscriber is told nothing from now on."""
        with self._lock:
            kept = self._kept.pop(request.triggerId, None)
        if kept is not None and not kept.gate.shut():
            log.warning("trigger %s has ended, and an event of it is still being taken", request.triggerId)
        return kept

    def _all(self) -> list[_Kept]:
        with self._lock:
            return list(self._kept.values())

    def _backend(self) -> TriggerBackend:
        backend = self._current()
        if backend is None:
            raise self._away()
        return backend
