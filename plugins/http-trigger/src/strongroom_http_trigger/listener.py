"""The listener: one address, bounded in connections, threads, sizes and time.

Each connection carries one request. Whoever has not sent it whole within ``CONNECTION_AGE_S_MAX`` is hung up on, so
sending slowly holds a place for that long and no longer. It speaks plain HTTP: TLS is for the proxy in front of it.
"""

import http
import re
import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final

from waitress.channel import HTTPChannel  # type: ignore[import-untyped]  # the library has no types
from waitress.parser import HTTPRequestParser  # type: ignore[import-untyped]  # as above
from waitress.server import create_server  # type: ignore[import-untyped]  # as above

from strongroom_http_trigger.limits import CONNECTION_AGE_S_MAX, HEADER_BYTES_MAX
from strongroom_http_trigger.refusal import INVALID_REQUEST, Refusal
from strongroom_http_trigger.service import Answer, refused

__all__ = ["Listener", "where_of"]

Handle = Callable[[str, bytes], Answer]
_ADDRESS: Final = re.compile(r"(?:\[[0-9a-f:.]+\]|[0-9.]+):([0-9]{1,5})")
SWEEP_EVERY_S: Final = 1
STOP_S: Final = 1.0
# The kernel keeps this many more connections waiting while all places are taken.
BACKLOG: Final = 128


def where_of(listen: str) -> dict[str, str]:
    """``address:port`` or ``unix:/path`` as the library wants it. Raises ``ValueError``."""
    if listen.startswith("unix:"):
        path = listen.removeprefix("unix:")
        if not Path(path).is_absolute():
            raise ValueError("listen: the path after unix: must be absolute")
        return {"unix_socket": path, "unix_socket_perms": "600"}
    match = _ADDRESS.fullmatch(listen)
    if match is None or int(match[1]) > 65_535:
        raise ValueError("listen must be an IP address and a port, such as 127.0.0.1:8477, or unix:/path")
    return {"listen": listen}


class Listener:
    """Hands each request's token and body to ``handle``."""

    def __init__(
        self,
        listen: str,
        handle: Handle,
        *,
        threads: int,
        connections_max: int,
        body_bytes_max: int,
        connection_age_s: float = CONNECTION_AGE_S_MAX,
    ) -> None:
        """Binds. Raises ``OSError``."""
        self._handle = handle
        # Any: the library has no types.
        self._server: Any = create_server(
            self._application,
            **where_of(listen),
            threads=threads,
            # It counts its own two descriptors as well.
            connection_limit=connections_max + 2,
            backlog=BACKLOG,
            max_request_header_size=HEADER_BYTES_MAX,
            # It refuses what has this size already.
            max_request_body_size=body_bytes_max + 1,
            inbuf_overflow=2 * body_bytes_max,
            cleanup_interval=SWEEP_EVERY_S,
            channel_timeout=CONNECTION_AGE_S_MAX,
            log_socket_errors=False,
            asyncore_use_poll=True,
            ident=None,
        )
        # Its own rule looks at the last byte that came; ours looks at the first.
        self._server.channel_class = _Channel
        self._server.maintenance = partial(_hang_up_on_the_slow, self._server, connection_age_s)
        self._thread = threading.Thread(target=self._server.run, name="listener", daemon=True)

    @property
    def address(self) -> str:
        """Where it listens, with the port that was chosen for port 0."""
        host, port = self._server.effective_host, self._server.effective_port
        return f"unix:{port}" if host == "unix" else f"{host}:{port}"

    def start(self) -> None:
        """Take requests."""
        self._thread.start()

    def close(self) -> None:
        """Take no more. Requests that are being answered end with their threads."""
        self._server.close()
        self._server.task_dispatcher.shutdown(timeout=STOP_S)

    def _application(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        """The WSGI application. Any: an environment holds values of several kinds."""
        if environ["PATH_INFO"] != "/":
            answer = refused(Refusal(INVALID_REQUEST, 404, "not_found", "the only path is /"), None)
        elif environ["REQUEST_METHOD"] != "POST":
            answer = refused(Refusal(INVALID_REQUEST, 405, "method_not_allowed", "send a POST"), None)
        else:
            answer = self._handle(environ.get("HTTP_AUTHORIZATION", ""), environ["wsgi.input"].read())
        fields = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(answer.body))),
            ("Cache-Control", "no-store"),
        ]
        if answer.retry_after_s:
            fields.append(("Retry-After", str(answer.retry_after_s)))
        start_response(f"{answer.status} {http.HTTPStatus(answer.status).phrase}", fields)
        return [answer.body]


class _OneRequest(HTTPRequestParser):  # type: ignore[misc]  # the library has no types
    """A request that always asks for the connection to be closed after it."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        self.headers["CONNECTION"] = "close"


class _Channel(HTTPChannel):  # type: ignore[misc]  # the library has no types
    parser_class = _OneRequest


def _hang_up_on_the_slow(server: Any, age_s: float, now: float) -> None:
    """Close what is older than ``age_s`` and has nothing to be worked on. Any: the library has no types."""
    for channel in list(server.active_channels.values()):
        if not channel.requests and now - channel.creation_time > age_s:
            channel.will_close = True
