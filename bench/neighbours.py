"""How an owner's runs fare while another owner of the same host floods it, against the same alone."""

import hashlib
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from bench.figures import Row, Samples
from bench.runs import GUEST
from bench.worker import ROOT, Worker
from strongroom.pb.strongroom.v1 import run_pb2
from tests.fakes.live_daemon import Api, LiveDaemon
from tests.guests.build import wasm

__all__ = ["FLOODS", "measure"]

FLOODS: Final = {
    "starts": "16 clients that start runs without a pause",
    "payloads": "8 clients that send 0.9 MB each",
    "waits": "256 calls that wait for endless guests",
    "readers": "48 followers that read nothing",
    "endless": "endless guests, as many as it gets",
}
SLOWER_MAX: Final = 2.0
RUNS: Final = 400
WARM_UP: Final = 30
TURN_S: Final = 8.0
SETTLE_S: Final = 1.0
RUN_TIMEOUT_MS: Final = 5_000
FLOODER: Final = "a" * 40
OTHER: Final = "b" * 40
CALLERS: Final = """callers:
  - name: flooder
    token_sha256: {flooder}
    grants: [{{roles: [read, run, register], owners: ["{FLOODER}"]}}]
  - name: other
    token_sha256: {other}
    grants: [{{roles: [read, run, register], owners: ["{OTHER}"]}}]
"""
BUSY: Final = "import os\nos.nice(19)\nwhile True:\n    pass"
PAYLOAD: Final = b'"' + b"a" * 1022 + b'"'


def measure(directory: Path) -> list[Row]:
    """A row for each kind of flood, on a host of its own, with the rate of starts that an operator would set."""
    return [
        *(_beside(directory / f"flood-{kind}", kind, what) for kind, what in FLOODS.items()),
        _control(directory / "no-flood"),
    ]


def _beside(state: Path, kind: str, what: str) -> Row:
    with ExitStack() as stack:
        daemon, api, tokens = stack.enter_context(_host(state))
        flooding = Worker("bench.neighbours_worker", f"unix:{daemon.socket}", tokens["flooder"], FLOODER)
        stack.callback(flooding.close)
        runs = _runs(api, tokens["other"])
        runs()
        alone = runs()
        flooding.ask(kind)
        time.sleep(SETTLE_S)
        beside = runs()
        came_to = flooding.ask("stop")
    slower = beside.p99 / alone.p99
    words = ", ".join(f"{number} {name.lower()}" for name, number in came_to.items())
    return Row(
        what=f"p99 of a run beside {what} ({words}), against {alone.p99 * 1e3:.1f} ms alone",
        demanded=f"≤ {SLOWER_MAX:.0f} x",
        measured=f"{slower:.2f} x",
        met=slower <= SLOWER_MAX,
        samples=beside,
    )


def _control(state: Path) -> Row:
    """What busy processors alone cost a run of a host that nobody floods: no host can be fairer than its machine."""
    count = os.cpu_count() or 1
    with _host(state) as (_, api, tokens):
        runs = _runs(api, tokens["other"])
        runs()
        alone = runs()
        busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
        try:
            time.sleep(SETTLE_S)
            beside = runs()
        finally:
            for each in busy:
                each.kill()
                each.wait()
    what = f"no flood, but {count} loops of other programs at nice 19"
    return Row(
        what=f"  p99 of a run beside {what}, against {alone.p99 * 1e3:.1f} ms alone",
        measured=f"{beside.p99 / alone.p99:.2f} x",
        samples=beside,
    )


@contextmanager
def _host(state: Path) -> Iterator[tuple[LiveDaemon, Api, Mapping[str, str]]]:
    """A host with the workflows of both owners, and the tokens of both by name."""
    state.mkdir(mode=0o700)
    tokens = {name: secrets.token_urlsafe(32) for name in ("flooder", "other")}
    daemon = LiveDaemon(state, options=_options(state, tokens), variables={"PYTHONPATH": str(ROOT)})
    daemon.start()
    try:
        with daemon.channel() as api:
            for owner in (FLOODER, OTHER):
                api.register(GUEST, "echo", owner=owner)
            api.register(wasm("loop"), "loop", owner=FLOODER)
            yield daemon, api, tokens
    finally:
        daemon.stop()


def _options(state: Path, tokens: Mapping[str, str]) -> tuple[str, ...]:
    callers = state / "callers.yaml"
    digests = {name: hashlib.sha256(token.encode()).hexdigest() for name, token in tokens.items()}
    callers.write_text(CALLERS.format(FLOODER=FLOODER, OTHER=OTHER, **digests))
    callers.chmod(0o600)
    settings = {
        "owners_allowed": f"{FLOODER},{OTHER}",
        "callers_file": str(callers),
        "limits.run_timeout_ms": str(RUN_TIMEOUT_MS),
        "limits.drain_timeout_ms": "1000",
        "owners.starts_per_s": "100",
    }
    return ("--log-level", "error", *(word for key, value in settings.items() for word in ("--set", f"{key}={value}")))


def _runs(api: Api, token: str) -> Callable[[], Samples]:
    """Runs one after the other, timed, of an owner who has ``token``."""
    metadata = (("authorization", f"Bearer {token}"),)
    request = run_pb2.ExecuteRequest(start=run_pb2.StartRequest(workflow="echo", json=PAYLOAD, owner=OTHER))

    def runs() -> Samples:
        taken: list[float] = []
        until_s = time.monotonic() + TURN_S
        while len(taken) < RUNS + WARM_UP and time.monotonic() < until_s:
            time.sleep(0.011)
            began = time.perf_counter()
            response = api.runs.Execute(request, timeout=TURN_S * 4, metadata=metadata)
            taken.append(time.perf_counter() - began)
            assert response.run.status == run_pb2.RUN_STATUS_COMPLETED, response.error
        return Samples(taken[WARM_UP:], WARM_UP)

    return runs
