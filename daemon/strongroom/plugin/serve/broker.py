"""The broker of go-plugin: either side serves things on sockets of its own, known to the other by number."""

import queue
import threading
import time
from collections.abc import Iterator
from typing import Final

from strongroom.errors import PluginFault
from strongroom.pb.plugin import plugin_pb2
from strongroom.plugin.serve.wire import DIAL_TIMEOUT_S, unix_target

__all__ = ["Broker"]

# Announcements that nobody claimed are forgotten with time; a flood of them is cut off before that.
PENDING_MAX: Final = 1024


class Broker:
    """One side of the broker stream. Numbers count up on the side that opens a service; each side has its own."""

    def __init__(self, *, timeout_s: float = DIAL_TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._ids = 0
        self._changed = threading.Condition()
        self._pending: dict[int, tuple[float, plugin_pb2.ConnInfo]] = {}
        self._outgoing: queue.SimpleQueue[plugin_pb2.ConnInfo | None] = queue.SimpleQueue()
        self._closed = False

    def announce(self, path: str) -> int:
        """Tell the other side that something is served at ``path``; the number it can be asked by."""
        with self._changed:
            self._ids += 1
            number = self._ids
        self._outgoing.put(plugin_pb2.ConnInfo(service_id=number, network="unix", address=path))
        return number

    def outgoing(self) -> Iterator[plugin_pb2.ConnInfo]:
        """What to send, until the broker is closed."""
        while (info := self._outgoing.get()) is not None:
            yield info

    def take(self, info: plugin_pb2.ConnInfo) -> None:
        """Remember what the other side announced."""
        with self._changed:
            self._forget_old()
            if len(self._pending) < PENDING_MAX:
                self._pending[info.service_id] = (time.monotonic(), info)
                self._changed.notify_all()

    def target_of(self, number: int) -> str:
        """The gRPC target of an announced service, which can be claimed once. Raises ``PluginFault`` after 5 s."""
        deadline = time.monotonic() + self._timeout_s
        with self._changed:
            while True:
                self._forget_old()
                if number in self._pending:
                    return _target(self._pending.pop(number)[1])
                left = deadline - time.monotonic()
                if left <= 0 or self._closed:
                    raise PluginFault(
                        "SR-PLUG-010",
                        "timeout waiting for connection info",
                        why=f"nothing was announced under broker id {number} within {self._timeout_s:g} s",
                    )
                self._changed.wait(left)

    def close(self) -> None:
        """End the outgoing stream and wake everybody who waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._outgoing.put(None)

    def _forget_old(self) -> None:
        old = time.monotonic() - self._timeout_s
        for number in [n for n, (at, _) in self._pending.items() if at < old]:
            del self._pending[number]


def _target(info: plugin_pb2.ConnInfo) -> str:
    if info.network == "unix" and info.address.startswith("/"):
        return unix_target(info.address)
    if info.network == "tcp" and info.address.rpartition(":")[0] in {"127.0.0.1", "localhost", "[::1]"}:
        return info.address
    raise PluginFault("SR-PLUG-011", f"unknown address type: {info.network[:20]}", why="it is not on this machine")
