"""Runs on one host with a marker in everything that a run takes in, and everything that was written then."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from strongroom.pb.strongroom.v1 import hook_pb2, hook_pb2_grpc, run_pb2
from tests.fakes.canary import Canary
from tests.fakes.live_daemon import LiveDaemon
from tests.fakes.manifests import IN_PROCESS, shipped_with
from tests.fakes.probe_client import ProbeClient

__all__ = ["FAILED", "HOOKED", "MARKER_BYTES", "MarkedHost"]

MARKER_BYTES = 64
LISTED = b'{"vault_don_secrets": [{"key": "MARKED"}]}'
CLIENTS = 4
FAILED, HOOKED = 10, 8
"""So many of the runs fail with a marker, and wait for a payload that is one; one more is told to stop."""
S = 60


@dataclass
class MarkedHost:
    """One host. Every marker begins with the letters of ``canary``, so one search finds them all."""

    daemon: LiveDaemon
    canary: Canary = field(default_factory=Canary.new)
    runs: dict = field(default_factory=dict)

    def marker(self, name):
        """64 letters and digits."""
        assert name.isalnum()
        return f"{self.canary.text}{name}".ljust(MARKER_BYTES, "x")

    def start(self, binary, **variables):
        """Start with a vault and these ``variables``, and register."""
        self.daemon.variables = {"STRONGROOM_OBSERVE__ENABLED": "true", **variables}
        self.daemon.options = shipped_with(self.daemon.state, *IN_PROCESS, "vault")
        self.daemon.start()
        stored = self.daemon("secret", "set", "MARKED", stdin=self.marker("secret").encode())
        assert stored.code == 0, stored.err
        with self.daemon.channel() as api:
            for kind in ("done", "failed", "waiting"):
                config = f"{kind} {self.marker('config' + kind)}".encode()
                api.register(binary, kind, LISTED, config=config)
        return self

    def play(self, count):
        """``count`` runs: most end well, some fail, some are answered by a hook, one is told to stop."""
        with self.daemon.channel() as api, ThreadPoolExecutor(CLIENTS) as clients:
            hooked = [self._start(api, "waiting", f"waits{number}") for number in range(HOOKED)]
            stopped = self._start(api, "waiting", "stopped")
            done = [f"done{number}" for number in range(count - FAILED - HOOKED - 1)]
            failed = [f"failed{number}" for number in range(FAILED)]
            list(clients.map(lambda name: self._execute(api, "done", name), done))
            list(clients.map(lambda name: self._execute(api, "failed", name), failed))
            list(clients.map(lambda name: self._answer(api, name), hooked))
            self._stop(api, stopped)

    def statuses(self):
        """How many runs ended how."""
        found, token = [], ""
        with self.daemon.channel() as api:
            while True:
                page = api.runs.List(run_pb2.RunServiceListRequest(page_size=500, page_token=token), timeout=S)
                found += [run_pb2.RunStatus.Name(run.status).removeprefix("RUN_STATUS_").lower() for run in page.runs]
                if not (token := page.next_page_token):
                    return {status: found.count(status) for status in set(found)}

    def _request(self, workflow, name):
        payload = json.dumps(f"<{self.marker(name)}>").encode()
        return run_pb2.StartRequest(workflow=workflow, json=payload)

    def _start(self, api, workflow, name):
        self.runs[name] = api.runs.Start(self._request(workflow, name), timeout=S).run.run_id
        return name

    def _execute(self, api, workflow, name):
        request = run_pb2.ExecuteRequest(start=self._request(workflow, name))
        answer = api.runs.Execute(request, timeout=S)
        assert self.marker(name) in (answer.result.string_value or answer.error), answer.error
        self.runs[name] = answer.run.run_id

    def _hook(self, api, name):
        """The token of the hook, once the run has made it."""
        watched = api.runs.Watch(run_pb2.WatchRequest(run_id=self.runs[name]), timeout=S)
        for seen in watched:
            if seen.event.event_type == "hook_created":
                watched.cancel()
                return hook_pb2.HookName(token=self.marker(name))
        raise AssertionError("it has ended")

    def _answer(self, api, name):
        hooks = hook_pb2_grpc.HookServiceStub(api.channel)
        payload = json.dumps(self.marker(f"answer{name}")).encode()
        request = hook_pb2.ResumeRequest(hook=self._hook(api, name), payload=payload, request_id="r")
        hooks.Resume(request, timeout=S)
        for seen in api.runs.Watch(run_pb2.WatchRequest(run_id=self.runs[name]), timeout=S):
            assert not seen.event.tampered

    def _stop(self, api, name):
        self._hook(api, name)
        request = run_pb2.CancelRequest(run_id=self.runs[name], reason="told to stop")
        api.runs.Cancel(request, timeout=S)

    def said(self):
        """What the commands say that open nothing, and copies that they make."""
        run = self.runs["done0"]
        backup = self.daemon.state / "backup"
        commands = [
            ("status", "--json"),
            ("run", "list", "--limit", "300", "--json"),
            ("run", "get", run, "--json"),
            ("run", "get", self.runs["failed0"]),
            ("run", "events", run, "--json"),
            ("run", "logs", run),
            ("run", "streams", run, "--json"),
            ("run", "stream", run, "out"),
            ("run", "export", run),
            ("run", "export", run, "--output", str(backup) + ".jsonl"),
            ("backup", "create", str(backup) + ".tar", "--force", "--json"),
            ("hook", "list", self.runs["waits0"], "--json"),
            ("secret", "list", "--json"),
            ("workflow", "get", "done", "--json"),
            ("audit", "tail", "-n", "300", "--json"),
        ]
        found = {}
        for words in commands:
            ended = self.daemon(*words)
            assert ended.code == 0, (words, ended.err)
            found[" ".join(words[:2])] = (ended.out + ended.err).encode()
        probes = ProbeClient(self.daemon.state / "observe.sock")
        return found | {page: probes.get(page)[1] for page in ("/metrics", "/readyz?verbose")}

    def hits(self, *more):
        """Where a marker is in what the host wrote: its directory, ``more`` directories, and its stderr."""
        found = [hit for place in (self.daemon.state, *more) for hit in self.canary.found_below(place)]
        return found + [f"stderr: {how}" for how in self.canary.found_in("".join(self.daemon.log).encode())]

    def plant(self):
        """A file with a marker among those of the host, as somebody careless would leave it."""
        path = self.daemon.state / "careless"
        path.write_bytes(os.urandom(1000) + self.marker("planted").encode())
        return path
