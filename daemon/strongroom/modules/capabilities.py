"""How modules and the engine see the capabilities of this host; the registry is behind it."""

from contextlib import AbstractContextManager
from typing import Protocol

from strongroom.pb.capabilities.v1 import capabilities_pb2

__all__ = ["Capabilities", "Executable", "HeldExecutable", "HoldableExecutable"]


class Executable(Protocol):
    """A capability that can be called."""

    def execute(
        self, request: capabilities_pb2.CapabilityRequest, *, timeout_s: float
    ) -> capabilities_pb2.CapabilityResponse:
        """The answer. Raises ``CapabilityError`` for a failed call."""


class HeldExecutable(Executable, Protocol):
    """One whose calls all go to the same plugin: that which got the first."""

    def begin(
        self, request: capabilities_pb2.CapabilityRequest, *, timeout_s: float
    ) -> capabilities_pb2.CapabilityResponse:
        """The first call. Raises as ``execute``."""

    @property
    def is_cut_off(self) -> bool:
        """Whether that was ended although its calls had not: what they came to is due to that."""


class HoldableExecutable(Executable, Protocol):
    """One whose plugin may be replaced between two calls, unless it is held."""

    def held(self) -> AbstractContextManager[HeldExecutable]:
        """For calls that belong together. Who replaces the plugin waits for the end of the block."""


class Capabilities(Protocol):
    """Where capabilities are found, and what the operator said of them."""

    def get_executable(self, capability_id: str) -> HoldableExecutable:
        """The capability, or the nearest compatible one. Raises ``NotFound``."""

    def dialect(self, capability_id: str) -> str | None:
        """``both``, ``seed`` or ``later`` when the operator said so, else nothing."""

    def at_most_once(self, capability_id: str) -> bool:
        """Whether a call whose answer may have been lost is not sent again."""
