"""The scenarios that an older system published figures of: all sealed, on both databases, beside those figures.

The time of a run is from its acceptance to its end as its header says, as the published figures were taken. Those are
from other machines, and theirs encrypt nothing where they run locally: they show an order of magnitude, and no more.
Source: contracts/run-encryption.md 15, the columns of April 2026, whose steps sleep as long as the steps here.
"""

import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.figures import Row
from bench.sleeper import method_of
from bench.worker import ROOT
from strongroom.pb.strongroom.v1 import run_pb2, stream_pb2, stream_pb2_grpc
from tests.fakes.live_daemon import Api, LiveDaemon
from tests.fakes.postgres import running_postgres, wheel
from tests.guests.build import guest

__all__ = ["measure"]

MANIFEST: Final = "version: 1\nplugins:\n  - name: sleeper\n    factory: bench.sleeper:Sleeper\n"
KB_10: Final = 10_240
STREAM: Final = "stream of 50 chunks, 10 ms apart"
FIRST_BYTE: Final = "  its first chunk at a reader"
FIRST_BYTE_PUBLISHED_MS: Final = (1005, 1000, 5277)
"""By the clock on the wall, which was looked at once a second there."""
WAIT_S: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """``published_ms``: local, on PostgreSQL, hosted. ``runs`` of it are taken, and their median."""

    name: str
    kind: str
    steps: int
    sleep_ms: int
    published_ms: tuple[int, int, int]
    step_bytes: int = 2
    runs: int = 3

    @property
    def config(self) -> bytes:
        """What the guest is told."""
        return f"{self.kind} {self.steps} {method_of(self.sleep_ms)} {self.step_bytes}".encode()

    @property
    def slept_ms(self) -> int:
        """How long a run takes that costs nothing but the sleep of its steps."""
        return self.sleep_ms * (self.steps if self.kind in {"sequential", "write"} else min(self.steps, 1))


SCENARIOS: Final = (
    Scenario(name="no steps", kind="sequential", steps=0, sleep_ms=0, published_ms=(43, 95, 410), runs=20),
    Scenario(name="1 step", kind="sequential", steps=1, sleep_ms=1000, published_ms=(1131, 1140, 3892)),
    Scenario(
        name="10 sequential", kind="sequential", steps=10, sleep_ms=1000, published_ms=(10946, 10871, 23732), runs=1
    ),
    Scenario(
        name="25 sequential", kind="sequential", steps=25, sleep_ms=500, published_ms=(15062, 14595, 64457), runs=1
    ),
    Scenario(
        name="50 sequential", kind="sequential", steps=50, sleep_ms=200, published_ms=(16783, 13967, 422897), runs=1
    ),
    Scenario(name="all of 10", kind="all", steps=10, sleep_ms=1000, published_ms=(1631, 1275, 2818)),
    Scenario(name="all of 25", kind="all", steps=25, sleep_ms=1000, published_ms=(3144, 2351, 4052)),
    Scenario(name="all of 50", kind="all", steps=50, sleep_ms=1000, published_ms=(8349, 3480, 3525)),
    Scenario(name="race of 10", kind="race", steps=10, sleep_ms=1000, published_ms=(1866, 1257, 2459)),
    Scenario(name="race of 25", kind="race", steps=25, sleep_ms=1000, published_ms=(3065, 2339, 3233)),
    Scenario(name="race of 50", kind="race", steps=50, sleep_ms=1000, published_ms=(9144, 3480, 5093)),
    Scenario(name=STREAM, kind="write", steps=50, sleep_ms=10, published_ms=(214, 205, 3832), step_bytes=100),
    *(
        Scenario(name=f"10 KB, {steps} {word}", kind=kind, steps=steps, sleep_ms=0, published_ms=told, step_bytes=KB_10)
        for kind, word, figures in (
            ("sequential", "sequential", {10: (981, 821, 22054), 25: (3035, 1927, 39483), 50: (9298, 4104, 96908)}),
            ("all", "concurrent", {10: (605, 283, 1661), 25: (2538, 496, 3226), 50: (11191, 790, 7723)}),
        )
        for steps, told in figures.items()
    ),
)


def measure(directory: Path) -> list[Row]:
    """A row for each scenario: ours on SQLite and on PostgreSQL, and the three that were published."""
    directory.mkdir(exist_ok=True)
    manifest = directory / "plugins.yaml"
    manifest.write_text(MANIFEST)
    with ExitStack() as stack:
        postgres = stack.enter_context(running_postgres(wheel(), durable=True))
        databases = {"SQLite": "", "PostgreSQL": postgres.create_database()}
        with ThreadPoolExecutor(len(databases)) as sides:
            # At the same time: nearly all of it is sleep.
            taken = dict(
                zip(
                    databases,
                    sides.map(lambda name: _all(directory / name, manifest, databases[name]), databases),
                    strict=True,
                )
            )
    return [
        Row(what="scenarios, sealed: ms on SQLite · PostgreSQL", measured="published: local · PostgreSQL · hosted"),
        *(_row(each.name, [side[each.name] for side in taken.values()], each.published_ms, each) for each in SCENARIOS),
        _row(FIRST_BYTE, [side[FIRST_BYTE] for side in taken.values()], FIRST_BYTE_PUBLISHED_MS),
    ]


def _row(name: str, ours: Sequence[float], published_ms: Sequence[int], scenario: Scenario | None = None) -> Row:
    text = f"{' · '.join(f'{ms:,.0f}' for ms in ours)} ms"
    if scenario is not None and scenario.slept_ms:
        text += f", of it {scenario.slept_ms:,} asleep"
    published = " · ".join(f"{ms:,}" for ms in published_ms)
    return Row(what=f"  {name}", measured=f"{text} (published: {published})")


def _all(state: Path, manifest: Path, database_url: str) -> dict[str, float]:
    """Milliseconds of a run of each scenario, on a daemon of its own."""
    state.mkdir(mode=0o700)
    variables = {"PYTHONPATH": str(ROOT)} | ({"STRONGROOM_DATABASE_URL": database_url} if database_url else {})
    options = ("--log-level", "warning", "--plugins-file", str(manifest))
    daemon = LiveDaemon(state, options, variables=variables).start()
    try:
        with daemon.channel() as api:
            taken = {scenario.name: _median_ms(api, scenario) for scenario in SCENARIOS}
            return taken | {FIRST_BYTE: statistics.median(_first_byte_ms(api) for _ in range(5))}
    finally:
        daemon.stop()


def _median_ms(api: Api, scenario: Scenario) -> float:
    api.register(guest("scenario"), _workflow(scenario.name), config=scenario.config)
    return statistics.median(_one_ms(api, _workflow(scenario.name)) for _ in range(scenario.runs))


def _workflow(name: str) -> str:
    return name.replace(" ", "-").replace(",", "")


def _first_byte_ms(api: Api) -> float:
    """From the call that starts the run to the first chunk at a client that follows its stream."""
    began = time.perf_counter()
    started = api.runs.Start(run_pb2.StartRequest(workflow=_workflow(STREAM), json=b"{}"), timeout=WAIT_S)
    request = stream_pb2.StreamServiceReadRequest(run_id=started.run.run_id, name="out", follow=True)
    chunks = stream_pb2_grpc.StreamServiceStub(api.channel).Read(request, timeout=WAIT_S)
    next(chunks)
    took_s = time.perf_counter() - began
    assert sum(1 for _ in chunks) >= next(each.steps for each in SCENARIOS if each.name == STREAM) - 1
    return took_s * 1e3


def _one_ms(api: Api, name: str) -> float:
    response = api.execute(name, timeout=WAIT_S)
    assert response.run.status == run_pb2.RUN_STATUS_COMPLETED, response.error
    return (response.run.end_time.ToMilliseconds() - response.run.create_time.ToMilliseconds()) * 1.0
