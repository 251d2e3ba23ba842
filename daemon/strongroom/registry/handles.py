"""Handles on capabilities, which outlive a restart of the plugin behind them (section 3)."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.registry.bounds import BoundedExecutable, HandedOver, Place
from strongroom.registry.slot import Entry, Slot
from strongroom.registry.triggers import Subscriber
from strongroom.registry.watched import Watched, unwatched

__all__ = ["CapabilityExecutable", "CapabilityTrigger", "HeldExecutable"]

T = TypeVar("T")


class CapabilityExecutable:
    """A handle on an executable capability: it follows the capability through restarts of its plugin."""

    def __init__(self, slot: Slot, restart_wait_s: float, watched: Watched = unwatched) -> None:
        self._slot = slot
        self._restart_wait_s = restart_wait_s
        self._watched = watched

    @property
    def entry(self) -> Entry:
        """Which capability answers, at which version, and whose it is."""
        return self._slot.entry()

    def execute(
        self, request: capabilities_pb2.CapabilityRequest, *, timeout_s: float
    ) -> capabilities_pb2.CapabilityResponse:
        """The answer. Raises ``CapabilityError``; ``PluginAway`` when the plugin is away.

        A call that was not sent yet waits for a plugin that is being started again, and for the successor of one that
        is being replaced.
        """

        def send(backend: BoundedExecutable, left_s: float) -> capabilities_pb2.CapabilityResponse:
            return backend.execute(request, timeout_s=left_s)

        return self.watched(request, lambda: self.reached(send, timeout_s))

    @contextmanager
    def held(self) -> Iterator["HeldExecutable"]:
        """For calls that belong together, and count as one: all go to one plugin, also while it is being replaced. Who
        does that waits for the end of this block as for the end of a call."""
        held = HeldExecutable(self)
        try:
            yield held
        finally:
            held.leave()

    def watched(
        self, request: capabilities_pb2.CapabilityRequest, send: Callable[[], capabilities_pb2.CapabilityResponse]
    ) -> capabilities_pb2.CapabilityResponse:
        """Have ``send`` make a call of this capability."""
        return self._watched(self._slot.offer.id, request, send)

    def reached(self, call: Callable[[BoundedExecutable, float], T], timeout_s: float) -> T:
        """What ``call`` comes to with who answers now, and the time that is left. Raises as ``execute``."""
        slot = self._slot
        while True:
            started_s = time.monotonic()
            if slot.state == "TRANSIENT_FAILURE":
                slot.wait_while_restarting(self._restart_wait_s, timeout_s)
                timeout_s -= time.monotonic() - started_s
            if slot.state == "SHUTDOWN" and slot.heir is not None:
                slot = slot.heir
                continue
            backend = slot.offer.executable
            if slot.state != "READY" or backend is None:
                raise slot.away()
            try:
                return call(backend, timeout_s)
            except HandedOver:
                # Its place was taken from it before it took no more calls, so this is not the same backend again.
                timeout_s -= time.monotonic() - started_s


class HeldExecutable:
    """Calls that one plugin gets, see ``CapabilityExecutable.held``. Safe for any thread."""

    def __init__(self, handle: CapabilityExecutable) -> None:
        self._handle = handle
        self._lock = threading.Lock()
        self._place: Place | None = None

    @property
    def is_cut_off(self) -> bool:
        """Whether the plugin was ended although its calls had not: what they came to is due to that."""
        with self._lock:
            return self._place is not None and self._place.is_cut_off

    def begin(
        self, request: capabilities_pb2.CapabilityRequest, *, timeout_s: float
    ) -> capabilities_pb2.CapabilityResponse:
        """The first of the calls, once: who gets it gets all of them. Raises as the handle does."""

        def enter(backend: BoundedExecutable, left_s: float) -> tuple[Place, float]:
            return backend.enter(request, timeout_s=left_s), left_s

        def send() -> capabilities_pb2.CapabilityResponse:
            place, left_s = self._handle.reached(enter, timeout_s)
            with self._lock:
                self._place = place
            return place.send(request, timeout_s=left_s)

        return self._handle.watched(request, send)

    def execute(
        self, request: capabilities_pb2.CapabilityRequest, *, timeout_s: float
    ) -> capabilities_pb2.CapabilityResponse:
        """Another one. Until the first was let in, or after the last, it goes wherever the handle leads."""
        with self._lock:
            place = self._place
        if place is None:
            return self._handle.execute(request, timeout_s=timeout_s)
        return self._handle.watched(request, lambda: place.execute(request, timeout_s=timeout_s))

    def leave(self) -> None:
        """No more calls belong to these."""
        with self._lock:
            place, self._place = self._place, None
        if place is not None:
            place.leave()


class CapabilityTrigger:
    """A handle on a trigger capability."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot

    @property
    def entry(self) -> Entry:
        """Which capability this is, and whose."""
        return self._slot.entry()

    def register(
        self, request: capabilities_pb2.TriggerRegistrationRequest, subscriber: Subscriber, *, timeout_s: float
    ) -> None:
        """Start delivering events; the registration outlives restarts. Raises ``CapabilityError``."""
        self._slot.registrations.register(request, subscriber, timeout_s=timeout_s)

    def pause(self, request: capabilities_pb2.TriggerRegistrationRequest) -> None:
        """Stop delivering; the trigger keeps what it has."""
        self._slot.registrations.pause(request)

    def unregister(self, request: capabilities_pb2.TriggerRegistrationRequest) -> None:
        """Stop delivering for good; the trigger forgets what it kept."""
        self._slot.registrations.unregister(request)

    def ack(self, trigger_id: str, event_id: str, method: str) -> None:
        """Confirm one event. Raises ``CapabilityError``."""
        self._slot.registrations.ack(trigger_id, event_id, method)
