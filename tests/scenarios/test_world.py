"""A program keeps its runs on a host that is killed: what was answered stands, and the host executes none of it."""

import tempfile
from pathlib import Path

from ulid import ULID

from strongroom.pb.strongroom.v1 import world_pb2 as pb
from strongroom.pb.strongroom.v1 import world_pb2_grpc
from tests.fakes.world_host import draft
from tests.faults.workspace_storm import quiet_daemon

S = 30


def event(kind, name="", **data):
    made = draft(kind, name, **data)
    return pb.WorldDraft(event_type=kind, correlation_id=name, data=made.data)


def append(daemon, run_id, *events):
    with daemon.channel() as api:
        request = pb.WorldServiceCreateEventsRequest(run_id=run_id, events=events)
        return world_pb2_grpc.WorldServiceStub(api.channel).CreateEvents(request, timeout=S).results


def test_a_run_of_others_outlives_its_host_and_is_listed_stopped_and_never_executed():
    with tempfile.TemporaryDirectory(prefix="sr-") as state:
        daemon = quiet_daemon(Path(state))
        daemon.start()
        try:
            run_id, other, step = f"wrun_{ULID()}", f"wrun_{ULID()}", f"step_{ULID()}"
            append(daemon, run_id, event("run_created"), event("run_started"), event("step_created", step))
            append(daemon, other, event("run_created"))
            append(daemon, run_id, event("step_started", step))
            daemon.kill()
            daemon.start()
            listed = daemon("run", "list", "--json").json["runs"]
            assert {(each["run_id"], each["status"], each["module"]) for each in listed} == {
                (run_id, "running", "external"),
                (other, "pending", "external"),
            }
            [done] = append(daemon, run_id, event("step_completed", step))
            assert (done.step.status, done.step.attempt, done.event.event_id[-2:]) == ("completed", 1, "05")
            shown = daemon("run", "events", run_id, "--json").json["events"]
            assert [each["event_type"] for each in shown][-2:] == ["step_started", "step_completed"]
            assert (
                daemon("run", "cancel", other, "--reason", "no longer wanted", "--json").json["status"] == "cancelled"
            )
            for verb in ("retry", "replay"):
                refused = daemon("run", verb, other)
                assert (refused.code, "SR-WORLD-016" in refused.err) == (65, True), refused.err
            assert daemon("run", "get", other, "--json").json["status"] == "cancelled"
        finally:
            daemon.stop()
