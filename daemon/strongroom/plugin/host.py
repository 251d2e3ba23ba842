"""What a plugin gets from its host. The same protocols hold in process and in a plugin process."""

import logging
from dataclasses import dataclass
from typing import Literal, Protocol

from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.plugin.workspace_access import Workspaces

__all__ = ["Artifacts", "Executable", "Host", "Registry", "Store"]


class Store(Protocol):
    """Values of this plugin and one owner, sealed by the host and durable when ``put`` or ``delete`` returns.

    ``owner`` is 40 hex digits; empty means the plugin itself. Keys are at most 512 bytes, values at most 1 MiB.
    """

    def get(self, key: str, *, owner: str = "") -> bytes | None:
        """The value, or ``None``."""

    def put(self, key: str, value: bytes, *, owner: str = "") -> None:
        """Replace the value."""

    def delete(self, key: str, *, owner: str = "") -> None:
        """Remove the value. Removing what is not there succeeds."""

    def list(self, prefix: str = "", *, owner: str = "") -> list[str]:
        """The keys that start with ``prefix``, in ascending order."""


class Executable(Protocol):
    """A capability that can be called."""

    def execute(
        self, request: capabilities_pb2.CapabilityRequest, *, timeout_s: float
    ) -> capabilities_pb2.CapabilityResponse:
        """The answer, whose ``error`` is always empty. Raises ``CapabilityError`` for a failed call."""


class Registry(Protocol):
    """The capabilities of this host."""

    def get_executable(self, capability_id: str) -> Executable:
        """The capability, or a compatible later version.

        Ask late: at ``start`` other plugins may still be starting. Raises ``NotFound`` or ``InvalidInput``.
        """


class Artifacts(Protocol):
    """Registered binaries of this host."""

    def fetch(self, sha256_hex: str) -> bytes:
        """Exactly the stored bytes. Raises ``NotFound``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The host as one plugin sees it. ``name`` is the plugin's name in plugins.yaml.

    ``workspaces`` is for plugins in the host's own process; one that runs as a process has ``None``.
    """

    name: str
    mode: Literal["dev", "serve"]
    store: Store
    registry: Registry
    artifacts: Artifacts
    log: logging.Logger
    workspaces: Workspaces | None = None
