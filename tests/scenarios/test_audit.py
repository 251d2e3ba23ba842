"""Who did what on a host is on record; the record survives kill -9, tells when it was touched, and its loss is seen."""

import base64
import errno
import threading
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from strongroom.app import samples
from strongroom.pb.strongroom.v1 import run_pb2
from tests.fakes.live_daemon import LiveDaemon
from tests.fakes.manifests import shipped_with
from tests.faults.disk import BadDisk

SAMPLES = Path(samples.__file__).parent
MARKER = "canary-" + "7f" * 28
S = 20


def records(daemon, number=200):
    return daemon("audit", "tail", "-n", str(number), "--json").json["records"]


def deeds(daemon):
    return [(each["caller"], each["action"], each["outcome"]) for each in records(daemon)]


def put(file, old, new):
    content = file.read_bytes()
    assert old in content
    file.write_bytes(content.replace(old, new, 1))


@pytest.mark.timeout(120)
def test_what_was_done_is_on_record_and_stays_there(small):
    small.start()
    assert small("workflow", "register", str(SAMPLES / "echo.wasm"), "--name", "echo").code == 0
    run_id = small("run", "execute", "echo", "--payload", f'"{MARKER}"', "--json").json["run_id"]
    shown = small("run", "get", run_id, "--decrypt", "--reason", "ticket 4", "--json")
    assert MARKER in base64.b64decode(shown.json["result"]).decode()
    assert small("workflow", "pause", "echo").code == 0
    with small.channel() as api, pytest.raises(grpc.RpcError) as refused:
        api.runs.Get(run_pb2.RunServiceGetRequest(run_id=run_id, reason="curious"), timeout=S)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    small.kill()
    small.start()

    told = deeds(small)
    assert ("host", "host.start", "done") in told
    assert ("host", "plugin.ready", "done") in told
    assert ("socket", "workflow.register", "done") in told
    assert ("socket", "run.start", "done") in told
    assert [each for each in told if each[1] == "run.decrypt"] == [
        ("admin-socket", "run.decrypt", "begun"),
        ("admin-socket", "run.decrypt", "done"),
    ]
    assert ("socket", "call.refused", "SR-AUTH-001") in told
    opened = next(each for each in records(small) if each["action"] == "run.decrypt")
    assert (opened["subject"], opened["reason"]) == (run_id, "ticket 4")
    verified = small("audit", "verify", "--json")
    assert (verified.code, verified.json["holds"], verified.json["breaks"]) == (0, True, [])
    assert "holds: " in small("audit", "verify").out

    file = small.state / "audit.jsonl"
    assert file.stat().st_mode & 0o777 == 0o600
    assert MARKER.encode() not in file.read_bytes()
    put(file, b"ticket 4", b"ticket 5")
    touched = small("audit", "verify", "--json")
    assert (touched.code, touched.json["breaks"][0]["kind"]) == (65, "altered")
    number = touched.json["breaks"][0]["number"]
    assert small.stop() == 0
    small.start()
    assert any("THE AUDIT LOG DOES NOT HOLD" in line for line in small.log)
    status = small("status", "--json").json
    assert status["health"] == "degraded"
    assert f"record {number}: altered" in status["audit_problems"][0]
    text = small("audit", "verify")
    assert text.code == 65
    assert f"record {number}: altered: its link is not that of it and of all before it" in text.out


def serving(api, name=""):
    stub = health_pb2_grpc.HealthStub(api.channel)
    return stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=S).status


def until(condition):
    for _ in range(500):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came to that")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("policy", ["refuse", "degrade"])
def test_a_log_on_a_full_disk_stops_what_must_be_on_record_or_says_that_it_is_not(state, policy):
    disk = BadDisk(state)
    daemon = LiveDaemon(
        state,
        (*shipped_with(state, "kvstore"), "--set", f"audit.on_failure={policy}"),
        variables={**disk.variables, "BAD_DISK_PATH": "audit.jsonl"},
    )
    daemon.start()
    try:
        with daemon.channel() as api:
            api.register(SAMPLES / "echo.wasm", "echo")
            assert serving(api) == health_pb2.HealthCheckResponse.SERVING
            disk.fail(errno.ENOSPC)
            if policy == "refuse":
                with pytest.raises(grpc.RpcError) as refused:
                    api.execute("echo", b'"x"')
                assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
                assert "No space left on device" in refused.value.details()
                assert serving(api) == health_pb2.HealthCheckResponse.NOT_SERVING
            else:
                assert api.execute("echo", b'"x"').run.status == run_pb2.RUN_STATUS_COMPLETED
                assert serving(api) == health_pb2.HealthCheckResponse.SERVING
            assert serving(api, "audit") == health_pb2.HealthCheckResponse.NOT_SERVING
            status = daemon("status", "--json").json
            health = {"refuse": "read_only", "degrade": "degraded"}[policy]
            assert (status["health"], status["audit_on_failure"]) == (health, policy)
            assert [(each["check"], each["effect"]) for each in status["health_reasons"]] == [("audit", health)]
            assert status["audit_problems"] == ["it takes no record: No space left on device"]
            assert status["audit_unrecorded"]
            disk.heal()
            until(lambda: serving(api, "audit") == health_pb2.HealthCheckResponse.SERVING)
            assert api.execute("echo", b'"x"').run.status == run_pb2.RUN_STATUS_COMPLETED
            assert serving(api) == health_pb2.HealthCheckResponse.SERVING
        assert "audit.gap" in [each["action"] for each in records(daemon)]
        assert daemon("audit", "verify").code == 0
    finally:
        daemon.stop()
