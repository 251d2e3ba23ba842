"""One connection of ``strongroom-runner``: an order, the runner that answers it, and the end of both.

Rule 1: of an order only the kind is believed, and it chooses from a table; no word of it reaches a command.
Rule 2: the runner is killed when its host hangs up, and when it says anything more.
Rule 3: nothing here waits: whoever does not read is hung up on.
"""

import contextlib
import os
import socket
import stat
import time
from typing import Final

from google.protobuf.message import DecodeError

from strongroom.guest.starter import wire
from strongroom.guest.starter.child import ENCLAVE, GUESTS, Child
from strongroom.pb.strongroom.runner.v1 import pool_pb2
from strongroom.telemetry import logs

__all__ = ["OrderedRunner", "refuse"]

ORDER_S: Final = 5.0
"""A host orders as soon as it is connected; one that says nothing must not keep the place of another."""

ORDER_BYTES_MAX: Final = 64
"""An order is a number."""

PROGRAMS: Final = {pool_pb2.RUNNER_KIND_GUESTS: GUESTS, pool_pb2.RUNNER_KIND_ENCLAVE: ENCLAVE}

_LOG: Final = logs.get("runner")


class OrderedRunner:
    """What becomes of one connection. ``is_over`` once nothing is left of it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.deadline_s = time.monotonic() + ORDER_S
        """Until when the order may come, on the monotonic clock."""
        self.child: Child | None = None
        """The runner, while there is one."""
        self.is_over = False
        self._was_told = False

    def fileno(self) -> int:
        """The connection, for whoever waits for its messages."""
        return self._connection.fileno()

    def refuse(self, why: str) -> None:
        """Say why there is no runner, and end."""
        refuse(self._connection, why)
        self.hang_up()

    def read(self) -> bool:
        """Take what is there. False when nothing more is to be read: the host hung up, or is hung up on."""
        try:
            try:
                message = wire.receive(self._connection)
            except BlockingIOError:
                return True  # below, it is a process that cannot be made, or a host that does not read
            if message is None:
                self.hang_up()
                return False
            data, descriptor = message
            try:
                if self.child is not None:
                    raise wire.BrokenMessage("it comes after the order")
                self._start(data, descriptor)
            finally:
                if descriptor is not None:
                    os.close(descriptor)
        except (wire.BrokenMessage, OSError) as problem:
            _LOG.warning("a host was hung up on", extra={"reason": str(problem)})
            self.refuse(str(problem))
            return False
        return True

    def hang_up(self) -> None:
        """End the runner; with its end, or at once where there is none, this is over."""
        self._was_told = True
        if self.child is not None:
            self.child.kill()
        else:
            self._close()

    def ended(self) -> None:
        """The runner has ended: tell its host, if that still listens."""
        child = self.child
        if child is None:
            return
        status = child.wait()
        words = child.last_words()
        child.close()
        self.child = None
        if status and not self._was_told:
            _LOG.info("a runner ended", extra={"pid": child.pid, "status": status})
        with contextlib.suppress(OSError):
            ended = pool_pb2.Ended(status=status or 0, last_words=words)
            wire.send(self._connection, pool_pb2.Answer(ended=ended).SerializeToString())
        self._close()

    def abandon(self) -> None:
        """End everything now, and say nothing: a host that hears nothing knows that it was not the runner's doing."""
        self._connection.close()
        if self.child is not None:
            self.child.kill()
            self.child.wait()
            self.child.close()
            self.child = None
        self.is_over = True

    def _start(self, untrusted: bytes, descriptor: int | None) -> None:
        kind = _kind(untrusted)
        if descriptor is not None and (kind != pool_pb2.RUNNER_KIND_GUESTS or not _is_directory(descriptor)):
            raise wire.BrokenMessage("a descriptor came with it that is no directory of code")
        self.child = Child(PROGRAMS[kind], descriptor)
        with self.child.connection() as theirs:
            answer = pool_pb2.Answer(started=pool_pb2.Started(pid=self.child.pid))
            wire.send(self._connection, answer.SerializeToString(), theirs.fileno())

    def _close(self) -> None:
        self._connection.close()
        self.is_over = True


def refuse(connection: socket.socket, why: str) -> None:
    """Say why there is no runner, to whoever still listens."""
    answer = pool_pb2.Answer(refused=pool_pb2.Refused(why=why[:1000]))
    with contextlib.suppress(OSError):
        wire.send(connection, answer.SerializeToString())


def _kind(untrusted: bytes) -> pool_pb2.RunnerKind.ValueType:
    """Raises ``BrokenMessage`` for what is no order, or has more in it than one."""
    if len(untrusted) > ORDER_BYTES_MAX:
        raise wire.BrokenMessage(f"an order of {len(untrusted)} bytes is larger than {ORDER_BYTES_MAX} bytes")
    try:
        order = pool_pb2.Order.FromString(untrusted)
    except DecodeError:
        raise wire.BrokenMessage("it is no order") from None
    if order.kind not in PROGRAMS or pool_pb2.Order(kind=order.kind).SerializeToString() != untrusted:
        raise wire.BrokenMessage("it is no order of this version")
    return order.kind


def _is_directory(descriptor: int) -> bool:
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)
