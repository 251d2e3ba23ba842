"""The same start from many clients at once, some of them after a timeout: exactly one run each."""

import random
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from strongroom.engine.runids import new_run_id
from strongroom.pb.strongroom.v1 import run_pb2
from tests.faults.figures import record
from tests.faults.scale import SCALE
from tests.faults.storm import SAMPLES
from tests.faults.workspace_storm import quiet_daemon

REPEATS = 5
"""How often each run id is sent."""
HURRIED = 0.05
"""The part of the starts that gives up at once and is sent again."""
HURRY_S = 0.001


def submit(api, run_id, hurried):
    """Start a run; whether it was new, or nothing when this client did not wait for the answer."""
    request = run_pb2.StartRequest(workflow="greet", run_id=run_id, json=b'{"who": "x"}')
    while True:
        try:
            return api.runs.Start(request, timeout=HURRY_S if hurried else 30).created
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and hurried:
                return None
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise


@pytest.mark.timeout(0)
def test_starts_that_are_repeated_are_one_run_each():
    chance = random.Random(5)  # noqa: S311 - it chooses who hurries, no secrets
    ids = [new_run_id() for _ in range(SCALE.submits // REPEATS)]
    wishes = [(run_id, chance.random() < HURRIED) for run_id in ids * REPEATS]
    # Who hurries asks again, as a client does that got no answer.
    wishes += [(run_id, False) for run_id, hurried in wishes if hurried]
    with tempfile.TemporaryDirectory(prefix="sr-") as directory:
        daemon = quiet_daemon(Path(directory)).start()
        with daemon.channel() as api, ThreadPoolExecutor(SCALE.submit_clients) as clients:
            api.register(SAMPLES / "greet.wasm", "greet")
            answers = list(clients.map(lambda wish: (wish[0], submit(api, *wish)), wishes))
            made = Counter(run_id for run_id, created in answers if created)
            listed = list(runs(api))
        assert daemon.stop() == 0
    what, measured = f"{len(wishes)} starts, {SCALE.submit_clients} clients", f"{len(listed)} runs of {len(ids)} ids"
    record("D5", what, demanded="one run for each id", measured=measured, met=sorted(listed) == sorted(ids))
    assert sorted(listed) == sorted(ids)
    assert not [run_id for run_id, count in made.items() if count > 1]


def runs(api):
    """Every run id that the host has."""
    token = ""
    while True:
        page = api.runs.List(run_pb2.RunServiceListRequest(page_size=500, page_token=token), timeout=30)
        yield from (run.run_id for run in page.runs)
        token = page.next_page_token
        if not token:
            return
