"""Hours of load at seven tenths of what the host can take: nothing grows, nothing gets slower.

``python -m tools.nightly --only O6 --minutes 20``; a change is not tested by this, so pytest does not find the file by
itself. Memory and descriptors are those of the daemon's process alone.
"""

import http.client
import os
import re
import socket
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from tests.fakes.live_daemon import LiveDaemon
from tests.faults.figures import record
from tests.faults.small_runs import GREET
from tests.guests.build import guest

SOAK_S = 60 * float(os.environ.get("TEST_SOAK_MINUTES", "1"))
CLIENTS = 8
CAPACITY_S = 10
LOAD_PART = 0.7
SAMPLES = 60
"""How often it is looked at; the first sixth warms up."""
KINDS = ("plain", "plain", "plain", "steps")
PAYLOADS = {"plain": b'{"who": "x"}', "steps": b"{}"}
MANIFEST = "version: 1\nplugins:\n  - {name: basic-test, factory: 'strongroom_basic_test.plugin:BasicTest'}\n"
CALL_S = 30
MEMORY_GROWTH_MAX, WAL_BYTES_MAX, DRIFT_MAX, DESCRIPTORS_MORE_MAX = 0.02, 64_000_000, 0.10, 2


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the daemon, and what calls took since the one before."""

    memory_bytes: int
    descriptors: int
    wal_bytes: int
    p50_s: float
    p99_s: float
    calls: int


class Load:
    """Clients that start runs and wait for them, ``rate`` a second together, or as fast as they can."""

    def __init__(self, daemon):
        self._daemon = daemon
        self._took_s, self._lock = [], threading.Lock()
        self.errors = []

    def taken(self):
        """What calls took since this was asked last, seconds."""
        with self._lock:
            took_s, self._took_s = self._took_s, []
        return took_s

    def run(self, seconds, rate=0.0, look=None):
        """Keep it up. ``look`` is called ``SAMPLES`` times meanwhile."""
        stop = threading.Event()
        with ThreadPoolExecutor(CLIENTS) as clients:
            for number in range(CLIENTS):
                clients.submit(self._client, number, stop, CLIENTS / rate if rate else 0.0)
            for _ in range(SAMPLES if look else 1):
                stop.wait(seconds / (SAMPLES if look else 1))
                if look:
                    look()
            stop.set()

    def _client(self, number, stop, every_s):
        due_s = time.monotonic() + every_s * number / CLIENTS
        with self._daemon.channel() as api:
            count = number
            while not stop.wait(max(due_s - time.monotonic(), 0)):
                kind, count = KINDS[count % len(KINDS)], count + 1
                began_s = time.perf_counter()
                try:
                    api.execute(kind, PAYLOADS[kind], timeout=CALL_S)
                except grpc.RpcError as error:
                    self.errors.append(f"{error.code()} {error.details()}")
                with self._lock:
                    self._took_s.append(time.perf_counter() - began_s)
                # Late is late: nothing is caught up in a burst.
                due_s = max(due_s + every_s, time.monotonic())


class UnixConnection(http.client.HTTPConnection):
    """HTTP over the socket of the probes."""

    def __init__(self, path):
        super().__init__("localhost", timeout=CALL_S)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


def metric(daemon, name):
    """The value of a metric without labels."""
    with closing(UnixConnection(daemon.state / "observe.sock")) as connection:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    found = re.search(rf"^strongroom_{name} (\S+)$", text, re.MULTILINE)
    assert found, f"no metric strongroom_{name}"
    return float(found.group(1))


def looked(daemon, took_s):
    process = Path(f"/proc/{daemon.process.pid}")
    memory_kib = int(re.search(r"^VmRSS:\s+(\d+)", (process / "status").read_text(), re.MULTILINE).group(1))
    wal = daemon.state / "strongroom.db-wal"
    ordered = sorted(took_s) or [0.0]
    return Sample(
        memory_bytes=memory_kib * 1024,
        descriptors=len(list((process / "fd").iterdir())),
        wal_bytes=wal.stat().st_size if wal.exists() else 0,
        p50_s=statistics.median(ordered),
        p99_s=ordered[int(len(ordered) * 0.99)],
        calls=len(took_s),
    )


@pytest.fixture
def daemon():
    with tempfile.TemporaryDirectory(prefix="sr-") as directory:
        state = Path(directory)
        manifest = state / "plugins.yaml"
        manifest.write_text(MANIFEST)
        options = ("--plugins-file", str(manifest), "--log-level", "error", "--set", "observe.enabled=true")
        made = LiveDaemon(state, options, is_installed=True).start()
        with made.channel() as api:
            api.register(GREET, "plain")
            api.register(guest("async-calls"), "steps")
        yield made
        assert made.stop() == 0


@pytest.mark.timeout(0)
def test_nothing_grows_and_nothing_gets_slower(daemon):
    load, samples = Load(daemon), []
    load.run(CAPACITY_S)
    capacity = len(load.taken()) / CAPACITY_S
    load.run(SOAK_S, LOAD_PART * capacity, lambda: samples.append(looked(daemon, load.taken())))
    busy = metric(daemon, "db_busy_total")
    warm = samples[SAMPLES // 6 :]
    third = len(warm) // 3
    first, last = warm[:third], warm[-third:]

    def growth(of):
        return statistics.median(map(of, last)) / statistics.median(map(of, first)) - 1

    memory, p99, p50 = (growth(lambda s, n=n: getattr(s, n)) for n in ("memory_bytes", "p99_s", "p50_s"))
    more = max(s.descriptors for s in last) - max(s.descriptors for s in first)
    wal_bytes = max(s.wal_bytes for s in samples)
    calls, held_mb = sum(s.calls for s in samples), statistics.median(s.memory_bytes for s in last) / 1e6
    what = f"{SOAK_S / 60:g} minutes at {LOAD_PART * capacity:.0f} runs a second, {calls} runs"
    figures = (
        ("memory", "grows at most 2 %", f"{memory:+.1%}, {held_mb:.0f} MB", memory <= MEMORY_GROWTH_MAX),
        ("descriptors", "flat", f"{more:+d}", more <= DESCRIPTORS_MORE_MAX),
        ("WAL", "at most 64 MB", f"{wal_bytes / 1e6:.1f} MB", wal_bytes <= WAL_BYTES_MAX),
        ("strongroom_db_busy_total", "0", f"{busy:.0f}", busy == 0),
        ("p99", "drifts at most 10 %", f"{p99:+.1%} (p50 {p50:+.1%})", p99 <= DRIFT_MAX),
        ("errors", "0", f"{len(load.errors)}", not load.errors),
    )
    for name, demanded, measured, met in figures:
        record("O6", f"{what}: {name}", demanded=demanded, measured=measured, met=met)
    assert load.errors == []
    assert calls > 0
