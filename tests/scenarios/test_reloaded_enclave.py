"""The confidential backend is replaced while a run is in its enclave: it ends there in time, or the next one has it."""

import json
import threading
from pathlib import Path

import pytest

from strongroom.pb.strongroom.v1 import run_pb2
from tests.fakes.live_daemon import LiveDaemon
from tests.fakes.numbered_plugin import called, entry
from tests.guests.build import guest
from tests.scenarios.test_crashes import wait_for
from tests.scenarios.test_run_streams import ended, start
from tests.scenarios.test_stopping import CONFIDENTIAL, manifest

ROOT = Path(__file__).resolve().parents[2]
BACKEND = "confidential-workflows"
HANGS_MS = 600_000


@pytest.fixture
def host(state):
    """Makes a host with a run in the enclave, which stands in its one call: that takes ``delay_ms`` the first time."""
    made = LiveDaemon(state, variables={"PYTHONPATH": str(ROOT)})
    path, calls = manifest(state, 0), state / "calls"

    def begun(*, delay_ms, drain_ms):
        plugins = json.loads(path.read_text())["plugins"][:2]
        plugins.append(entry(1, calls=str(calls), delay_ms=delay_ms))
        path.write_text(json.dumps({"version": 1, "plugins": plugins}))
        made.options = ("--plugins-file", str(path), "--set", f"limits.plugin_drain_timeout_ms={drain_ms}")
        made.start()
        with made.channel() as api:
            api.register(called(guest("sequential-calls").read_bytes(), 1), "hidden", CONFIDENTIAL, config=b"1")
            run_id = start(api, "hidden")
        wait_for(calls.exists, "a call out of the enclave")
        return made, run_id, lambda: len(calls.read_text().splitlines())

    yield begun
    if made.process is not None and made.process.poll() is None:
        made.kill()


def end_of(host, run_id):
    with host.channel() as api:
        return ended(api, run_id)


def is_taken_away(host):
    found = {each["id"]: each for each in host("capability", "list", "--json").json["capabilities"]}
    return not found["confidential-workflows@1.0.0-alpha"]["available"]


def cut(host):
    """How many calls a replaced backend was ended with."""
    reloaded = host("plugin", "reload", BACKEND, "--json")
    assert reloaded.code == 0, reloaded
    return reloaded.json["calls_cut"]


def test_a_run_that_takes_longer_than_the_drain_is_executed_by_the_next_one(host):
    running, run_id, calls = host(delay_ms=HANGS_MS, drain_ms=100)
    assert cut(running) == 1
    assert end_of(running, run_id).status == run_pb2.RUN_STATUS_COMPLETED
    assert calls() == 2


def test_a_run_that_ends_within_the_drain_is_executed_once(host):
    running, run_id, calls = host(delay_ms=3_000, drain_ms=30_000)
    assert cut(running) == 0
    assert end_of(running, run_id).status == run_pb2.RUN_STATUS_COMPLETED
    assert calls() == 1
    receipt = running.state / "receipt"
    assert running("receipt", "export", run_id, "--output", str(receipt)).code == 0


def test_a_run_that_is_cancelled_within_the_drain_ends_the_drain(host):
    running, run_id, calls = host(delay_ms=HANGS_MS, drain_ms=HANGS_MS)
    reloading = threading.Thread(target=cut, args=(running,))
    reloading.start()
    wait_for(lambda: is_taken_away(running), "the drain")
    assert running("run", "cancel", run_id).code == 0
    reloading.join(60)
    assert not reloading.is_alive()
    assert end_of(running, run_id).status == run_pb2.RUN_STATUS_CANCELLED
    assert calls() == 1
