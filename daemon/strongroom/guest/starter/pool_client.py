"""The other end of ``strongroom-runner``: orders a runner, and ends it by hanging up."""

import contextlib
import os
import select
import socket
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from strongroom.errors import Unavailable
from strongroom.guest.starter import wire
from strongroom.guest.starter.child import ENCLAVE, GUESTS
from strongroom.guest.starter.started import away
from strongroom.pb.strongroom.runner.v1 import pool_pb2

__all__ = ["ENCLAVE", "GUESTS", "OrderedRunner", "Pool", "at_path", "over"]

END_S: Final = 2.0
"""How long a runner that was hung up on may take to be gone; the kernel takes a few milliseconds."""

KINDS: Final = {GUESTS: pool_pb2.RUNNER_KIND_GUESTS, ENCLAVE: pool_pb2.RUNNER_KIND_ENCLAVE}


class Pool:
    """Orders runners. ``connect`` makes a connection, see ``at_path`` and ``over``."""

    def __init__(self, connect: Callable[[], socket.socket], kind: str = GUESTS) -> None:
        self._connect = connect
        self._order = pool_pb2.Order(kind=KINDS[kind]).SerializeToString()

    def start(self, code_directory: int | None = None) -> "OrderedRunner":
        """A runner that has been ordered. Raises ``Unavailable`` when nobody takes orders."""
        try:
            with contextlib.ExitStack() as undo:
                connection = undo.enter_context(self._connect())
                # One that refuses before it has read the order has said why.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    wire.send(connection, self._order, code_directory)
                undo.pop_all()
        except OSError as problem:
            raise away(problem.strerror or str(problem)) from problem
        return OrderedRunner(connection)


class OrderedRunner:
    """See ``Started``. What the pool says is checked, and a pool that says something else is gone."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reading = threading.Lock()
        self._started: socket.socket | None = None
        self._refusal = ""
        self._status: int | None = None
        self._words = ""
        self._is_over = False
        self._is_wanted = True
        self.pid = 0

    @property
    def is_lost(self) -> bool:
        """See ``Started``."""
        return self._is_over and self._status is None and not self._refusal and self._is_wanted

    def connection(self, timeout_s: float) -> socket.socket:
        """See ``Started``."""
        deadline_s = time.monotonic() + timeout_s
        while self._started is None and not self._is_over and self._look(deadline_s):
            pass
        connection, self._started = self._started, None
        if connection is None:
            self.kill()
            if self._refusal:
                raise Unavailable(
                    "SR-GUEST-035",
                    "strongroom-runner refused to start a runner",
                    why=self._refusal,
                    fix="see its log; --runners-max bounds how many run at once",
                )
            raise away("it hung up" if self._is_over else "it did not answer in time")
        return connection

    def poll(self) -> int | None:
        """See ``Started``; 0 where it cannot be known how it ended."""
        self._look(time.monotonic())
        return (self._status or 0) if self._is_over else None

    def wait(self, timeout_s: float | None = None) -> int | None:
        """See ``Started``. Without a time it waits for ``END_S``: the pool may be the one that hangs."""
        deadline_s = time.monotonic() + (END_S if timeout_s is None else timeout_s)
        while not self._is_over and self._look(deadline_s):
            pass
        return self._status

    def kill(self) -> None:
        """See ``Started``: hang up. What is still heard is how it ended, once it was started."""
        self._is_wanted = False
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR if self.pid else socket.SHUT_RDWR)

    def last_words(self) -> str:
        """See ``Started``."""
        return self._words or self._refusal

    def close(self) -> None:
        """See ``Started``."""
        with self._reading:
            self._is_over = True
            self._connection.close()
            if self._started is not None:
                self._started.close()

    def _look(self, deadline_s: float) -> bool:
        """Take the next message, if one comes in time. False when none came."""
        if self._is_over:
            return False
        poll = select.poll()
        with contextlib.suppress(OSError, ValueError):  # closed in the meantime
            poll.register(self._connection.fileno(), select.POLLIN)
            if not poll.poll(max(0.0, deadline_s - time.monotonic()) * 1000):
                return False
        with self._reading:
            if not self._is_over:
                self._read()
        return True

    def _read(self) -> None:
        try:
            message = wire.receive(self._connection)
            if message is None:
                self._is_over = True
            else:
                self._take(_answer(*message), message[1])
        except BlockingIOError:
            return  # somebody else has read it
        except (wire.BrokenMessage, DecodeError, OSError):
            self._is_over = True

    def _take(self, answer: pool_pb2.Answer, descriptor: int | None) -> None:
        which = answer.WhichOneof("message")
        if which == "started" and descriptor is not None and not self.pid:
            self._started = _runner_socket(descriptor)
            self.pid = answer.started.pid
            return
        if descriptor is not None:
            os.close(descriptor)
        self._is_over = True
        if which == "ended" and self.pid:
            self._status, self._words = answer.ended.status, answer.ended.last_words
        elif which == "refused":
            self._refusal = answer.refused.why or "it does not say why"


def _answer(untrusted: bytes, descriptor: int | None) -> pool_pb2.Answer:
    """Raises ``DecodeError``, and closes what came with such a message."""
    try:
        return pool_pb2.Answer.FromString(untrusted)
    except DecodeError:
        if descriptor is not None:
            os.close(descriptor)
        raise


def _runner_socket(untrusted: int) -> socket.socket:
    """What a runner is talked to through. Raises ``BrokenMessage`` for anything else, which is closed then."""
    if not stat.S_ISSOCK(os.fstat(untrusted).st_mode):
        os.close(untrusted)
        raise wire.BrokenMessage("what came for a runner is no socket")
    connection = socket.socket(fileno=untrusted)
    if (connection.family, connection.type) != (socket.AF_UNIX, socket.SOCK_STREAM):
        connection.close()
        raise wire.BrokenMessage("what came for a runner is another kind of socket")
    return connection


def at_path(path: Path) -> Callable[[], socket.socket]:
    """Connects to the socket at ``path``."""

    def connect() -> socket.socket:
        with contextlib.ExitStack() as undo:
            connection = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            connection.setblocking(False)
            connection.connect(os.fspath(path))
            undo.pop_all()
        return connection

    return connect


def over(inherited: socket.socket) -> Callable[[], socket.socket]:
    """Connects over the pair whose other end ``strongroom-runner`` inherited."""

    def connect() -> socket.socket:
        ours, theirs = wire.pair()
        with theirs:
            try:
                wire.send(inherited, b"connection", theirs.fileno())
            except BaseException:
                ours.close()
                raise
        return ours

    return connect
