"""An owner who floods a host, in a process of its own: asked for a kind of flood, it goes on with it until the next.

Its processor time is given away to everybody else, since a flood comes from machines of its own.
"""

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import grpc

from bench.worker import answer
from strongroom.pb.strongroom.v1 import run_pb2, run_pb2_grpc

NICE: Final = 19
TIMEOUT_S: Final = 30.0
STARTERS: Final = 16
WAITERS: Final = 256
READERS: Final = 48
SENDERS: Final = 8
LARGE: Final = b'"' + b"a" * 900_000 + b'"'
SMALL: Final = b'"a"'
WAIT_S: Final = 0.05


class Flood:
    """Threads that call a host as fast as they can. ``refused`` counts by status what was not done."""

    def __init__(self, address: str, token: str, owner: str) -> None:
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._owner = owner
        self._channel = grpc.insecure_channel(address)
        self._runs: Any = run_pb2_grpc.RunServiceStub(self._channel)  # Any: the stubs of grpc have no types
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self.done = 0
        self.refused: dict[str, int] = {}

    def begin(self, kind: str) -> None:
        """Flood in that way from now on; ``stop`` and nothing else is no flood."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(TIMEOUT_S)
        self._stopping = threading.Event()
        self.done, self.refused = 0, {}
        count, act = {
            "stop": (0, self._starts),
            "starts": (STARTERS, self._starts),
            "payloads": (SENDERS, self._payloads),
            "waits": (WAITERS, self._waits),
            "readers": (READERS, self._reads),
            "endless": (STARTERS, self._endless),
        }[kind]
        self._threads = [threading.Thread(target=self._work, args=(act,), daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _work(self, act: Callable[[], None]) -> None:
        stopping = self._stopping
        while not stopping.is_set():
            try:
                act()
                self.done += 1
            except grpc.RpcError as error:
                name = error.code().name  # type: ignore[attr-defined]  # errors of calls are calls, which have one
                self.refused[name] = self.refused.get(name, 0) + 1

    def _start(self, workflow: str, json: bytes) -> run_pb2.StartRequest:
        return run_pb2.StartRequest(workflow=workflow, json=json, owner=self._owner)

    def _starts(self) -> None:
        self._runs.Start(self._start("echo", SMALL), timeout=TIMEOUT_S, metadata=self._metadata)

    def _payloads(self) -> None:
        request = run_pb2.ExecuteRequest(start=self._start("echo", LARGE))
        self._runs.Execute(request, timeout=TIMEOUT_S, metadata=self._metadata)

    def _waits(self) -> None:
        request = run_pb2.ExecuteRequest(start=self._start("loop", SMALL))
        self._runs.Execute(request, timeout=TIMEOUT_S, metadata=self._metadata)

    def _reads(self) -> None:
        """Follow a run and read nothing of what comes."""
        started = self._runs.Start(self._start("loop", SMALL), timeout=TIMEOUT_S, metadata=self._metadata)
        watch = run_pb2.WatchRequest(run_id=started.run.run_id)
        following = self._runs.Watch(watch, timeout=TIMEOUT_S, metadata=self._metadata)
        self._stopping.wait(WAIT_S * 20)
        with suppress(grpc.RpcError):
            following.cancel()

    def _endless(self) -> None:
        self._runs.Start(self._start("loop", SMALL), timeout=TIMEOUT_S, metadata=self._metadata)
        self._stopping.wait(WAIT_S)


def main(address: str, token: str, owner: str) -> None:
    """Be asked for kinds of floods, and answer with what the one before came to."""
    os.nice(NICE)
    flood = Flood(address, token, owner)

    def act(kind: str) -> object:
        came_to = {"done": flood.done, **flood.refused}
        flood.begin(kind)
        return came_to

    answer(act)


if __name__ == "__main__":
    main(*sys.argv[1:])
