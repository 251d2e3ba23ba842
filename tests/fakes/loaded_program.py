"""Hosts as forks of one process that has loaded the program: to load it takes longer than most hosts of tests live.

``forked(module, arguments, variables, directory)`` starts one and looks like ``subprocess.Popen``. What a program has
from its start alone, such as its command line, the limits of its parent or what the loader reads, a fork does not have:
tests of these start the program itself.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path

__all__ = ["Forked", "forked"]

ROOT = Path(__file__).resolve().parents[2]
REQUEST_BYTES_MAX = 200_000
LATE = (
    *("alembic.command", "alembic.ddl", "mako.ext.pygmentplugin", "grpc_reflection.v1alpha.reflection"),
    *(f"strongroom_{name}.plugin" for name in ("basic_test", "consensus", "cron_trigger", "kvstore", "workspace")),
)
"""What a host imports only when it makes a database, listens, or has these plugins, as almost all of tests do."""
STATUS = struct.Struct("i")
STARTED = struct.Struct("i")
_asking = threading.Lock()


class Forked:
    """One of them. ``stdout`` and ``stderr`` are text."""

    def __init__(self, pid, status, stdout, stderr):
        self.pid = pid
        self.stdout, self.stderr = stdout, stderr
        self.returncode = None
        self._status = status

    def poll(self):
        return self._ended(0)

    def wait(self, timeout=None):
        if self._ended(timeout) is None:
            raise subprocess.TimeoutExpired(["strongroom"], timeout)
        return self.returncode

    def send_signal(self, number):
        # Its parent tells of its end only after it has reaped it, so the pid may be another's after that alone.
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def _ended(self, timeout_s):
        if self.returncode is None and select.select([self._status], [], [], timeout_s)[0]:
            (self.returncode,) = STATUS.unpack(self._status.recv(STATUS.size))
            self._status.close()
        return self.returncode


def forked(module, arguments, variables, directory):
    """``python -m MODULE ARGUMENTS`` in a process of its own, with these variables of the environment and no others."""
    told, tells = socket.socketpair()
    out, writes_out = os.pipe()
    err, writes_err = os.pipe()
    request = {"module": module, "arguments": arguments, "variables": variables, "directory": str(directory)}
    given = [writes_out, writes_err, tells.fileno()]
    with _asking:
        loaded = _loaded()
        socket.send_fds(loaded, [json.dumps(request).encode()], given)
        (pid,) = STARTED.unpack(loaded.recv(STARTED.size))
    tells.close()
    os.close(writes_out)
    os.close(writes_err)
    return Forked(pid, told, os.fdopen(out), os.fdopen(err))


@cache
def _loaded():
    """The socket of the process that has loaded the program, which ends when this one does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, "-m", __spec__.name, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        # Whoever asks first may be in a directory of its own.
        cwd=ROOT,
    )
    theirs.close()
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


def _serve(connection):
    """Fork for each request, and tell of each end. Returns in the forks alone, or when nobody can ask any more."""
    _load()
    gc.collect()
    gc.freeze()
    watched = {}
    while True:
        for ready in select.select([connection, *watched], [], [])[0]:
            if ready is not connection:
                pid, tells = watched.pop(ready)
                _tell(pid, tells)
                os.close(ready)
                continue
            request, given, _, _ = socket.recv_fds(connection, REQUEST_BYTES_MAX, 3)
            if not request:
                sys.exit(0)
            pid = os.fork()
            if pid == 0:
                for descriptor, (_, tells) in watched.items():
                    os.close(descriptor)
                    os.close(tells)
                connection.close()
                return json.loads(request), given
            connection.send(STARTED.pack(pid))
            for descriptor in given[:2]:
                os.close(descriptor)
            watched[os.pidfd_open(pid)] = pid, given[2]


def _tell(pid, tells):
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError), socket.socket(fileno=tells) as teller:
        teller.send(STATUS.pack(os.waitstatus_to_exitcode(status)))


def _load():
    """What every host imports before it is ready."""
    import strongroom.app.daemon
    import strongroom.app.simulation
    import strongroom.attest.evidence
    import strongroom.cli.main
    import strongroom.settings.layers
    import strongroom.settings.manifest

    strongroom.cli.main.command("")
    for module in LATE:
        importlib.import_module(module)


def _become(request, given):
    """Be the program that was asked for."""
    for number, descriptor in enumerate(given[:2], 1):
        os.dup2(descriptor, number)
    for descriptor in given:
        os.close(descriptor)
    # Those that are there know whether what they wrote to before could seek.
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    os.environ.clear()
    os.environ.update(request["variables"])
    os.chdir(request["directory"])
    # As the interpreter has it for `python -m`.
    sys.path[:1] = [request["directory"], *filter(None, request["variables"].get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv[1:] = request["arguments"]
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _become(*_serve(socket.socket(fileno=int(sys.argv[1]))))
