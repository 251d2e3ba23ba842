"""How late hostile guests end after their deadline, while other runs go on beside them and how those fare; and how the
runs of one owner fare while another one floods the same host."""

import os
import threading
import time
from pathlib import Path
from typing import Final

from bench import neighbours
from bench.figures import Row, Samples
from strongroom.crypto.keys import Key
from strongroom.errors import StrongroomError
from strongroom.guest.cache import CompiledCache
from strongroom.guest.limits import GuestLimits
from strongroom.guest.pool import RunnerPool
from strongroom.pb.capabilities.networking.http.v1alpha import http_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.guests.build import wasm
from tests.guests.host import PretendedHost, trigger

__all__ = ["measure"]

GUESTS: Final = (
    "loop", "loop-when-made", "busy-host", "sleep-forever", "clock-storm", "random-storm", "poll-storm", "nap-storm",
    "pending-calls", "huge-answer",
)  # fmt: skip
TIMEOUT_MS: Final = 150
ROUNDS: Final = 5
LATE_MS_MAX: Final = 100
SLOWER_MAX: Final = 2.0
ALONE_S: Final = 2.0
RUNNERS_MAX: Final = 3


class _Hanging(PretendedHost):
    """A host whose capabilities answer when the run is over."""

    def call_capability(self, request: sdk_pb2.CapabilityRequest) -> sdk_pb2.CapabilityResponse:
        time.sleep(2 * TIMEOUT_MS / 1000)
        return sdk_pb2.CapabilityResponse()


class _Others(threading.Thread):
    """Runs of somebody else, one after another, timed."""

    def __init__(self, pool: RunnerPool) -> None:
        super().__init__(daemon=True)
        self._pool = pool
        self._stopping = threading.Event()
        self.seconds: list[float] = []

    def run(self) -> None:
        """Go on until it is stopped."""
        while not self._stopping.is_set():
            began = time.perf_counter()
            _execute(self._pool, "config", "others", PretendedHost())
            self.seconds.append(time.perf_counter() - began)

    def stop(self) -> Samples:
        """What the runs took."""
        self._stopping.set()
        self.join()
        return Samples(self.seconds, 0)


def measure(directory: Path) -> list[Row]:
    """Rows of the latest end, of the runs beside, and of those beside a flood."""
    return [*_guests(directory), *neighbours.measure(directory)]


def _guests(directory: Path) -> list[Row]:
    cache = CompiledCache(directory / "hostile", Key.from_secret(os.urandom(32)))
    pool = RunnerPool(runners_max=RUNNERS_MAX, cache=cache, limits=GuestLimits())
    try:
        for name in ("config", *GUESTS):
            _late_s(pool, name)  # compiled, loaded, and everything warm
        alone = _Others(pool)
        alone.start()
        time.sleep(ALONE_S)
        quiet = alone.stop()
        beside = _Others(pool)
        beside.start()
        late = Samples([_late_s(pool, name) for _ in range(ROUNDS) for name in GUESTS], len(GUESTS))
        disturbed = beside.stop()
    finally:
        pool.close()
    latest_ms, slower = max(late.seconds) * 1000, disturbed.p99 / quiet.p99
    return [
        Row(
            what=f"{len(GUESTS)} hostile guests, the latest end after a deadline",
            demanded=f"≤ {LATE_MS_MAX} ms",
            measured=f"{latest_ms:.0f} ms",
            met=latest_ms <= LATE_MS_MAX,
            samples=late,
        ),
        Row(
            what="  p99 of a run beside them, against the same alone",
            demanded=f"≤ {SLOWER_MAX:.0f} x",
            measured=f"{slower:.2f} x",
            met=slower <= SLOWER_MAX,
            samples=disturbed,
        ),
    ]


def _late_s(pool: RunnerPool, name: str) -> float:
    began = time.perf_counter()
    try:
        _execute(pool, name, "hostile", _Hanging(timeout_ms=TIMEOUT_MS))
    except StrongroomError:
        return time.perf_counter() - began - TIMEOUT_MS / 1000
    return 0.0


def _execute(pool: RunnerPool, name: str, owner: str, host: PretendedHost) -> None:
    module = wasm(name)
    request = trigger(http_pb2.Payload(input=b"{}")).SerializeToString()
    pool.execute(owner=owner, module_key=pool.key_of(module), wasm=lambda: module, request=request, helper=host)
