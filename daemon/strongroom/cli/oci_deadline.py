"""The end of the way to a registry: when its time is over, every connection to it is shut down, whatever it is at.

The library bounds each read alone. A peer that sends a byte now and then, or ``100 Continue`` again and again, or takes
an upload byte by byte, would hold us for ever.
"""

import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests
import requests.adapters
import urllib3

__all__ = ["Deadline"]


class Deadline:
    """``after_s`` from now. ``over`` makes what is raised then."""

    def __init__(self, after_s: float, over: Callable[[], Exception]) -> None:
        self._until_s = time.monotonic() + after_s
        self._over = over
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._lock = threading.Lock()

    def bind(self, session: requests.Session) -> None:
        """Have all connections of ``session`` end with it."""
        for prefix in list(session.adapters):
            session.mount(prefix, _Adapter(self))

    @contextmanager
    def holds(self) -> Iterator[None]:
        """What is done in here ends in time. Raises what ``over`` makes, in place of what a cut connection leads to."""
        self.check()
        timer = threading.Timer(max(0.0, self._until_s - time.monotonic()), self._shut_down)
        timer.daemon = True
        timer.start()
        try:
            yield
        except Exception as error:
            if time.monotonic() >= self._until_s:
                raise self._over() from error
            raise
        finally:
            timer.cancel()
        # Headers that were cut off look like headers that have ended.
        self.check()

    def check(self) -> None:
        """Raise what ``over`` makes once the time is over."""
        if time.monotonic() >= self._until_s:
            raise self._over()

    def watch(self, connection: object) -> None:
        """Shut ``connection`` down when the time is over, or now."""
        # TLS within the TLS of a proxy is no socket, but has one.
        found = connection if isinstance(connection, socket.socket) else getattr(connection, "socket", None)
        if not isinstance(found, socket.socket):
            return
        with self._lock:
            self._sockets.add(found)
        if time.monotonic() >= self._until_s:
            self._shut_down()

    def _shut_down(self) -> None:
        with self._lock:
            for each in list(self._sockets):
                with suppress(OSError):
                    # That of TLS would have the reader take what is left for plain text.
                    socket.socket.shutdown(each, socket.SHUT_RDWR)


class _Adapter(requests.adapters.HTTPAdapter):
    """Connects as the library does, directly or through a proxy, and has a deadline watch each connection."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        super().__init__()

    def init_poolmanager(self, *args: Any, **more: Any) -> None:  # Any: what the library takes
        """As the library does it."""
        super().init_poolmanager(*args, **more)
        self._have_watched(self.poolmanager)

    def proxy_manager_for(self, proxy: Any, **more: Any) -> Any:  # Any: what the library takes and gives
        """As the library does it."""
        if proxy in self.proxy_manager:
            return self.proxy_manager[proxy]
        manager = super().proxy_manager_for(proxy, **more)
        self._have_watched(manager)
        return manager

    def _have_watched(self, manager: urllib3.PoolManager) -> None:
        manager.pool_classes_by_scheme = {
            scheme: _watched(pool, self._deadline) for scheme, pool in manager.pool_classes_by_scheme.items()
        }


def _watched(pool: Any, deadline: Deadline) -> Any:  # Any: classes that are made as the program runs
    def connection(self: Any) -> Any:
        return self.__dict__.get("_watched_socket")

    def connected(self: Any, to: Any) -> None:
        self.__dict__["_watched_socket"] = to
        deadline.watch(to)

    # Whatever it becomes (a socket, TLS, TLS through a proxy) is set here before anything is read from it.
    watching = type("_Watching", (pool.ConnectionCls,), {"sock": property(connection, connected)})
    return type("_WatchedPool", (pool,), {"ConnectionCls": watching})
