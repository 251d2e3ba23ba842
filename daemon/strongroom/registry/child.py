"""One operating system process of a plugin: its environment, its pipes, its end."""

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final, cast

from strongroom.errors import PluginFault
from strongroom.plugin.serve.wire import (
    COOKIES,
    MODE_VARIABLE,
    NAME_VARIABLE,
    SOCKET_DIR_VARIABLE,
    TOKEN_VARIABLE,
)
from strongroom.registry import leash
from strongroom.telemetry import grpc_lines, tracing

__all__ = ["PYTHON", "Child", "find_program", "plugin_environment"]

# Where system programs are; a plugin that needs another place is named by its full path.
SEARCH_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
ANY_PORT: Final = 10_000
PYTHON: Final = "python"
"""The word for the interpreter of this host."""


def plugin_environment(*, name: str, mode: str, directory: Path, token: str) -> dict[str, str]:
    """Everything that a plugin process finds in its environment. Of the daemon's own: where traces go, and
    what gRPC writes, at most."""
    return {
        **COOKIES,
        "PLUGIN_MIN_PORT": "10000",
        "PLUGIN_MAX_PORT": "25000",
        "PLUGIN_PROTOCOL_VERSIONS": "0",
        SOCKET_DIR_VARIABLE: str(directory),
        "CL_PROMETHEUS_PORT": str(_free_port()),
        NAME_VARIABLE: name,
        MODE_VARIABLE: mode,
        TOKEN_VARIABLE: token,
        "PATH": SEARCH_PATH,
        "TMPDIR": str(directory),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        # grpc's fork handlers only get in the way of plugins that start processes of their own.
        "GRPC_ENABLE_FORK_SUPPORT": "0",
        **grpc_lines.for_children(os.environ),
        **tracing.for_children(os.environ),
    }


def find_program(word: str) -> Path:
    """The file that the first word of a command stands for. Raises ``PluginFault``."""
    program = shutil.which(word, path=SEARCH_PATH)
    if program is None:
        raise _cannot_start(word, f"there is no such program that may be run, also not in {SEARCH_PATH}")
    return Path(program).absolute()


def _free_port() -> int:
    """A port that was free a moment ago: plugins of the reference refuse to start without a number here."""
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            return port
    except OSError:
        # Where the host may have no such socket, its children have none either, and any number does.
        return ANY_PORT


class Child:
    """A started process, in a session of its own.

    It is killed through its pidfd and its group, and reaped only after that, so no signal ever meets a recycled pid.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], directory: Path, program: int | None = None
    ) -> None:
        """``program`` is a descriptor of the program, when that very file is to be started and no other."""
        arguments = _arguments(command, program)
        try:
            self._process = subprocess.Popen(
                arguments,
                env=dict(environment),
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
                pass_fds=() if program is None else (program,),
            )
        except OSError as error:
            raise _cannot_start(command[0], error.strerror or str(error)) from error
        self.pid = self._process.pid
        self.pidfd = os.pidfd_open(self.pid)
        self._reaped = False
        self._reaping = threading.Lock()

    def take_stdout(self) -> int:
        """The read end of its stdout, now the caller's."""
        return _taken(self._process.stdout)

    def take_stderr(self) -> int:
        """The read end of its stderr, now the caller's."""
        return _taken(self._process.stderr)

    def ended(self, timeout_s: float) -> bool:
        """Whether it has ended, waiting at most so long."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))

    def terminate(self) -> None:
        """Ask the process to end."""
        self._send(signal.SIGTERM)

    def kill_leader(self) -> None:
        """Kill the process itself; ``kill`` is still needed."""
        self._send(signal.SIGKILL)

    def kill(self) -> str:
        """End it and everything it started; how it ended. A second call does nothing."""
        with self._reaping:
            if not self._reaped:
                # Not reaped yet, so the number of the group still belongs to it.
                os.killpg(self.pid, signal.SIGKILL)
                self._process.wait()
                self._reaped = True
                os.close(self.pidfd)
        code = self._process.returncode
        return f"exit status {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"

    def _send(self, number: signal.Signals) -> None:
        with self._reaping:
            if not self._reaped:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self.pidfd, number)


def _arguments(command: Sequence[str], program: int | None) -> list[str]:
    """The word ``python`` means this interpreter; whatever else is run on a leash, so that it dies with the host."""
    if command[0] == PYTHON:
        return [sys.executable, *command[1:]]
    path = str(find_program(command[0]))
    started = path if program is None else f"/proc/self/fd/{program}"
    return [sys.executable, "-I", "-S", leash.__file__, str(os.getpid()), started, path, *command[1:]]


def _cannot_start(program: str, why: str) -> PluginFault:
    return PluginFault("SR-PLUG-022", f"{program} cannot be started", why=why, fix="check `command` in plugins.yaml")


def _taken(pipe: IO[bytes] | None) -> int:
    stream = cast(IO[bytes], pipe)
    descriptor = os.dup(stream.fileno())
    stream.close()
    return descriptor
