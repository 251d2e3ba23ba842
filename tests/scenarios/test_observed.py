"""A whole host as those see it who watch it: probes, metrics, and health of its plugins, through the life of one."""

import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from strongroom.telemetry.catalogue import METRICS, PREFIX
from tests.fakes.live_daemon import LiveDaemon
from tests.fakes.manifests import IN_PROCESS, shipped_with
from tests.fakes.probe_client import ProbeClient
from tests.guests.build import guest
from tests.scenarios.conftest import LISTED, SECRET, short_directory

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
RUNS = 2
# What a host that has done nothing of that kind has no value of.
OF_ITS_OWN = {"attestation_refusals_total", "relay_refusals_total"}


@pytest.fixture(scope="module")
def host():
    state = short_directory()
    daemon = LiveDaemon(state, options=shipped_with(state, *IN_PROCESS, "vault"))
    daemon.variables = {"STRONGROOM_OBSERVE__ENABLED": "true"}
    daemon.start()
    daemon.probes = ProbeClient(state / "observe.sock")
    daemon.before = daemon.probes.metrics()
    assert daemon("secret", "set", "Foo", stdin=SECRET.encode()).code == 0
    with daemon.channel() as api:
        api.register(guest("everything"), "everything", LISTED, config=b"0")
        for _ in range(RUNS):
            api.execute("everything", b"{}")
    yield daemon
    daemon.stop()
    shutil.rmtree(state, ignore_errors=True)


def test_a_host_that_serves_is_alive_and_ready_with_every_check(host):
    assert host.probes.get("/livez")[0] == 200
    status, document = host.probes.ready()
    assert (status, document["state"]) == (200, "ready")
    names = {each["name"] for each in document["checks"]}
    assert {"work loop", "database", "audit", "disk", "plugin vault", "plugin kvstore"} <= names


def test_metrics_count_what_was_done_and_each_of_them_is_there(host):
    numbers = host.probes.metrics()
    assert numbers[f"{PREFIX}runs_started_total"] == RUNS
    assert numbers[f'{PREFIX}runs_finished_total{{outcome="completed"}}'] == RUNS
    assert numbers[f"{PREFIX}run_duration_seconds_count"] == RUNS
    calls = [name for name in numbers if name.startswith(f"{PREFIX}capability_request_duration_seconds_count")]
    assert any('capability="vault@1.0.0",code="ok"' in name for name in calls)
    assert [name for name in numbers if name.startswith(f"{PREFIX}decrypt_failures_total") and numbers[name]] == []
    assert numbers[f"{PREFIX}db_busy_total"] == 0
    assert numbers[f"{PREFIX}wal_bytes"] > 0
    assert numbers[f"{PREFIX}disk_free_bytes"] > 0
    assert numbers[f"{PREFIX}work_beat_age_seconds"] < 60
    blobs = [name for name in numbers if name.startswith(f"{PREFIX}blobs_by_key_version")]
    assert blobs == [f'{PREFIX}blobs_by_key_version{{key_version="1"}}'], "it was counted in the background"
    assert sum(value for name, value in numbers.items() if "scrape_errors" in name) == 0
    shown = {re.sub(r"(_bucket|_count|_sum)?(\{.*)?$", "", name) for name in numbers}
    assert {f"{PREFIX}{each.name}" for each in METRICS if each.name not in OF_ITS_OWN} <= shown


def test_nothing_that_is_shown_is_secret_or_of_one_run(host):
    text = host.probes.get("/metrics")[1] + host.probes.get("/readyz?verbose")[1]
    assert SECRET.encode() not in text
    assert b"wrun_" not in text
    assert b"everything" not in text, "also no name of a workflow"


def test_health_of_a_plugin_is_watched_through_its_crash_and_its_return(host):
    with host.channel() as api:
        health = health_pb2_grpc.HealthStub(api.channel)
        assert health.Check(health_pb2.HealthCheckRequest(service=""), timeout=10).status == SERVING
        watched = health.Watch(health_pb2.HealthCheckRequest(service="vault"), timeout=60)
        assert next(watched).status == SERVING
        os.kill(api.plugin("vault").pid, signal.SIGKILL)
        assert next(watched).status == NOT_SERVING
        assert next(watched).status == SERVING
        watched.cancel()
    numbers = host.probes.metrics()
    assert numbers[f'{PREFIX}plugin_restarts_total{{plugin="vault"}}'] == 1
    assert numbers[f'{PREFIX}plugin_up{{plugin="vault"}}'] == 1


def test_what_is_served_goes_with_the_host(host):
    assert host.stop() == 0
    assert not Path(host.probes.path).exists()
