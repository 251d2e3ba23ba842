"""What one plugin may offer: the rules of its entry in plugins.yaml, checked before anything is registered."""

import threading
from collections.abc import Collection

from strongroom.errors import LimitExceeded, PluginFault
from strongroom.plugin.capability import Kind
from strongroom.plugin.mounts import MountProvider
from strongroom.registry.bounds import BoundedExecutable, ExecutableBackend, Gate
from strongroom.registry.limits import CallLimits
from strongroom.registry.registry import Registry
from strongroom.registry.slot import Offer
from strongroom.registry.system_only import refuse_own_name, refuse_to_plugin
from strongroom.registry.triggers import TriggerBackend
from strongroom.settings.manifest import MOUNT_OFFER_PREFIX, PluginEntry

__all__ = ["Offers"]


class Offers:
    """The capabilities of one plugin, across its restarts."""

    def __init__(
        self, entry: PluginEntry, registry: Registry, limits: CallLimits, *, kept_for: Collection[str] = ()
    ) -> None:
        """``kept_for`` is what another one comes back with if this one does not come up: callers wait for that."""
        self._entry = entry
        self._registry = registry
        self._gate = Gate(limits, entry.name)
        self._adding = threading.Lock()
        self._is_handed_over = False
        self._kept_for = frozenset(kept_for)
        self._lock = threading.Lock()
        self._ids: list[str] = []

    @property
    def ids(self) -> tuple[str, ...]:
        """What the plugin offers now, or offered before it went away."""
        with self._lock:
            return tuple(self._ids)

    @property
    def mounts(self) -> tuple[str, ...]:
        """The mount providers that the plugin has now."""
        return self._registry.mounts.of(self._entry.name)

    def refuse_system_only(self, capability_id: str) -> None:
        """Raises ``Forbidden`` when this plugin may not reach that capability of others."""
        refuse_to_plugin(self._entry, capability_id)

    def add(
        self,
        capability_id: str,
        kind: Kind,
        description: str,
        *,
        executable: ExecutableBackend | None,
        trigger: TriggerBackend | None,
    ) -> None:
        """Register one capability under the plugin's name. Raises ``PluginFault``, ``Conflict`` or ``InvalidInput``."""
        entry = self._entry
        self._refuse_unlisted(capability_id)
        refuse_own_name(entry, capability_id)
        limit = self._gate.limits.capabilities_max
        with self._lock:
            if len(self._ids) >= limit and capability_id not in self._ids:
                raise LimitExceeded(
                    "SR-PLUG-024",
                    f"plugin {entry.name} offers more than {limit} capabilities",
                    size=limit + 1,
                    limit=limit,
                    setting="capabilities_max",
                )
        offer = Offer(
            id=capability_id,
            kind=kind,
            description=description[:1000],
            plugin=entry.name,
            executable=BoundedExecutable(executable, self._gate) if executable is not None else None,
            trigger=trigger,
            at_most_once=capability_id in entry.at_most_once,
            dialect=entry.dialect,
            pin=entry.pin,
        )
        with self._adding:
            if self._is_handed_over:
                raise PluginFault(
                    "SR-LOAD-010",
                    f"plugin {entry.name} offers {capability_id[:200]} after its end has begun",
                    why="its successor offers things from now on",
                    plugin=entry.name,
                )
            self._registry.add(offer)
            with self._lock:
                if capability_id not in self._ids:
                    self._ids.append(capability_id)

    def add_mount(self, provider: MountProvider) -> None:
        """Register one mount provider under the plugin's name. Raises ``PluginFault`` or ``Conflict``."""
        self._refuse_unlisted(f"{MOUNT_OFFER_PREFIX}{provider.name}")
        self._registry.mounts.add(self._entry.name, provider)

    def remove(self, capability_id: str) -> None:
        """Take one away. Raises ``PluginFault`` for what is not this plugin's."""
        with self._adding:
            self._remove(capability_id)

    def _remove(self, capability_id: str) -> None:
        with self._lock:
            if capability_id not in self._ids:
                raise PluginFault(
                    "SR-PLUG-025",
                    f"unable to remove, capability not found: {capability_id[:200]}",
                    why=f"plugin {self._entry.name} does not offer it",
                    plugin=self._entry.name,
                )
            self._ids.remove(capability_id)
        if self._is_handed_over:
            return
        if capability_id in self._kept_for:
            self._registry.suspend(capability_id, is_replaced=True)
        else:
            self._registry.remove(capability_id)

    def suspend(self) -> None:
        """The plugin is away, and may come back."""
        with self._adding:
            for capability_id in () if self._is_handed_over else self.ids:
                self._registry.suspend(capability_id, is_replaced=capability_id in self._kept_for)

    def take_place(self) -> tuple[str, ...]:
        """No other one comes back, whatever becomes of this one: what it offers now."""
        with self._adding:
            self._kept_for = frozenset()
            return self.ids

    def hand_over(self, *, has_successor: bool) -> tuple[str, ...]:
        """Take no more calls, and the ids that were offered. Later ones wait for the successor, or fail where there is
        none. What becomes of the places is from now on no matter of this plugin any more."""
        with self._adding:
            self._is_handed_over = True
            ids = self.ids
            for capability_id in ids:
                if has_successor:
                    self._registry.suspend(capability_id, is_replaced=True)
                else:
                    self._registry.remove(capability_id)
        self._gate.shut()
        return ids

    def drain(self, timeout_s: float) -> int:
        """Wait for the calls that are open; how many still are after ``timeout_s``, and are given up."""
        return self._gate.drain(timeout_s)

    def remove_all(self) -> None:
        """The plugin is gone."""
        self._registry.mounts.remove_all(self._entry.name)
        with self._adding:
            for capability_id in () if self._is_handed_over else self.ids:
                self._remove(capability_id)

    def _refuse_unlisted(self, offer: str) -> None:
        entry = self._entry
        if entry.provides and offer not in entry.provides:
            raise PluginFault(
                "SR-PLUG-023",
                f"plugin {entry.name} offers {offer[:200]}",
                why=f"its `provides` lists only {', '.join(entry.provides)}",
                fix=f"add it to {entry.where or 'plugins.yaml'}.provides if it may offer that",
                plugin=entry.name,
            )
