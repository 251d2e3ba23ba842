"""Mount providers by name: which plugin opens which kind of workspace."""

import threading
from collections.abc import Mapping
from typing import Final

from strongroom.errors import Conflict
from strongroom.plugin.mounts import MountProvider

__all__ = ["BUILT_IN", "MountOffers"]

BUILT_IN: Final = "workspace"
"""The host's own provider, which opens any workspace without a schema. A plugin cannot take its place."""


class MountOffers:
    """The mount providers of all plugins. Safe for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_name: dict[str, tuple[str, MountProvider]] = {}

    def add(self, plugin: str, provider: MountProvider) -> None:
        """Take one. Raises ``Conflict`` when another plugin has the name, or the host itself."""
        with self._lock:
            holder = "strongroom" if provider.name == BUILT_IN else self._by_name.get(provider.name, (plugin,))[0]
            if holder != plugin or provider.name == BUILT_IN:
                raise Conflict(
                    "SR-REG-007",
                    f"plugin {plugin} offers mount:{provider.name}, which is taken",
                    why=f"{holder} offers it",
                    fix="choose another name, or disable one of the two in plugins.yaml",
                    name=provider.name,
                )
            self._by_name[provider.name] = (plugin, provider)

    def remove_all(self, plugin: str) -> None:
        """The plugin is gone. What it opened stays open until it is unmounted."""
        with self._lock:
            self._by_name = {name: held for name, held in self._by_name.items() if held[0] != plugin}

    def of(self, plugin: str) -> tuple[str, ...]:
        """The names that ``plugin`` has, in order."""
        with self._lock:
            return tuple(sorted(name for name, held in self._by_name.items() if held[0] == plugin))

    def all(self) -> Mapping[str, MountProvider]:
        """Those of the plugins that are there now."""
        with self._lock:
            return {name: provider for name, (_, provider) in self._by_name.items()}
