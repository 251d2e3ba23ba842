"""Capabilities by id: who offers them, and handles that outlive a restart of the plugin behind them (section 3)."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from strongroom.errors import Conflict, InvalidInput, NotFound, PluginAway
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.plugin.capability import Kind
from strongroom.registry.bounds import ExecutableBackend
from strongroom.registry.ids import choose, validate_id
from strongroom.registry.mount_offers import MountOffers
from strongroom.registry.states import PluginState
from strongroom.registry.triggers import Registrations, Subscriber, TriggerBackend
from strongroom.settings.manifest import Pin

__all__ = ["CapabilityExecutable", "CapabilityTrigger", "Entry", "Offer", "Registry"]

ConnectionState = Literal["READY", "TRANSIENT_FAILURE", "SHUTDOWN"]
KINDS = frozenset({"trigger", "action", "consensus", "target", "combined"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One capability as the host sees it. ``plugin`` is stamped by the host, whatever the plugin says of itself."""

    id: str
    kind: Kind
    description: str
    plugin: str
    available: bool
    at_most_once: bool
    dialect: str | None
    pin: Pin | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the host adds on behalf of a plugin."""

    id: str
    kind: Kind
    description: str
    plugin: str
    executable: ExecutableBackend | None = None
    trigger: TriggerBackend | None = None
    at_most_once: bool = False
    dialect: str | None = None
    pin: Pin | None = None


class _Slot:
    """The place of one id. It stays when the capability goes, so that handles and registrations survive."""

    def __init__(self, offer: Offer, state_of: Callable[[str], PluginState | None]) -> None:
        self.offer = offer
        self.state: ConnectionState = "READY"
        self._state_of = state_of
        self._moved = threading.Condition()
        self.registrations = Registrations(
            offer.id, lambda: self.offer.trigger if self.state == "READY" else None, self.away
        )

    def move(self, state: ConnectionState) -> None:
        """Take another state, and tell those that wait for the plugin."""
        with self._moved:
            self.state = state
            self._moved.notify_all()

    def wait_while_restarting(self, timeout_s: float) -> None:
        """Return when the plugin is back or gone for good, or after ``timeout_s``."""
        with self._moved:
            self._moved.wait_for(lambda: self.state != "TRANSIENT_FAILURE", timeout_s)

    def away(self) -> PluginAway:
        """The error of a call while the plugin is not there: which it is, how it stands, and its last error."""
        plugin = self.offer.plugin
        known = self._state_of(plugin)
        if known is None or known.state == "ready":
            # One that is ready again, or that took back what it offered, has nothing to say of itself.
            return PluginAway(plugin, "", "")
        return PluginAway(plugin, known.state, known.last_error)

    def entry(self) -> Entry:
        offer = self.offer
        return Entry(
            id=offer.id,
            kind=offer.kind,
            description=offer.description,
            plugin=offer.plugin,
            available=self.state == "READY",
            at_most_once=offer.at_most_once,
            dialect=offer.dialect,
            pin=offer.pin,
        )


class CapabilityExecutable:
    """A handle on an executable capability: it follows the capability through restarts of its plugin."""

    def __init__(self, slot: _Slot, restart_wait_s: float) -> None:
        self._slot = slot
        self._restart_wait_s = restart_wait_s

    @property
    def entry(self) -> Entry:
        """Which capability answers, at which version, and whose it is."""
        return self._slot.entry()

    def execute(
        self, request: capabilities_pb2.CapabilityRequest, *, timeout_s: float
    ) -> capabilities_pb2.CapabilityResponse:
        """The answer. Raises ``CapabilityError``; ``PluginAway`` when the plugin is away.

        A call that was not sent yet waits for a plugin that is being started again.
        """
        slot = self._slot
        if slot.state == "TRANSIENT_FAILURE":
            started_s = time.monotonic()
            slot.wait_while_restarting(min(self._restart_wait_s, timeout_s))
            timeout_s -= time.monotonic() - started_s
        backend = slot.offer.executable
        if slot.state != "READY" or backend is None:
            raise slot.away()
        return backend.execute(request, timeout_s=timeout_s)


class CapabilityTrigger:
    """A handle on a trigger capability."""

    def __init__(self, slot: _Slot) -> None:
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


class Registry:
    """Every capability of this host. Safe for any thread.

    ``restart_wait_s`` is how long a call waits for a plugin that is being started again.
    """

    def __init__(self, *, restart_wait_s: float = 0.0) -> None:
        self._restart_wait_s = restart_wait_s
        self._lock = threading.RLock()
        self._slots: dict[str, _Slot] = {}
        self.mounts = MountOffers()
        self._state_of: Callable[[str], PluginState | None] = lambda _plugin: None
        self._provider_of: Callable[[str], PluginState | None] = lambda _capability_id: None

    def ask_states_of(
        self,
        state_of: Callable[[str], PluginState | None],
        provider_of: Callable[[str], PluginState | None],
    ) -> None:
        """Let ``state_of`` say how a plugin stands, for the errors of what it offered, and ``provider_of`` which plugin
        that is not ready is meant to offer a capability."""
        self._state_of, self._provider_of = state_of, provider_of

    def get(self, capability_id: str) -> Entry:
        """The capability, or the smallest compatible later version. Raises ``NotFound`` or ``InvalidInput``."""
        return self._find(capability_id).entry()

    def get_executable(self, capability_id: str) -> CapabilityExecutable:
        """A handle to call it. Raises ``NotFound`` or ``InvalidInput``, also for what is only a trigger."""
        slot = self._find(capability_id)
        if slot.offer.executable is None:
            raise _not_that_kind(capability_id)
        return CapabilityExecutable(slot, self._restart_wait_s)

    def get_trigger(self, capability_id: str) -> CapabilityTrigger:
        """A handle to register with it. Raises ``NotFound`` or ``InvalidInput``, also for what has no trigger."""
        slot = self._find(capability_id)
        if slot.offer.trigger is None:
            raise _not_that_kind(capability_id)
        return CapabilityTrigger(slot)

    def away(self, capability_id: str) -> PluginAway | None:
        """The error of a capability whose plugin never offered it, because it is not there; else ``None``."""
        state = self._provider_of(capability_id)
        return PluginAway(state.name, state.state, state.last_error) if state is not None else None

    def list(self) -> list[Entry]:
        """Every capability by id, those whose plugin is away too."""
        with self._lock:
            return [self._slots[key].entry() for key in sorted(self._slots)]

    def add(self, offer: Offer | None) -> Entry:
        """Take what a plugin offers.

        An id that is taken is replaced only while its plugin is away, and by another plugin only after ``remove``.
        Kept trigger registrations are made again. Raises ``InvalidInput`` or ``Conflict``.
        """
        if offer is None:
            raise InvalidInput("SR-REG-001", "the capability is null", field="capability")
        validate_id(offer.id)
        if offer.kind not in KINDS or (offer.executable is None and offer.trigger is None):
            raise InvalidInput("SR-REG-002", f"unknown capability type: {offer.kind}", field="kind")
        with self._lock:
            slot = self._slots.get(offer.id)
            if slot is None:
                slot = self._slots[offer.id] = _Slot(offer, lambda plugin: self._state_of(plugin))
                return slot.entry()
            if slot.state == "READY" or (slot.state != "SHUTDOWN" and slot.offer.plugin != offer.plugin):
                raise Conflict(
                    "SR-REG-003",
                    f"capability already exists: id {offer.id} found in registry: state {slot.state}",
                    why=f"plugin {slot.offer.plugin} offers it",
                    id=offer.id,
                )
            slot.offer = offer
            slot.move("READY")
        if offer.trigger is not None:
            slot.registrations.rebind(offer.trigger)
        return slot.entry()

    def remove(self, capability_id: str) -> None:
        """Take a capability away for good. Its registrations are kept for a successor. Raises ``NotFound``."""
        self._take_away(capability_id, "SHUTDOWN")

    def suspend(self, capability_id: str) -> None:
        """Note that a capability's plugin is away and may come back. Raises ``NotFound``."""
        self._take_away(capability_id, "TRANSIENT_FAILURE")

    def _take_away(self, capability_id: str, state: ConnectionState) -> None:
        with self._lock:
            slot = self._slots.get(capability_id)
            if slot is None:
                raise NotFound("SR-REG-004", f"unable to remove, capability not found: {capability_id}")
            was_ready = slot.state == "READY"
            slot.move(state)
        if was_ready:
            slot.registrations.lost("capability unavailable")

    def _find(self, capability_id: str) -> _Slot:
        with self._lock:
            exact = self._slots.get(capability_id)
            if exact is not None:
                return exact
            offered = [key for key, slot in self._slots.items() if slot.state != "SHUTDOWN"]
            try:
                return self._slots[choose(capability_id, offered)]
            except LookupError as error:
                missing = str(error)
        # Outside of the lock: a plugin that says how it stands asks for what it offers.
        state = self._provider_of(capability_id)
        raise NotFound(
            "SR-REG-005",
            missing,
            why=f"plugin {state.name} would offer it, and is {state.state}" if state is not None else "",
            fix="`strongroom capability list` shows what this host offers, `strongroom plugin list` what is away",
            id=capability_id[:200],
        )


def _not_that_kind(capability_id: str) -> InvalidInput:
    return InvalidInput(
        "SR-REG-006",
        f"capability with id: {capability_id} does not satisfy the capability interface",
        field="id",
    )
