"""Capabilities by id: who offers them (section 3)."""

import threading
from collections.abc import Callable

from strongroom.errors import Conflict, InvalidInput, NotFound, PluginAway
from strongroom.registry.handles import CapabilityExecutable, CapabilityTrigger
from strongroom.registry.ids import choose, validate_id
from strongroom.registry.mount_offers import MountOffers
from strongroom.registry.slot import ConnectionState, Entry, Offer, Slot
from strongroom.registry.states import PluginState
from strongroom.registry.triggers import Registrations
from strongroom.registry.watched import Watched, unwatched

__all__ = ["Registry"]

KINDS = frozenset({"trigger", "action", "consensus", "target", "combined"})


class Registry:
    """Every capability of this host. Safe for any thread.

    ``restart_wait_s`` is how long a call waits for a plugin that is being started again; ``watched`` makes the calls.
    """

    def __init__(self, *, restart_wait_s: float = 0.0, watched: Watched = unwatched) -> None:
        self._restart_wait_s = restart_wait_s
        self._watched = watched
        self._lock = threading.RLock()
        self._slots: dict[str, Slot] = {}
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
        return CapabilityExecutable(slot, self._restart_wait_s, self._watched)

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
                slot = self._slots[offer.id] = Slot(offer, lambda plugin: self._state_of(plugin))
            elif slot.state == "READY" or (slot.state != "SHUTDOWN" and slot.offer.plugin != offer.plugin):
                raise Conflict(
                    "SR-REG-003",
                    f"capability already exists: id {offer.id} found in registry: state {slot.state}",
                    why=f"plugin {slot.offer.plugin} offers it",
                    id=offer.id,
                )
            else:
                slot.offer = offer
                slot.move("READY")
        if offer.trigger is not None:
            slot.registrations.rebind(offer.trigger)
        self._pass_on()
        return slot.entry()

    def remove(self, capability_id: str) -> None:
        """Take a capability away for good. Its registrations are kept for a successor. Raises ``NotFound``."""
        self._take_away(capability_id, "SHUTDOWN")

    def suspend(self, capability_id: str, *, is_replaced: bool = False) -> None:
        """Note that a capability's plugin is away and may come back. Raises ``NotFound``.

        When it ``is_replaced``, whoever does that says how it ended: by ``add``, or by ``not_replaced``.
        """
        self._take_away(capability_id, "TRANSIENT_FAILURE", is_replaced=is_replaced)

    def not_replaced(self, capability_id: str, plugin: str) -> None:
        """The successor of ``plugin`` does not offer a capability that it had: it is gone for good.

        A later version that answers for it, if one is offered, answers those who wait, and has its registrations.
        """
        with self._lock:
            slot = self._slots.get(capability_id)
            if slot is None or slot.offer.plugin != plugin or slot.state != "TRANSIENT_FAILURE":
                return
            slot.heir = self._offered(capability_id, without=capability_id)
            slot.move("SHUTDOWN")
        self._pass_on()

    def _pass_on(self) -> None:
        """What is gone is answered for by what is there, where that may answer for it, and has its registrations."""
        with self._lock:
            gone = [(key, slot) for key, slot in self._slots.items() if not slot.is_there]
            for key, slot in gone:
                slot.heir = self._offered(key)
        for _key, slot in gone:
            slot.registrations.move(self._registrations_of)

    def _registrations_of(self, capability_id: str) -> Registrations | None:
        with self._lock:
            slot = self._offered(capability_id)
        return slot.registrations if slot is not None and slot.offer.trigger is not None else None

    def _offered(self, capability_id: str, *, without: str = "") -> Slot | None:
        """What answers for an id and is not gone. The lock is held."""
        there = [key for key, slot in self._slots.items() if slot.is_there and key != without]
        try:
            return self._slots[choose(capability_id, there)]
        except (LookupError, InvalidInput):
            return None

    def _take_away(self, capability_id: str, state: ConnectionState, *, is_replaced: bool = False) -> None:
        with self._lock:
            slot = self._slots.get(capability_id)
            if slot is None:
                raise NotFound("SR-REG-004", f"unable to remove, capability not found: {capability_id}")
            was_ready = slot.state == "READY"
            slot.move(state, is_replaced=is_replaced)
        if was_ready:
            slot.registrations.lost("capability unavailable")

    def _find(self, capability_id: str) -> Slot:
        with self._lock:
            exact = self._slots.get(capability_id)
            if exact is not None and exact.is_there:
                return exact
            try:
                return self._slots[choose(capability_id, [key for key, slot in self._slots.items() if slot.is_there])]
            except LookupError as error:
                if exact is not None:
                    return exact
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
