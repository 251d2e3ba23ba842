"""Which devices are in a room, and when the others are told.

Rule 1: the first socket of a device announces it; a second one is no news.
Rule 2: leaving is told a moment after the last socket closed, so that a socket that replaces another is no news either.
At once where the token is no good any more.
Rule 3: nobody is told of their own device.

Source: contracts/workspace-encryption.md 12.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["Presence", "Timer"]

Actions = Mapping[str, Any]  # Any: what a device says of its actions is checked for form and passed on


class Timer(Protocol):
    """What ``call_later`` gives back."""

    def cancel(self) -> None:
        """Do not call."""


@dataclass(slots=True)
class _Device:
    connected_at_ms: int
    sockets: int = 0
    actions: Actions = field(default_factory=dict)
    leaving: Timer | None = None


class Presence:
    """The devices of a room. ``changed()`` is called when others are told; ``call_later(seconds, call)`` waits."""

    def __init__(
        self, changed: Callable[[], None], call_later: Callable[[float, Callable[[], None]], Timer], leave_s: float
    ) -> None:
        self._changed = changed
        self._call_later = call_later
        self._leave_s = leave_s
        self._devices: dict[str, _Device] = {}

    def joined(self, device_id: str, now_ms: int) -> bool:
        """One more socket of the device. Returns whether that was news, and so was told."""
        device = self._devices.get(device_id)
        if device is None:
            self._devices[device_id] = _Device(now_ms, sockets=1)
            self._changed()
            return True
        if device.leaving is not None:
            device.leaving.cancel()
            device.leaving = None
        device.sockets += 1
        return False

    def left(self, device_id: str, *, at_once: bool) -> None:
        """One socket less."""
        device = self._devices[device_id]
        device.sockets -= 1
        if device.sockets:
            return
        if at_once:
            self._gone(device_id)
        else:
            device.leaving = self._call_later(self._leave_s, lambda: self._gone(device_id))

    def publish(self, device_id: str, actions: Actions) -> None:
        """What the device says that it can do."""
        self._devices[device_id].actions = actions
        self._changed()

    def frame(self, receiver: str) -> dict[str, Any]:  # Any: JSON
        """The ``presence`` frame for a device."""
        devices = [
            {"deviceId": name, "connectedAt": device.connected_at_ms, "actions": device.actions}
            for name, device in self._devices.items()
            if name != receiver
        ]
        return {"type": "presence", "devices": devices}

    def devices(self) -> list[str]:
        """Who is there, those about to leave included."""
        return list(self._devices)

    def close(self) -> None:
        """Wait for nobody any more."""
        for device in self._devices.values():
            if device.leaving is not None:
                device.leaving.cancel()

    def _gone(self, device_id: str) -> None:
        if self._devices.pop(device_id, None) is not None:
            self._changed()
