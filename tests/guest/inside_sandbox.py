"""A program that sandboxes itself as a runner does, tries everything that is forbidden, and prints what happened.

It is started as a process of its own: there is no way back.
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
import threading
from pathlib import Path

from strongroom.guest import sandbox
from strongroom.guest.limits import GuestLimits
from strongroom.guest.runner.engine import Engine
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.one_guest import run_guest

LIBC = ctypes.CDLL(None, use_errno=True)
NUMBERS = {"x86_64": 0, "aarch64": 1}
CALLS = {"ptrace": (101, 117), "io_uring_setup": (425, 425), "process_vm_readv": (310, 270), "bpf": (321, 280)}


class Host:
    """Answers nothing."""

    execution_id = ""
    node_seed = 0
    timeout_ms = 10_000
    entropy = bytes(32)
    clock_unix_ns = 1
    sleeps_done = 0
    suspend_after_ms = 0

    def on_cancel(self, stop):
        """Never cancelled."""


def system_call(name):
    """The error number of a call without arguments."""
    LIBC.syscall(CALLS[name][NUMBERS[os.uname().machine]], 0, 0, 0, 0, 0, 0)
    return ctypes.get_errno()


def number_of(attempt):
    """What happened: the error number, 0 for success."""
    try:
        attempt()
    except OSError as error:
        return error.errno
    except ValueError:
        return errno.EPERM  # what the module for limits makes of it
    return 0


def through_proc(wasm, descriptor):
    """Load native code the way a runner does: from a descriptor, opened again through /proc."""
    engine = Engine()
    native = engine.native_code(engine.compile(wasm))
    os.write(descriptor, native)
    engine.load(f"/proc/self/fd/{descriptor}")
    engine.close()
    return len(native)


def main():
    """Apply, attempt, report."""
    wasm = Path(sys.argv[1]).read_bytes()
    code_directory, neighbour = int(sys.argv[2]), sys.argv[3]
    file = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o400, dir_fd=code_directory)
    parent = os.getppid()
    near, far = socket.socketpair()
    report = sandbox.apply(readable=code_directory)
    started = threading.Thread(target=lambda: None)
    started.start()
    started.join()
    trigger = sdk_pb2.Trigger(id=0)
    request = sdk_pb2.ExecuteRequest(config=b"inside", trigger=trigger).SerializeToString()
    result = run_guest(wasm, request, Host(), limits=GuestLimits())
    attempts = {
        "read a file": lambda: os.open("/etc/passwd", os.O_RDONLY),
        "read a file beside the directory of code": lambda: os.open(neighbour, os.O_RDONLY),
        "list the directory of code": lambda: os.listdir(code_directory),
        "make a file beside code": lambda: os.open(".", os.O_TMPFILE | os.O_RDWR, dir_fd=code_directory),
        "write code again": lambda: os.open(f"/proc/self/fd/{file}", os.O_RDWR),
        "read the environment of the parent": lambda: os.open(f"/proc/{parent}/environ", os.O_RDONLY),
        "read its own status": lambda: os.open("/proc/self/status", os.O_RDONLY),
        "write a file": lambda: os.open("/tmp/strongroom-escape", os.O_WRONLY | os.O_CREAT),
        "write memory through a path": lambda: os.open("/proc/self/mem", os.O_RDWR),
        "list a directory": lambda: os.listdir("/"),  # noqa: PTH208 - the system call is what is tried
        "look at a path": lambda: Path("/etc/passwd").stat(),
        "make a directory": lambda: os.mkdir("/tmp/strongroom-escape"),  # noqa: PTH102 - the same
        "connect over IP": lambda: socket.socket(socket.AF_INET),
        "connect over a local socket": lambda: socket.socket(socket.AF_UNIX),
        "make a socket pair": socket.socketpair,
        "hand a descriptor over": lambda: socket.send_fds(near, [b"x"], [far.fileno()]),
        "run a program": lambda: os.execv("/bin/true", ["true"]),  # noqa: S606 - that it fails is the test
        "fork": os.fork,
        "start a process": lambda: subprocess.run(["/bin/true"], check=True),
        "signal the parent": lambda: os.kill(parent, signal.SIGTERM),
        "signal itself as another": lambda: os.kill(os.getpid(), 0),
        "raise a limit": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096)),
        "change the user": lambda: os.setuid(0),
        "change the root": lambda: os.chroot("/"),
    }
    outcome = {name: errno.errorcode.get(number_of(attempt), "done") for name, attempt in attempts.items()}
    outcome |= {name: errno.errorcode.get(system_call(name), "done") for name in CALLS}
    answer = {
        "protections": report.protections,
        "missing": report.missing,
        "native_bytes": through_proc(wasm, os.memfd_create("module")),
        "file_bytes": through_proc(wasm, file),
        "result": sdk_pb2.ExecutionResult.FromString(result).value.bytes_value.decode(),
        "outcome": outcome,
    }
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
