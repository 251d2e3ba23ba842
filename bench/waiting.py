"""Ten thousand runs that wait: what they cost while they do, and how fast they go on."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from bench.figures import Row
from bench.processes import resident_bytes
from strongroom.pb.strongroom.v1 import run_pb2, status_pb2
from tests.fakes.live_daemon import Api, LiveDaemon
from tests.guests.build import guest

__all__ = ["measure"]

RUNS: Final = 10_000
CLIENTS: Final = 8
RESIDENT_BYTES_MAX: Final = 200_000_000
RATE_MIN: Final = 300
WAIT_S: Final = 75
"""Long enough to start and suspend all of them before the first one wakes."""
GIVE_UP_S: Final = 240


def measure(directory: Path) -> list[Row]:
    """Rows of the memory and of the rate."""
    state = directory / "waiting"
    state.mkdir(mode=0o700)
    limits = {"run_timeout_ms": 600_000, "suspend_after_ms": 1, "runs_queued_max": 20_000}
    sets = tuple(word for name, value in limits.items() for word in ("--set", f"limits.{name}={value}"))
    daemon = LiveDaemon(state, ("--log-level", "warning", *sets)).start()
    try:
        with daemon.channel() as api:
            api.register(guest("sleep-long"), "sleeper", config=str(WAIT_S * 10**9).encode())
            began = time.monotonic()
            with ThreadPoolExecutor(CLIENTS) as clients:
                list(clients.map(lambda _number: _start(api), range(RUNS)))
            waiting = _until(api, lambda runs: runs["waiting"] == RUNS or runs["completed"] > 0)
            suspended_s = time.monotonic() - began
            resident = resident_bytes(daemon.process.pid)
            _until(api, lambda runs: runs["completed"] > RUNS // 20)
            first, at = _completed(api), time.monotonic()
            _until(api, lambda runs: runs["completed"] >= RUNS * 19 // 20)
            rate = (_completed(api) - first) / (time.monotonic() - at)
    finally:
        daemon.stop()
    return [
        Row(
            what=f"{waiting['waiting']} suspended runs, memory of the daemon",
            demanded=f"≤ {RESIDENT_BYTES_MAX // 10**6} MB",
            measured=f"{resident / 1e6:.0f} MB",
            met=resident <= RESIDENT_BYTES_MAX and waiting["waiting"] == RUNS,
        ),
        Row(
            what="  resumed, all of them at once",
            demanded=f"≥ {RATE_MIN} runs/s",
            measured=f"{rate:.0f} runs/s",
            met=rate >= RATE_MIN,
        ),
        Row(what="  started and suspended before", measured=f"{RUNS / suspended_s:.0f} runs/s"),
    ]


def _start(api: Api) -> None:
    api.runs.Start(run_pb2.StartRequest(workflow="sleeper", json=b"{}"), timeout=30)


def _completed(api: Api) -> int:
    return api.status.Get(status_pb2.StatusServiceGetRequest(), timeout=30).runs["completed"]


def _until(api: Api, wanted: Callable[[Mapping[str, int]], bool]) -> dict[str, int]:
    deadline_s = time.monotonic() + GIVE_UP_S
    while True:
        runs = dict(api.status.Get(status_pb2.StatusServiceGetRequest(), timeout=30).runs)
        counted = {name: runs.get(name, 0) for name in ("pending", "running", "waiting", "completed", "failed")}
        if wanted(counted):
            return counted
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"the runs are {counted} after {GIVE_UP_S} s")
        time.sleep(0.05)
