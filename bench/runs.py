"""A whole run through the socket of a real daemon, sealed and synced, beside one of DBOS."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.figures import Row, Samples, in_turns
from bench.worker import ROOT, Worker
from strongroom.pb.strongroom.v1 import run_pb2
from tests.fakes.live_daemon import Api, LiveDaemon

__all__ = ["measure"]

GUEST: Final = ROOT / "daemon" / "strongroom" / "app" / "samples" / "echo.wasm"
PAYLOAD: Final = json.dumps("a" * 1022).encode()
"""1 KiB of JSON, which the guest answers as it came."""
P50_S_MAX: Final = 0.003
CLIENTS: Final = 8
CLIENT_SECONDS: Final = 5.0


def measure(directory: Path) -> list[Row]:
    """Rows of the run, of DBOS beside it, and of several clients at once."""
    dbos = Worker("bench.dbos_worker", str(directory))
    try:
        with _daemon(directory / "runs") as daemon, daemon.channel() as api:
            api.register(GUEST, "echo")
            sides = {"strongroom": lambda: _run(api), "DBOS": lambda: float(dbos.ask())}
            taken = in_turns(sides, warm_up=100, count=1000, budget_s=40)
            rate, crowd = _crowd(api)
    finally:
        dbos.close()
    ours, theirs = taken["strongroom"], taken["DBOS"]
    return [
        Row(
            what="run of the echo guest, 1 KiB in and out, through the socket",
            demanded=f"p50 ≤ {P50_S_MAX * 1e3:.0f} ms",
            measured=f"{ours.p50 * 1e3:.2f} ms",
            met=ours.p50 <= P50_S_MAX,
            samples=ours,
        ),
        Row(
            what="  beside it: DBOS on SQLite, one step, 1 KiB, in process",
            measured=f"ours is {ours.p50 / theirs.p50:.2f} x",
            samples=theirs,
        ),
        Row(what=f"  the same from {CLIENTS} clients at once", measured=f"{rate:.0f} runs/s", samples=crowd),
    ]


@contextmanager
def _daemon(state: Path) -> Iterator[LiveDaemon]:
    state.mkdir(mode=0o700)
    daemon = LiveDaemon(state, options=("--log-level", "warning")).start()
    try:
        yield daemon
    finally:
        daemon.stop()


def _run(api: Api) -> float:
    began = time.perf_counter()
    response = api.execute("echo", PAYLOAD)
    took = time.perf_counter() - began
    assert response.run.status == run_pb2.RUN_STATUS_COMPLETED, response.error
    return took


def _crowd(api: Api) -> tuple[float, Samples]:
    """Runs per second, and their times, with ``CLIENTS`` threads that each wait for one run after the other."""
    taken: list[list[float]] = [[] for _ in range(CLIENTS)]
    deadline_s = time.monotonic() + CLIENT_SECONDS

    def client(mine: list[float]) -> None:
        while time.monotonic() < deadline_s:
            mine.append(_run(api))

    began = time.monotonic()
    threads = [threading.Thread(target=client, args=(mine,)) for mine in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = [each for mine in taken for each in mine]
    return len(seconds) / (time.monotonic() - began), Samples(seconds, 0)
