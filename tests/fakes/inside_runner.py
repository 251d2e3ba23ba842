"""A runner that also reports on itself: the real one, with a look from inside. Not imported: it is run as text.

``python -I -c TEXT MODE FD…``: in mode ``attempts`` the runner tries what is forbidden instead of an execution; in mode
``late`` it executes, and then says what was imported or opened after it had sealed itself. The one comes as the
result of its last message, the other as the error, in JSON.
"""

import ctypes
import errno
import json
import os
import resource
import signal
import socket
import subprocess
import sys
from dataclasses import replace

from strongroom.guest import sandbox
from strongroom_confidential_workflows.enclave import runner
from strongroom_confidential_workflows.messages import REFUSED, Finished

LIBC = ctypes.CDLL(None, use_errno=True)
PTRACE = {"x86_64": 101, "aarch64": 117}
EVENTS = {"open", "import", "socket.__new__", "socket.connect", "os.listdir", "subprocess.Popen", "os.exec", "os.fork"}
seen = []


def number_of(attempt):
    """The name of the error, or ``done``."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
    except ValueError:
        return "EPERM"  # what the module for limits makes of it
    return "done"


def ptrace():
    """Attach to the parent."""
    if LIBC.syscall(PTRACE[os.uname().machine], 16, os.getppid(), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def attempts():
    """What happened to each attempt, and what else is of interest."""
    tried = {
        "read a file": lambda: os.open("/etc/passwd", os.O_RDONLY),
        "read its own program": lambda: os.open(runner.__file__, os.O_RDONLY),
        "read its own memory": lambda: os.open("/proc/self/mem", os.O_RDONLY),
        "write a file": lambda: os.open("/tmp/strongroom-escape", os.O_WRONLY | os.O_CREAT),
        "make a directory": lambda: os.mkdir("/tmp/strongroom-escape"),  # noqa: PTH102 - the system call is what is tried
        "remove a directory": lambda: os.rmdir("/tmp"),  # noqa: PTH106 - the same
        "list a directory": lambda: os.listdir("/"),  # noqa: PTH208 - the same
        "connect over IP": lambda: socket.socket(socket.AF_INET),
        "connect over a local socket": lambda: socket.socket(socket.AF_UNIX),
        "connect over vsock": lambda: socket.socket(socket.AF_VSOCK),
        "make a socket pair": socket.socketpair,
        "run a program": lambda: os.execv("/bin/true", ["true"]),  # noqa: S606 - that it fails is the test
        "start a process": lambda: subprocess.run(["/bin/true"], check=True),
        "fork": os.fork,
        "signal the parent": lambda: os.kill(os.getppid(), signal.SIGTERM),
        "trace the parent": ptrace,
        "raise a limit": lambda: resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20)),
        "become root": lambda: os.setuid(0),
        "ask who it is": os.getresuid,
    }
    return {
        "outcome": {name: number_of(attempt) for name, attempt in tried.items()},
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "modules": sorted(sys.modules),
    }


def try_instead(*_arguments):
    """In the place of ``execute``."""
    return Finished(outcome=REFUSED, result=json.dumps(attempts()).encode())


def watched(real):
    """``execute``, and what it imported and opened."""

    def execute(*arguments):
        before = set(sys.modules)
        finished = real(*arguments)
        late = sorted(set(sys.modules) - before)
        return replace(finished, error=json.dumps({"imported": late, "events": seen[:50]})[:8000])

    return execute


def watching(real):
    """``sandbox.apply``, and from its end on every import and every file is noted."""

    def apply(**options):
        report = real(**options)
        sys.addaudithook(lambda event, given: seen.append(f"{event} {given[:1]}") if event in EVENTS else None)
        return report

    return apply


def main():
    """Begin as a runner does."""
    if sys.argv[1] == "attempts":
        runner.execute = try_instead
    else:
        runner.execute = watched(runner.execute)
        sandbox.apply = watching(sandbox.apply)
    runner.main(sys.argv[2:])


if __name__ == "__main__":
    main()
