"""What goes through the calls of one plugin: its size, its time, and how many at once."""

import threading
from typing import Protocol

from strongroom.errors import CapabilityError, PluginAway
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.plugin.hang_up import ended_by, hung_up
from strongroom.registry.limits import CallLimits

__all__ = ["BoundedExecutable", "ExecutableBackend", "Gate", "HandedOver", "Place"]


class ExecutableBackend(Protocol):
    """A capability of one plugin, in process or behind a channel."""

    def execute(
        self, request: capabilities_pb2.CapabilityRequest, *, timeout_s: float
    ) -> capabilities_pb2.CapabilityResponse:
        """The answer. Raises ``CapabilityError``."""


class HandedOver(PluginAway):
    """Nothing was called: the plugin takes no more calls, its successor does."""


class Gate:
    """The limits of one plugin, and its calls that are open now."""

    def __init__(self, limits: CallLimits, plugin: str = "") -> None:
        self.limits = limits
        self._plugin = plugin
        self._is_shut = False
        self.is_cut_off = False
        """Whether calls that had not ended were given up: what still comes of them is due to the plugin's end."""
        self._changed = threading.Condition(threading.Lock())
        self._open = 0

    def enter(self, timeout_s: float) -> bool:
        """Count one more open call, waiting for its turn; false when that did not come in time.

        Raises ``HandedOver`` once it is shut, also while the call waits.
        """
        with ended_by(self._look_again), self._changed:
            if self._open >= self.limits.concurrency_max and not self._changed.wait_for(
                lambda: self._is_shut or self._open < self.limits.concurrency_max or hung_up() is not None, timeout_s
            ):
                return False
            if self._is_shut:
                raise HandedOver(self._plugin, "restarting", "")
            self._open += 1
            return True

    def shut(self) -> None:
        """Let no more calls in."""
        with self._changed:
            self._is_shut = True
            self._changed.notify_all()

    def drain(self, timeout_s: float) -> int:
        """How many calls are still open after at most ``timeout_s``; those are given up."""
        with self._changed:
            self.is_cut_off = not self._changed.wait_for(lambda: self._open == 0, timeout_s)
            return self._open

    def _look_again(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def leave(self) -> None:
        """One call is over."""
        with self._changed:
            self._open -= 1
            # All of them: one may wait for its turn, another one for the last call to be over.
            self._changed.notify_all()


def _check_request(request: capabilities_pb2.CapabilityRequest, limits: CallLimits) -> None:
    if (size := request.ByteSize()) > limits.request_bytes_max:
        raise _too_big("request", size, limits.request_bytes_max, "request_bytes_max")


def _too_big(what: str, size: int, limit: int, setting: str) -> CapabilityError:
    return CapabilityError(
        "Public", "User", "LimitExceeded", f"capability {what}: {size} bytes, the limit is {limit} ({setting})"
    )


class Place:
    """One open call of a plugin, or several that belong together and count as one. Somebody leaves it."""

    def __init__(self, backend: ExecutableBackend, gate: Gate) -> None:
        self._backend = backend
        self._gate = gate

    @property
    def is_cut_off(self) -> bool:
        """Whether the plugin was ended before this was left."""
        return self._gate.is_cut_off

    def execute(
        self, request: capabilities_pb2.CapabilityRequest, *, timeout_s: float
    ) -> capabilities_pb2.CapabilityResponse:
        """The answer. Raises ``CapabilityError``: LimitExceeded for a size."""
        _check_request(request, self._gate.limits)
        return self.send(request, timeout_s=timeout_s)

    def send(
        self, request: capabilities_pb2.CapabilityRequest, *, timeout_s: float
    ) -> capabilities_pb2.CapabilityResponse:
        """The same for the request that this was entered for."""
        limits = self._gate.limits
        if (left := hung_up()) is not None:
            raise left
        response = self._backend.execute(request, timeout_s=min(timeout_s, limits.timeout_s_max))
        size = response.ByteSize()
        if size > limits.response_bytes_max:
            raise _too_big("response", size, limits.response_bytes_max, "response_bytes_max")
        return response

    def leave(self) -> None:
        """Nothing more is called. Once."""
        self._gate.leave()


class BoundedExecutable:
    """An executable that lets nothing too big through, and no more calls at once than the plugin may have."""

    def __init__(self, backend: ExecutableBackend, gate: Gate) -> None:
        self._backend = backend
        self._gate = gate

    def execute(
        self, request: capabilities_pb2.CapabilityRequest, *, timeout_s: float
    ) -> capabilities_pb2.CapabilityResponse:
        """The answer. Raises ``CapabilityError``: LimitExceeded for a size, ResourceExhausted for too many at once."""
        place = self.enter(request, timeout_s=timeout_s)
        try:
            return place.send(request, timeout_s=timeout_s)
        finally:
            place.leave()

    def enter(self, request: capabilities_pb2.CapabilityRequest, *, timeout_s: float) -> Place:
        """Wait until ``request`` may be called. Raises as ``execute``."""
        limits = self._gate.limits
        _check_request(request, limits)
        if timeout_s <= 0:
            raise CapabilityError("Public", "System", "DeadlineExceeded", "no time is left for this call")
        if not self._gate.enter(min(timeout_s, limits.timeout_s_max)):
            raise CapabilityError(
                "Public",
                "System",
                "ResourceExhausted",
                f"{limits.concurrency_max} calls of this plugin are open, the limit (concurrency_max), and none ended",
            )
        return Place(self._backend, self._gate)
