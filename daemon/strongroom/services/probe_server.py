"""A small HTTP server of its own for probes and metrics, so that an API with all of its threads taken looks alive.

It is written here since what it must hold is little and strict: a dozen connections, a deadline for the whole of each,
no keep-alive, no body. A server of the standard library gives each read its own time, so that one client which sends a
byte now and then holds a thread for ever; one more library would be larger than all of this.

Rule: whoever holds a connection without asking keeps no other out. Where there is no room, the connection that has
waited longest for its own client is hung up on; where each is being answered, the next is told 429, which is no state
of the host.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from strongroom.errors import Misconfigured
from strongroom.services.http_request import (
    END_OF_HEAD,
    HEAD_BYTES_MAX,
    Answer,
    Refusal,
    Request,
    encoded,
    parse,
    plain,
)
from strongroom.services.unix_socket import UnixSocket
from strongroom.telemetry import logs

__all__ = ["CONNECTIONS_MAX", "ProbeServer"]

CONNECTIONS_MAX: Final = 16
"""At once, at one place: a service manager, a scraper or two, and somebody who looks."""
BACKLOG: Final = 32
READ_S: Final = 3.0
"""For a whole request; it is one packet."""
WRITE_S: Final = 10.0
"""For a whole answer; the largest is some hundred kilobytes."""
LINGER_S: Final = 0.5
"""For what is still on its way from whoever has its answer."""
CLOSE_S: Final = 1.0
ROOM_S: Final = 1.0
"""For the thread of a connection that was hung up on to see it."""
ADDRESS_PREFIX: Final = "unix:"
log = logs.get("services")


@dataclass(eq=False, slots=True)
class _Held:
    """One connection. ``waits`` for its client, since then, to ask or to take what it asked for."""

    connection: socket.socket
    has_asked: bool = False
    waits: bool = True
    since_s: float = field(default_factory=time.monotonic)


class ProbeServer:
    """Answers at one place: a Unix socket, or (host, port). ``answer`` is asked from several threads."""

    def __init__(
        self,
        place: UnixSocket | tuple[str, int],
        answer: Callable[[Request], Answer],
        *,
        hosts: Collection[str] = (),
        read_s: float = READ_S,
    ) -> None:
        """``hosts`` are names by which this machine may be asked for beside its own addresses."""
        self._place = place
        self._answer = answer
        self._hosts = None if isinstance(place, UnixSocket) else frozenset(each.lower() for each in hosts)
        self._read_s = read_s
        self._free = threading.BoundedSemaphore(CONNECTIONS_MAX)
        self._held: set[_Held] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def port(self) -> int:
        """Where it listens with TCP, once it does; else 0."""
        listener = self._listener
        return int(listener.getsockname()[1]) if listener is not None and isinstance(self._place, tuple) else 0

    def start(self) -> None:
        """Bind and answer. Raises ``Misconfigured``."""
        if isinstance(self._place, UnixSocket):
            self._place.bind(self._listen_unix)
        else:
            self._listen_tcp(*self._place)
        self._thread = threading.Thread(target=self._accept, name="probes", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Answer nobody any more, and remove the socket."""
        self._closed = True
        if self._listener is not None:
            with contextlib.suppress(OSError):
                # A thread that waits for a connection is not woken by a descriptor that is closed.
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        if self._thread is not None:
            self._thread.join(CLOSE_S)
        if isinstance(self._place, UnixSocket):
            self._place.release()

    def _listen_unix(self, address: str) -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(address.removeprefix(ADDRESS_PREFIX))
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
        self._listener = listener

    def _listen_tcp(self, host: str, port: int) -> None:
        try:
            family, kind, protocol, _name, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            listener = socket.socket(family, kind, protocol)
            try:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(address)
                listener.listen(BACKLOG)
            except OSError:
                listener.close()
                raise
        except OSError as error:
            raise Misconfigured(
                "SR-OBS-001",
                f"probes cannot listen on {host}:{port}",
                why=error.strerror or type(error).__name__,
                fix="choose another observe.listen, or stop what listens there",
                where="observe.listen",
            ) from error
        self._listener = listener

    def _accept(self) -> None:
        listener = self._listener
        while listener is not None and not self._closed:
            try:
                connection, _peer = listener.accept()
            except OSError:
                if not self._closed:
                    # Such as no descriptor being left; whoever asks comes again.
                    time.sleep(0.1)
                continue
            if not self._has_room():
                # Not read, and not waited for: who holds the others keeps nobody else waiting.
                self._end(connection, plain(429, "too many connections", {"Retry-After": "1"}), linger_s=0.0)
                continue
            held = _Held(connection)
            with self._lock:
                self._held.add(held)
            try:
                threading.Thread(target=self._serve, args=(held,), name="probe", daemon=True).start()
            except RuntimeError:
                self._drop(held)
                connection.close()

    def _has_room(self) -> bool:
        """Whether one more may be served, which has its place then. Whoever waits longest makes room."""
        if self._free.acquire(blocking=False):
            return True
        with self._lock:
            waiting = [each for each in self._held if each.waits]
            if not waiting:
                return False
            longest = min(waiting, key=lambda each: (each.has_asked, each.since_s))
            with contextlib.suppress(OSError):
                longest.connection.shutdown(socket.SHUT_RDWR)
        return self._free.acquire(timeout=ROOM_S)

    def _drop(self, held: _Held) -> None:
        with self._lock:
            self._held.discard(held)
        self._free.release()

    def _serve(self, held: _Held) -> None:
        connection = held.connection
        try:
            with_body = True
            try:
                request = parse(self._head(connection), hosts=self._hosts)
                with_body = request.method != "HEAD"
                with self._lock:
                    held.has_asked, held.waits = True, False
                answer = self._answer(request)
            except Refusal as refusal:
                answer = refusal.answer
            except TimeoutError:
                answer = plain(408, "the request did not come in time")
            with self._lock:
                held.waits, held.since_s = True, time.monotonic()
            self._end(connection, answer, with_body=with_body)
        except OSError:
            # Whoever asked has gone.
            connection.close()
        except Exception:
            # The last line of defence: a fault of one page ends no thread without a word.
            log.exception("a probe could not be answered")
            self._end(connection, plain(500, "an internal error; the log of the host has more"))
        finally:
            self._drop(held)

    def _head(self, connection: socket.socket) -> bytes:
        """What comes before the first empty line. Raises ``Refusal``, ``TimeoutError``, ``OSError``."""
        until_s, head = time.monotonic() + self._read_s, b""
        while END_OF_HEAD not in head:
            if len(head) > HEAD_BYTES_MAX:
                raise Refusal(431, f"the request is larger than {HEAD_BYTES_MAX} bytes")
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            connection.settimeout(left_s)
            piece = connection.recv(HEAD_BYTES_MAX + 1)
            if not piece:
                raise Refusal(400, "the request ends before its headers do")
            head += piece
        return head.split(END_OF_HEAD, 1)[0]

    @staticmethod
    def _end(connection: socket.socket, answer: Answer, *, with_body: bool = True, linger_s: float = LINGER_S) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(WRITE_S)
            connection.sendall(encoded(answer, with_body=with_body))
            connection.shutdown(socket.SHUT_WR)
            until_s = time.monotonic() + linger_s
            # The kernel drops an answer that is on its way when what was sent is not read.
            while (left_s := until_s - time.monotonic()) > 0:
                connection.settimeout(left_s)
                if not connection.recv(HEAD_BYTES_MAX):
                    return
