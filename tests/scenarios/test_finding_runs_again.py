"""After something went wrong on the way: the run is found again, its end is read, and a drain says what is left."""

import threading

import grpc
import pytest

from strongroom.pb.strongroom.v1 import run_pb2, workflow_pb2
from tests.guests.build import guest
from tests.scenarios.test_run_streams import start, watched


@pytest.mark.parametrize("ends", ["kill", "stop"])
def test_an_execution_outlives_its_host(small, ends):
    small.start()
    with small.channel() as api:
        api.register(guest("sleep-long"), "outlives", config=b"2000000000")
    run_id = small("run", "new-id").out.strip()
    answers = []
    arguments = ("run", "execute", "outlives", "--run-id", run_id, "--timeout", "40", "--json")
    asking = threading.Thread(target=lambda: answers.append(small(*arguments)))
    asking.start()
    with small.channel() as api:
        wait_for(api, run_id)
    getattr(small, ends)()
    small.start()
    asking.join(60)
    (answer,) = answers
    assert (answer.code, answer.json["run_id"], answer.json["status"]) == (0, run_id, "completed"), answer.err
    # One that is stopped in good order lets the run end and answers first.
    assert ("the host is away" in answer.err) == (ends == "kill")


def wait_for(api, run_id):
    """Until the run has been accepted by the request that is on its way."""
    while True:
        try:
            return watched_until_started(api, run_id)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise


def watched_until_started(api, run_id):
    stream = api.runs.Watch(run_pb2.WatchRequest(run_id=run_id), timeout=20)
    while next(stream).event.event_type != "run_started":
        pass
    stream.cancel()


def test_the_result_and_the_error_of_a_run_that_was_begun_are_read_for_a_reason(shared):
    with shared.channel() as api:
        api.register(guest("echo"), "begun")
        api.register(guest("refuses"), "begun-badly")
        done, failed = start(api, "begun"), start(api, "begun-badly")
        watched(api, done)
        watched(api, failed)
    shown = shared("run", "get", done, "--decrypt", "--reason", "ticket 4711", "--json")
    assert shown.json["result_kind"] is not None
    assert shown.json["error"] == ""
    assert shared("run", "get", failed, "--decrypt", "--reason", "x", "--json").json["error"]
    plain = shared("run", "get", done)
    assert "result:" not in plain.out
    assert "--decrypt" in plain.err
    newest = shared("audit", "tail", "-n", "200", "--json").json["records"]
    told = [each for each in newest if (each["reason"], each["subject"]) == ("ticket 4711", done)]
    assert {each["action"] for each in told} == {"run.decrypt"}
    assert {each["facts"]["fields"] for each in told} == {"input, output, error, reason"}


def test_a_cancel_reason_is_read_as_well(shared):
    with shared.channel() as api:
        api.register(guest("sleep-forever"), "cancelled-for")
        run_id = start(api, "cancelled-for")
        api.runs.Cancel(run_pb2.CancelRequest(run_id=run_id, reason="wrong input"), timeout=20)
    shown = shared("run", "get", run_id, "--decrypt", "--reason", "x", "--json").json
    assert (shown["status"], shown["cancel_reason"]) == ("cancelled", "wrong input")
    again = shared("run", "cancel", run_id)
    assert again.code == 0
    assert "it had already ended: cancelled" in again.err


def test_a_drain_whose_time_is_up_says_how_many_runs_are_left_and_how_to_go_on(shared):
    with shared.channel() as api:
        api.register(guest("sleep-forever"), "stays")
        run_id = start(api, "stays")
        rehearsed = shared("workflow", "delete", "stays", "--drain", "--dry-run", "--json")
        assert (rehearsed.code, rehearsed.json["runs_unfinished"]) == (0, 1)
        refused = shared("workflow", "delete", "stays", "--drain", "--yes", "--timeout", "0.5")
        assert refused.code == 75
        assert "SR-WF-020" in refused.err
        assert "1 unfinished runs" in refused.err
        assert "paused now" in refused.err
        assert "workflow activate" in refused.err
        record = api.workflows.Get(workflow_pb2.WorkflowServiceGetRequest(workflow="stays"), timeout=20).workflow
        assert record.status == workflow_pb2.WORKFLOW_STATUS_PAUSED
        api.runs.Kill(run_pb2.KillRequest(run_id=run_id), timeout=20)
    assert shared("workflow", "delete", "stays", "--yes").code == 0
    left = shared("run", "list", "--workflow", "stays", "--json")
    assert [run["run_id"] for run in left.json["runs"]] == [run_id]
    assert record.workflow_id in left.err


def test_a_second_version_is_warned_about_and_a_name_of_two_is_not_changed(shared):
    binary = str(guest("echo"))
    first = shared("workflow", "register", binary, "--name", "twice", "--config", "1", "--json").json["workflow_id"]
    second = shared("workflow", "register", binary, "--name", "twice", "--config", "2", "--json")
    assert f"workflow {first} of the same name stays active" in second.err
    refused = shared("workflow", "delete", "twice", "--yes")
    assert refused.code == 65
    assert first in refused.err
    assert shared("workflow", "delete", first, "--yes").code == 0
    assert shared("workflow", "delete", "twice", "--yes").code == 0


def test_runs_of_a_workflow_that_was_deleted_are_found_by_its_name(shared):
    with shared.channel() as api:
        run_ids = []
        for config in (b"1", b"2"):
            workflow = api.register(guest("echo"), "deleted-since", config=config)
            run_ids.append(api.execute(workflow.workflow_id).run.run_id)
            assert shared("workflow", "delete", workflow.workflow_id, "--yes").code == 0
    listed = shared("run", "list", "--workflow", "deleted-since", "--json")
    assert [run["run_id"] for run in listed.json["runs"]] == run_ids[::-1]
    assert "no workflow is called deleted-since now" in listed.err
    one = shared("run", "list", "--workflow", "deleted-since", "--limit", "1", "--json").json
    assert ([run["run_id"] for run in one["runs"]], one["more"]) == (run_ids[1:], True)
