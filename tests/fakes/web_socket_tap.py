"""A relay that is none: it passes messages on to a real one, and keeps them as they are inside their frames.

Frames of a client are masked on the wire, so bytes that are taken from the wire would show nothing to a search.
"""

import threading
from contextlib import suppress

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import serve

LOST = 1006
"""What a connection says that broke off; it must not be sent."""
GOING_AWAY = 1001


class WebSocketTap:
    """Listens on a free port of this machine. ``target`` is ``host:port`` of the relay, or ``None`` to refuse.

    ``messages`` is what went either way; ``offered`` the subprotocols of every connection that was asked for.
    """

    def __init__(self, target=None):
        self.target = target
        self.messages = []
        self.offered = []
        self._server = serve(
            self._pass_on, "127.0.0.1", 0, select_subprotocol=self._select, compression=None, max_size=None
        )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self):
        host, port = self._server.socket.getsockname()[:2]
        return f"{host}:{port}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join(10)

    @property
    def crossed(self):
        """All messages, with a byte between them that no text has."""
        return b"\xff".join(each if isinstance(each, bytes) else each.encode() for each in list(self.messages))

    def _select(self, _connection, offered):
        self.offered.append(tuple(offered))
        return next((each for each in offered if not each.startswith("bearer.")), None)

    def _pass_on(self, near):
        if self.target is None:
            near.close(1013, "nobody is here")
            return
        url = f"ws://{self.target}{near.request.path}"
        with suppress(OSError, ConnectionClosed):
            far = connect(url, subprotocols=self.offered[-1], compression=None, max_size=None, proxy=None, legacy=True)
            back = threading.Thread(target=self._copy, args=(far, near), daemon=True)
            back.start()
            self._copy(near, far)
            back.join(10)

    def _copy(self, source, sink):
        with suppress(ConnectionClosed):
            for message in source:
                self.messages.append(message)
                sink.send(message)
        ended_well = source.close_code is not None and source.close_code != LOST
        with suppress(ConnectionClosed):
            sink.close(source.close_code if ended_well else GOING_AWAY, source.close_reason or "")
