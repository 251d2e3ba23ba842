"""A real daemon in its own process, driven as its users do: by the command line and by gRPC over its socket."""

import json
import os
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import grpc

from strongroom.pb.strongroom.v1 import (
    capability_pb2_grpc,
    plugin_pb2,
    plugin_pb2_grpc,
    run_pb2,
    run_pb2_grpc,
    status_pb2_grpc,
    workflow_pb2,
    workflow_pb2_grpc,
)
from tests.fakes.loaded_program import Forked, forked
from tests.fakes.program import DEADLINE_S, PROGRAM, environment, saves_starts, strongroom

MESSAGE_BYTES_MAX = 120_000_000


@dataclass
class LiveDaemon:
    """``strongroom dev`` on a state directory. ``log`` grows with what it writes to stderr.

    ``variables`` are added to its environment; ``program`` is what is started instead of the command line. One that
    ``is_installed`` is the program as it is installed, also where starts are saved.
    """

    state: Path
    options: tuple = ()
    variables: dict = field(default_factory=dict)
    program: tuple = PROGRAM
    process: subprocess.Popen | Forked | None = None
    log: list = field(default_factory=list)
    is_installed: bool = False

    @property
    def socket(self):
        return self.state / "strongroom.sock"

    @property
    def admin_socket(self):
        return self.state / "admin.sock"

    def start(self):
        """Start and wait until it is ready."""
        self.process = self._started(["dev", "--state-dir", str(self.state), "--json", *self.options])
        reader = threading.Thread(target=self._read, args=(self.process.stderr,), daemon=True)
        reader.start()
        said = ""
        for line in self.process.stdout:
            said += line
            if line.startswith("}"):
                self._wait_for_plugins(json.loads(said[said.index("{") :]))
                return self
        self.process.wait(DEADLINE_S)
        reader.join(DEADLINE_S)
        raise AssertionError("".join(self.log))

    def _wait_for_plugins(self, ready):
        """A host is ready before plugins that take long to start, as those of a slow machine do; no test means that."""
        late = [each["name"] for each in ready["plugins_down"] if not each["error"]]
        end_s = time.monotonic() + DEADLINE_S
        while late and time.monotonic() < end_s:
            with self.channel() as api:
                late = [name for name in late if api.plugin(name).state == "starting"]
            time.sleep(0.05)

    def _started(self, words):
        variables = environment(self.state, **self.variables)
        if not self.is_installed and saves_starts(self.program, self.variables):
            return forked(self.program[-1], words, variables, self.state)
        return subprocess.Popen(
            [*self.program, *words],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.state,
        )

    def _read(self, stream):
        for line in stream:
            self.log.append(line)

    def stop(self):
        """Stop as a service manager does. Returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)

    def kill(self):
        """End as a power cut does."""
        self.process.kill()
        self.process.wait(DEADLINE_S)

    def __call__(self, *arguments, stdin=b"", **more):
        return strongroom(self.state, *arguments, stdin=stdin, **more)

    @contextmanager
    def channel(self, *, admin=False):
        """Stubs on the socket of users, or on that of administrators, for what needs the role decrypt or admin."""
        options = [
            ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
            ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
        ]
        socket = self.admin_socket if admin else self.socket
        with grpc.insecure_channel(f"unix:{quote(os.fsencode(socket))}", options=options) as channel:
            yield Api(channel)


class Api:
    """Stubs on one channel, and the few calls that most scenarios make."""

    def __init__(self, channel):
        self.channel = channel
        self.workflows = workflow_pb2_grpc.WorkflowServiceStub(channel)
        self.runs = run_pb2_grpc.RunServiceStub(channel)
        self.capabilities = capability_pb2_grpc.CapabilityServiceStub(channel)
        self.plugins = plugin_pb2_grpc.PluginServiceStub(channel)
        self.status = status_pb2_grpc.StatusServiceStub(channel)

    def register(self, binary, name, attributes=b"", **fields):
        binary = binary if isinstance(binary, bytes) else Path(binary).read_bytes()
        request = workflow_pb2.RegisterRequest(binary=binary, name=name, attributes=attributes, **fields)
        return self.workflows.Register(request, timeout=DEADLINE_S).workflow

    def execute(self, workflow, payload=b"{}", timeout=DEADLINE_S, **fields):
        start = run_pb2.StartRequest(workflow=workflow, json=payload, **fields)
        return self.runs.Execute(run_pb2.ExecuteRequest(start=start), timeout=timeout)

    def plugin(self, name):
        listed = self.plugins.List(plugin_pb2.PluginServiceListRequest(), timeout=DEADLINE_S)
        return next(p for p in listed.plugins if p.name == name)
