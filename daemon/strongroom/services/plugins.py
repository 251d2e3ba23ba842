"""``strongroom.v1.PluginService``."""

from collections.abc import Callable, Sequence

import grpc

from strongroom.pb.strongroom.v1 import plugin_pb2, plugin_pb2_grpc
from strongroom.registry.states import PluginState

__all__ = ["PluginService"]


class PluginService(plugin_pb2_grpc.PluginServiceServicer):
    """Plugins of this host."""

    def __init__(self, states: Callable[[], Sequence[PluginState]]) -> None:
        self._states = states

    def List(
        self, request: plugin_pb2.PluginServiceListRequest, context: grpc.ServicerContext
    ) -> plugin_pb2.PluginServiceListResponse:
        """Every entry of plugins.yaml with its state."""
        return plugin_pb2.PluginServiceListResponse(
            plugins=[
                plugin_pb2.Plugin(
                    name=state.name,
                    kind=state.kind,
                    state=state.state,
                    capabilities=state.capabilities,
                    mounts=state.mounts,
                    restarts=state.restarts,
                    last_error=state.last_error,
                    required=state.required,
                    pid=state.pid or 0,
                )
                for state in self._states()
            ]
        )
