"""The far side of launcher ``external``: it listens, and starts one fresh runner for each connection.

Rule 1: it reads nothing from a connection. The runner gets the connected socket, and its configuration from here.
Rule 2: a runner whose other end has hung up ends, by itself or killed. There are at most ``runners_max``; one more
connection is closed at once.
"""

import argparse
import contextlib
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from strongroom.plugin import StrongroomError
from strongroom_confidential_workflows.launchers import bubblewrap
from strongroom_confidential_workflows.launchers.address import Address, prepare
from strongroom_confidential_workflows.launchers.far_settings import FarSettings, read_far_settings
from strongroom_confidential_workflows.launchers.process import runner_command
from strongroom_confidential_workflows.launchers.runner import STATEMENT
from strongroom_confidential_workflows.messages import Configure, encode
from strongroom_confidential_workflows.providers.choice import device_of

__all__ = ["Listener", "main"]

HANG_UP_GRACE_S: Final = 2.0
"""A runner ends by itself when nobody is left to take its result; after this it is killed."""
_LOG: Final = logging.getLogger("strongroom.enclave")


def main(arguments: Sequence[str]) -> None:
    """Listen until SIGTERM or SIGINT. Exits with a text when it cannot."""
    parser = argparse.ArgumentParser(prog="strongroom_confidential_workflows.enclave", description="Start runners.")
    parser.add_argument("--listen", required=True, metavar="ADDRESS", help="unix:/path, tcp:host:port, vsock:cid:port")
    parser.add_argument("--config", required=True, type=Path, metavar="FILE", help="a TOML file, see the README")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    try:
        address = Address.parse(given.listen)
        listener = Listener(read_far_settings(given.config))
        with address.listen() as listening:
            _LOG.info("enclave runners: launcher %s %s", listener.launcher, STATEMENT)
            _LOG.info("listening at %s", address.text)
            listener.serve(listening)
    except StrongroomError as error:
        sys.exit(f"{error.code} {error.with_fix()}")
    except (ValueError, OSError) as error:
        sys.exit(f"cannot listen at {given.listen[:200]}: {error}")
    except KeyboardInterrupt:
        sys.exit(0)


class Listener:
    """Starts runners from the thread that serves: the kernel ends them with it. Raises ``Misconfigured`` when this
    machine lacks what its launcher needs."""

    def __init__(self, settings: FarSettings) -> None:
        self.launcher = settings.launcher
        self._configure = settings.runners.configure
        self._program = bubblewrap.found_program() if settings.launcher == bubblewrap.NAME else None
        self._runners_max = settings.runners_max
        self._places = threading.BoundedSemaphore(settings.runners_max)

    def serve(self, listening: socket.socket) -> None:
        """Take connections for ever."""
        while True:
            with contextlib.suppress(ConnectionAbortedError):
                connection, _ = listening.accept()
                self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        if not self._places.acquire(blocking=False):
            _LOG.warning("a connection was closed: %d runners run (runners_max)", self._runners_max)
            connection.close()
            return
        try:
            prepare(connection)
            process = self._start(connection)
        except (StrongroomError, OSError) as error:
            _LOG.error("an enclave runner did not start: %s", error)
            connection.close()
            self._places.release()
            return
        _LOG.info("runner %d started", process.pid)
        threading.Thread(target=self._watch, args=(process, connection), daemon=True).start()

    def _start(self, connection: socket.socket) -> "subprocess.Popen[bytes]":
        configuration = self._configure()
        with _memory(encode(configuration)) as configured:
            passed = (connection.fileno(), configured)
            return subprocess.Popen(
                self._command(configuration, passed),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=passed,
                env={"LC_ALL": "C.UTF-8"},
                cwd="/",
            )

    def _command(self, configuration: Configure, passed: tuple[int, int]) -> list[str]:
        if self._program is None:
            return runner_command(*passed)
        device = device_of(configuration.evidence_kind, configuration.device)
        return bubblewrap.wrapped(self._program, device, *passed)

    def _watch(self, process: "subprocess.Popen[bytes]", connection: socket.socket) -> None:
        """See one runner to its end. This end of its connection only shows when the other one hangs up."""
        try:
            with connection:
                _wait_for_either(process, connection)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(HANG_UP_GRACE_S)
                if process.poll() is None:
                    process.kill()
                process.wait()
        finally:
            self._places.release()
        _LOG.info("runner %d ended with status %d", process.pid, process.returncode)


def _wait_for_either(process: "subprocess.Popen[bytes]", connection: socket.socket) -> None:
    ended = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(ended, select.POLLIN)
        poll.register(connection.fileno(), select.POLLRDHUP)
        poll.poll()
    finally:
        os.close(ended)


@contextlib.contextmanager
def _memory(content: bytes) -> Iterator[int]:
    descriptor = os.memfd_create("enclave-configuration", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content)
        yield descriptor
    finally:
        os.close(descriptor)
