"""The hooks of a plugin. A plugin implements those that it needs and marks them with ``hookimpl``."""

from typing import Final

import pluggy

from strongroom.plugin.capability import Capability
from strongroom.plugin.host import Host
from strongroom.plugin.key_providers import KeyProvider
from strongroom.plugin.mounts import MountProvider

__all__ = ["PROJECT", "PluginHooks", "hookimpl"]

PROJECT: Final = "strongroom"

hookspec: Final = pluggy.HookspecMarker(PROJECT)
hookimpl: Final = pluggy.HookimplMarker(PROJECT)


class PluginHooks:
    """What a host asks of a plugin, in this order: ``start``, ``capabilities``, ``mounts``, at the end ``stop``.

    A plugin with ``key_providers`` is asked for nothing else, before every other plugin, and gets no host.
    """

    @hookspec(firstresult=True)
    def start(self, host: Host) -> None:
        """Take the host; open what the plugin needs. Whatever is raised marks the plugin as failed."""

    @hookspec(firstresult=True)
    def capabilities(self) -> list[Capability]:  # type: ignore[empty-body]  # a specification has no body
        """The capabilities that this plugin offers. Asked once per start."""

    @hookspec(firstresult=True)
    def mounts(self) -> list[MountProvider]:  # type: ignore[empty-body]  # a specification has no body
        """The kinds of workspaces that this plugin opens for projects. Asked once per start, in the daemon's process
        only: keys and documents do not leave it, so a plugin process that has this hook is refused."""

    @hookspec(firstresult=True)
    def key_providers(self) -> list[KeyProvider]:  # type: ignore[empty-body]  # a specification has no body
        """Places that root secrets of the host may come from. Asked in the daemon's process, of a plugin that
        plugins.yaml lists as ``key-provider:NAME`` and that the setting ``keys.provider`` names; never of another."""

    @hookspec(firstresult=True)
    def stop(self) -> None:
        """Close everything. Calls in flight may still be running."""
