"""A whole run through the socket of a real daemon, sealed and synced, beside what others use for durable runs."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from bench.figures import Row, Samples, in_turns
from bench.worker import ROOT, Worker
from strongroom.pb.strongroom.v1 import run_pb2
from tests.fakes.live_daemon import Api, LiveDaemon
from tests.fakes.postgres import running_postgres, wheel

__all__ = ["GUEST", "daemon_in", "measure", "one_run"]

OURS: Final = "strongroom"
GUEST: Final = ROOT / "daemon" / "strongroom" / "app" / "samples" / "echo.wasm"
PAYLOAD: Final = json.dumps("a" * 1022).encode()
"""1 KiB of JSON, which the guest answers as it came."""
P50_S_MAX: Final = 0.002
TIMES_FASTER_MIN: Final = 3.0
CLIENTS: Final = 64
CLIENT_SECONDS: Final = 8.0
RATE_MIN: Final = 600
RATE_AIM: Final = 1000


def measure(directory: Path) -> list[Row]:
    """Rows of the run, of others beside it, and of many clients at once."""
    (directory / "peer").mkdir()
    with ExitStack() as stack:
        postgres = stack.enter_context(running_postgres(wheel(), durable=True))
        peers = {
            "DBOS on SQLite, one step, in process": ("bench.dbos_worker", f"sqlite:///{directory}/dbos.sqlite"),
            "DBOS on PostgreSQL, one step, in process": ("bench.dbos_worker", postgres.create_database()),
            "Restate, one step, over its ingress": ("bench.restate_worker", str(directory / "peer")),
        }
        workers = {name: Worker(*arguments) for name, arguments in peers.items()}
        for worker in workers.values():
            stack.callback(worker.close)
        daemon = stack.enter_context(daemon_in(directory / "runs"))
        api = stack.enter_context(daemon.channel())
        api.register(GUEST, "echo")
        present = {name: worker for name, worker in workers.items() if worker.ready}
        sides = {OURS: lambda: one_run(api)} | {name: _asker(worker) for name, worker in present.items()}
        taken = in_turns(sides, warm_up=100, count=1000, budget_s=90)
        rate, crowd = _crowd(api)
    ours = taken[OURS]
    rows = [
        Row(
            what="run of the echo guest, 1 KiB in and out, through the socket",
            demanded=f"p50 ≤ {P50_S_MAX * 1e3:.0f} ms",
            measured=f"{ours.p50 * 1e3:.2f} ms",
            met=ours.p50 <= P50_S_MAX,
            samples=ours,
        )
    ]
    rows += [_beside(name, ours, taken.get(name)) for name in peers]
    rows.append(
        Row(
            what=f"  the same from {CLIENTS} clients at once (aim: {RATE_AIM})",
            demanded=f"≥ {RATE_MIN} runs/s",
            measured=f"{rate:.0f} runs/s",
            met=rate >= RATE_MIN,
            samples=crowd,
        )
    )
    return rows


def _beside(name: str, ours: Samples, theirs: Samples | None) -> Row:
    if theirs is None:
        return Row(what=f"  beside it: {name}", measured="not here: make bench-peers brings it")
    times = theirs.p50 / ours.p50
    return Row(
        what=f"  beside it: {name}",
        demanded=f"ours ≥ {TIMES_FASTER_MIN:.0f} x faster",
        measured=f"{times:.1f} x faster",
        met=times >= TIMES_FASTER_MIN,
        samples=theirs,
    )


def _asker(worker: Worker) -> Callable[[], float]:
    return lambda: float(worker.ask())


@contextmanager
def daemon_in(state: Path, program: tuple[str, ...] | None = None) -> Iterator[LiveDaemon]:
    """A started daemon, stopped at the end; ``program`` is what is started instead of the command line."""
    state.mkdir(mode=0o700)
    daemon = LiveDaemon(state, options=("--log-level", "warning"), variables={"PYTHONPATH": str(ROOT)})
    if program is not None:
        daemon.program = program
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.stop()


def one_run(api: Api) -> float:
    """Seconds of one run."""
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
            mine.append(one_run(api))

    began = time.monotonic()
    threads = [threading.Thread(target=client, args=(mine,)) for mine in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = [each for mine in taken for each in mine]
    return len(seconds) / (time.monotonic() - began), Samples(seconds, 0)
