"""The place of one capability in the registry: what is offered there now, and who waits for it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from strongroom.errors import PluginAway
from strongroom.plugin.capability import Kind
from strongroom.plugin.hang_up import ended_by, hung_up
from strongroom.registry.bounds import BoundedExecutable
from strongroom.registry.states import PluginState
from strongroom.registry.triggers import Registrations, TriggerBackend
from strongroom.settings.manifest import Pin

__all__ = ["ConnectionState", "Entry", "Offer", "Slot"]

ConnectionState: TypeAlias = Literal["READY", "TRANSIENT_FAILURE", "SHUTDOWN"]


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
    executable: BoundedExecutable | None = None
    trigger: TriggerBackend | None = None
    at_most_once: bool = False
    dialect: str | None = None
    pin: Pin | None = None


class Slot:
    """The place of one id. It stays when the capability goes, so that handles and registrations survive."""

    def __init__(self, offer: Offer, state_of: Callable[[str], PluginState | None]) -> None:
        self.offer = offer
        self.state: ConnectionState = "READY"
        self.is_replaced = False
        self.heir: Slot | None = None
        """The later version that answers for this one, which its plugin does not offer any more."""
        self._state_of = state_of
        self._moved = threading.Condition()
        self.registrations = Registrations(
            offer.id, lambda: self.offer.trigger if self.state == "READY" else None, self.away
        )

    @property
    def is_there(self) -> bool:
        """Whether it is offered, or will be again in a moment."""
        return self.state != "SHUTDOWN"

    def move(self, state: ConnectionState, *, is_replaced: bool = False) -> None:
        """Take another state, and tell those that wait for the plugin."""
        with self._moved:
            self.state, self.is_replaced = state, is_replaced
            if state != "SHUTDOWN":
                self.heir = None
            self._moved.notify_all()

    def wait_while_restarting(self, restart_wait_s: float, timeout_s: float) -> None:
        """Return when the plugin is back or gone for good, or after ``timeout_s``; for one that comes back by itself
        after ``restart_wait_s`` at the latest. Raises ``CapabilityError`` when nobody waits for the answer any more."""

        def look_again() -> None:
            with self._moved:
                self._moved.notify_all()

        with ended_by(look_again), self._moved:
            # Whoever replaces a plugin says how that ended, so it is waited for as long as the call may take.
            wait_s = timeout_s if self.is_replaced else min(restart_wait_s, timeout_s)
            self._moved.wait_for(lambda: self.state != "TRANSIENT_FAILURE" or hung_up() is not None, wait_s)
        if self.state == "TRANSIENT_FAILURE" and (left := hung_up()) is not None:
            raise left

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
