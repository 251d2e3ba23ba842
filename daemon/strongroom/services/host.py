"""``strongroom.v1.HostService``: what an operator changes of a running host."""

from dataclasses import dataclass
from typing import Protocol

import grpc

from strongroom.errors import InvalidInput
from strongroom.pb.strongroom.v1 import host_pb2, host_pb2_grpc
from strongroom.registry.plan import Replaced
from strongroom.services.callers import caller_of

__all__ = ["HostService", "Reloaded", "Reloads"]

NAME_CHARS_MAX = 64
"""As the manifest has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """What a reload did: plugins in the order in which they were replaced, and dotted keys of settings.

    ``needs_restart`` names key providers that differ as well.
    """

    plugins: tuple[Replaced, ...]
    applied: tuple[str, ...]
    needs_restart: tuple[str, ...]
    callers_changed: bool

    def facts(self) -> dict[str, str]:
        """The same for the log and the record."""
        return {
            "plugins": ", ".join(f"{each.name} {_became(each)}" for each in self.plugins) or "none",
            "applied": ", ".join(self.applied) or "none",
            "needs_restart": ", ".join(self.needs_restart) or "none",
            "callers": "changed" if self.callers_changed else "same",
        }


class Reloads(Protocol):
    """Who does it. ``caller`` is named in the log, and to whoever comes meanwhile."""

    def reload(self, caller: str) -> Reloaded:
        """Take in everything. Raises ``Misconfigured`` or ``Unavailable``."""

    def reload_plugin(self, name: str, caller: str) -> Replaced:
        """Replace one plugin. As ``reload``; raises ``NotFound`` as well."""


class HostService(host_pb2_grpc.HostServiceServicer):
    """This host."""

    def __init__(self, reloads: Reloads) -> None:
        self._reloads = reloads

    def Reload(
        self, request: host_pb2.HostServiceReloadRequest, context: grpc.ServicerContext
    ) -> host_pb2.HostServiceReloadResponse:
        """Take in what changed."""
        done = self._reloads.reload(caller_of(context).name)
        return host_pb2.HostServiceReloadResponse(
            plugins=[_plugin(each) for each in done.plugins],
            applied=done.applied,
            needs_restart=done.needs_restart,
            callers_changed=done.callers_changed,
        )

    def ReloadPlugin(
        self, request: host_pb2.HostServiceReloadPluginRequest, context: grpc.ServicerContext
    ) -> host_pb2.HostServiceReloadPluginResponse:
        """Replace one plugin."""
        if not 0 < len(request.name) <= NAME_CHARS_MAX:
            raise InvalidInput(
                "SR-LOAD-002",
                f"a plugin has a name of 1 to {NAME_CHARS_MAX} characters",
                fix="`strongroom plugin list` shows the names",
                field="name",
            )
        done = self._reloads.reload_plugin(request.name, caller_of(context).name)
        return host_pb2.HostServiceReloadPluginResponse(plugin=_plugin(done))


def _became(done: Replaced) -> str:
    return f"not {done.change}" if done.refused else str(done.change)


def _plugin(done: Replaced) -> host_pb2.ReloadedPlugin:
    message = host_pb2.ReloadedPlugin(
        name=done.name, change=done.change, calls_cut=done.calls_cut, refused=done.refused
    )
    if done.state is not None:
        message.state, message.last_error = done.state.state, done.state.last_error
    return message
