"""The host for plugins in memory that authors get too, with its sockets where a test wants them."""

from pathlib import Path
from typing import Any

from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.testing import plugin_host
from strongroom.testing.plugin_host import QUICK, WAIT_S, Eventually, MemoryArtifacts, MemoryStore, PluginEntry, request

__all__ = ["QUICK", "WAIT_S", "Eventually", "MemoryArtifacts", "MemoryHost", "MemoryStore", "answer", "request"]


class MemoryHost(plugin_host.MemoryHost):
    def __init__(self, runtime_dir: Path, *entries: PluginEntry, **more: Any) -> None:
        super().__init__(*entries, runtime_dir=runtime_dir, **more)


def answer(response: capabilities_pb2.CapabilityResponse, message: Any) -> Any:
    assert response.payload.Unpack(message)
    return message
