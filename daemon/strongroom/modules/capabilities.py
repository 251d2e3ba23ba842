"""How modules and the engine see the capabilities of this host; the registry is behind it."""

from typing import Protocol

from strongroom.pb.capabilities.v1 import capabilities_pb2

__all__ = ["Capabilities", "Executable"]


class Executable(Protocol):
    """A capability that can be called."""

    def execute(
        self, request: capabilities_pb2.CapabilityRequest, *, timeout_s: float
    ) -> capabilities_pb2.CapabilityResponse:
        """The answer. Raises ``CapabilityError`` for a failed call."""


class Capabilities(Protocol):
    """Where capabilities are found, and what the operator said of them."""

    def get_executable(self, capability_id: str) -> Executable:
        """The capability, or the nearest compatible one. Raises ``NotFound``."""

    def dialect(self, capability_id: str) -> str | None:
        """``both``, ``seed`` or ``later`` when the operator said so, else nothing."""

    def at_most_once(self, capability_id: str) -> bool:
        """Whether a call whose answer may have been lost is not sent again."""
