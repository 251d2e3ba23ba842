"""Steps of one run: what each of a thousand costs, one after the other, through a journal that syncs each of them."""

import itertools
import statistics
from pathlib import Path
from typing import Final

from bench.figures import Row, Samples
from bench.worker import ROOT
from strongroom.pb.capabilities.internal.basicaction.v1 import basic_action_pb2
from strongroom.pb.strongroom.v1 import capability_pb2, run_pb2
from tests.fakes.live_daemon import Api, LiveDaemon
from tests.guests.build import guest

__all__ = ["measure"]

STEPS: Final = 1000
RUNS: Final = 5
GROWTH_MAX: Final = 1.2
STEP_S_MAX: Final = 0.001
NEAR: Final = 8
"""Steps on each side of the 10th and the last one that are taken with it: one alone is one sync of the disk."""
MANIFEST: Final = "version: 1\nplugins:\n  - name: stopwatch\n    factory: bench.stopwatch:Stopwatch\n"


def measure(directory: Path) -> list[Row]:
    """Rows of the growth and of the cost of a step."""
    state = directory / "steps"
    state.mkdir(mode=0o700)
    manifest = state / "plugins.yaml"
    manifest.write_text(MANIFEST)
    options = ("--log-level", "warning", "--plugins-file", str(manifest))
    daemon = LiveDaemon(state, options, variables={"PYTHONPATH": str(ROOT)}).start()
    try:
        with daemon.channel() as api:
            api.register(guest("sequential-calls"), "steps", config=str(STEPS).encode())
            _one(api)
            runs = [_one(api) for _ in range(RUNS)]
    finally:
        daemon.stop()
    tenth = statistics.median(s for run in runs for s in run[10 - NEAR : 10 + NEAR])
    last = statistics.median(s for run in runs for s in run[-2 * NEAR :])
    taken = Samples([s for run in runs for s in run], 1)
    return [
        Row(
            what=f"a step to an in-process capability, {STEPS} in sequence",
            demanded=f"≤ {STEP_S_MAX * 1e3:.0f} ms",
            measured=f"{taken.p50 * 1e3:.2f} ms",
            met=taken.p50 <= STEP_S_MAX,
            samples=taken,
        ),
        Row(
            what=f"  step {STEPS} of a run beside its step 10",
            demanded=f"≤ {GROWTH_MAX} x",
            measured=f"{last / tenth:.2f} x",
            met=last / tenth <= GROWTH_MAX,
        ),
    ]


def _one(api: Api) -> list[float]:
    """Seconds from each step of a fresh run to the next."""
    request = capability_pb2.CapabilityServiceExecuteRequest(capability_id="basic-test-action@1.0.0", method="Times")
    request.message.Pack(basic_action_pb2.Inputs())
    api.capabilities.Execute(request, timeout=10)
    response = api.execute("steps")
    assert response.run.status == run_pb2.RUN_STATUS_COMPLETED, response.error
    answer = basic_action_pb2.Outputs()
    assert api.capabilities.Execute(request, timeout=10).message.Unpack(answer)
    asked_ns = [int(text) for text in answer.adapted_thing.split()]
    assert len(asked_ns) == STEPS
    return [(after - before) / 1e9 for before, after in itertools.pairwise(asked_ns)]
