"""Guests use consensus and kvstore of a real daemon; however often it is killed, each of their steps acts once."""

import json
import threading
from pathlib import Path

import grpc
import pytest

from strongroom.engine.runids import new_run_id
from strongroom.pb.strongroom.v1 import run_pb2
from tests.fakes.live_daemon import DEADLINE_S
from tests.guests.build import guest
from tools.build_guests import Guest, build

RUNS = 24
VISITS_PER_RUN = 20
KILLS = 3


@pytest.fixture(scope="module")
def visits(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("guest") / "visits.wasm"
    build(Guest(name="visits", source="tests/scenarios/visits.c"), path)
    return path


def test_what_a_node_saw_passes_through_consensus(shared):
    with shared.channel() as api:
        api.register(guest("mode-switch"), "mode-switch")
        ended = api.execute("mode-switch")
    assert ended.run.status == run_pb2.RUN_STATUS_COMPLETED, ended
    assert ended.result.string_value == "true555"


def test_a_number_grows_from_run_to_run_and_another_workflow_has_its_own(shared, visits):
    with shared.channel() as api:
        api.register(visits, "visits-a", config=b"3")
        api.register(visits, "visits-b", config=b"2")
        ended = [api.execute(name) for name in ("visits-a", "visits-a", "visits-b")]
    assert [one.result.string_value for one in ended] == ["3 1", "6 2", "2 1"], ended


def test_an_operator_sees_what_workflows_hold_and_who_signs(shared, visits):
    with shared.channel() as api:
        workflow_id = api.register(visits, "visits-held", config=b"1").workflow_id
        assert api.execute("visits-held").result.string_value == "1 1"
    held = shared("capability", "call", "kvstore@1.0.0", "Workflows", "--json").json["response"]["workflows"]
    assert {"workflow": workflow_id, "entries": 1} in held
    drop = ("capability", "call", "kvstore@1.0.0", "Drop", "--payload", json.dumps({"workflow": workflow_id}), "--json")
    assert [shared(*drop).json["response"].get("entries", 0) for _ in range(2)] == [1, 0]
    signers = shared("capability", "call", "consensus@1.0.0", "Signers", "--json")
    assert signers.code == 0, signers.err
    assert "ecdsa_address" in signers.out


def test_killed_at_any_moment_every_step_acts_once(small, visits):
    small.start()
    with small.channel() as api:
        api.register(visits, "visits", config=str(VISITS_PER_RUN).encode())
    ids = [new_run_id() for _ in range(RUNS)]
    for cycle in range(KILLS):
        started = threading.Event()
        batch = ids[cycle * RUNS // KILLS : (cycle + 1) * RUNS // KILLS]
        client = threading.Thread(target=start_all, args=(small, batch, started))
        client.start()
        assert started.wait(DEADLINE_S), "no run was accepted"
        small.kill()
        client.join()
        small.start()
    start_all(small, ids, threading.Event())
    with small.channel() as api:
        ended = [api.execute("visits", run_id=run_id) for run_id in ids]
    assert {one.run.status for one in ended} == {run_pb2.RUN_STATUS_COMPLETED}, ended
    numbers, reports = zip(*(map(int, one.result.string_value.split()) for one in ended), strict=True)
    assert max(numbers) == RUNS * VISITS_PER_RUN
    assert sorted(reports) == list(range(1, RUNS + 1))


def start_all(daemon, ids, started):
    """Start every run; whoever is there already stays as it is. Ends when the daemon goes away."""
    with daemon.channel() as api:
        for run_id in ids:
            try:
                api.runs.Start(run_pb2.StartRequest(workflow="visits", run_id=run_id, json=b"{}"), timeout=5)
            except grpc.RpcError:
                return
            if run_id == ids[len(ids) // 2]:
                started.set()
