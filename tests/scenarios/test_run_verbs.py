"""Every verb of runs through the socket: stopped, repeated, replayed, exported."""

import json
import time

import grpc
import pytest

from strongroom.engine.runids import new_run_id
from strongroom.pb.strongroom.v1 import run_pb2, workflow_pb2
from tests.guests.build import guest
from tests.scenarios.conftest import SECRET
from tests.scenarios.test_api import details, failing
from tests.scenarios.test_run_streams import assert_suspended, ended, start, watched


def test_replaying_compares_all_of_it(shared, everything):
    done = shared("run", "replay", everything, "--json")
    assert (done.code, done.json["equal"]) == (0, True)
    assert (done.json["steps"], done.json["time_reads"], done.json["log_lines"]) == (5, 3, 14)


def test_a_go_program_replays_to_the_byte(shared):
    with shared.channel() as api:
        api.register(guest("go"), "diary", config=b"diary")
        run_id = api.execute("diary").run.run_id
        done = api.runs.Replay(run_pb2.ReplayRequest(run_id=run_id), timeout=60)
    assert (done.equal, done.differs_at) == (True, "")
    assert done.steps >= 2


def test_a_run_with_a_pre_hook_replays_both_and_keeps_to_the_restrictions(shared):
    with shared.channel() as api:
        api.register(guest("restrictions"), "hooked")
        run = api.execute("hooked", b"{}").run
        events, _ = watched(api, run.run_id)
        done = api.runs.Replay(run_pb2.ReplayRequest(run_id=run.run_id), timeout=60)
    assert "restrictions_set" in [event.event_type for event in events]
    assert (done.equal, done.cut_off) == (True, ""), done.difference


@pytest.mark.parametrize("name", ["trap", "refuses", "exit-3", "silent", "errors"])
def test_a_run_that_failed_by_itself_replays_to_the_same_failure(shared, name):
    with shared.channel() as api:
        api.register(guest(name), f"fails-{name}")
        run = api.execute(f"fails-{name}").run
        done = api.runs.Replay(run_pb2.ReplayRequest(run_id=run.run_id), timeout=60)
    assert run.status == run_pb2.RUN_STATUS_FAILED
    assert (done.equal, done.cut_off) == (True, ""), done.difference


def test_a_run_that_was_stopped_replays_up_to_there_and_says_so(shared):
    with shared.channel() as api:
        api.register(guest("everything"), "stopped", config=b"60000")
        run_id = start(api, "stopped")
        assert_suspended(api, run_id)
        api.runs.Cancel(run_pb2.CancelRequest(run_id=run_id, reason="enough"), timeout=20)
        done = api.runs.Replay(run_pb2.ReplayRequest(run_id=run_id), timeout=60)
    assert done.equal, (done.differs_at, done.difference)
    assert "cancelled" in done.cut_off
    assert done.steps == 3


def test_a_replay_whose_caller_goes_away_ends_and_lets_the_next_one_in(shared, everything):
    with shared.channel() as api:
        api.register(guest("loop"), "computes")
        run_id = start(api, "computes")
        watch = api.runs.Watch(run_pb2.WatchRequest(run_id=run_id), timeout=30)
        while next(watch).event.event_type != "run_started":
            pass
        api.runs.Kill(run_pb2.KillRequest(run_id=run_id, reason="enough"), timeout=20)
        replaying(api, run_id, everything).cancel()
        until = time.monotonic() + 30
        while (refused := refusal(api, everything)) and time.monotonic() < until:
            pass
        assert not refused, "it has ended, long before its time was up"


def replaying(api, run_id, other):
    """A replay that goes on, so that there is no room for that of ``other``."""
    while True:
        replay = api.runs.Replay.future(run_pb2.ReplayRequest(run_id=run_id), timeout=600)
        # It may itself have come while the other one was replayed.
        while not replay.done():
            if refusal(api, other) == "SR-RUN-041":
                return replay


def refusal(api, run_id):
    """Why a run is not replayed now; empty when it is."""
    try:
        api.runs.Replay(run_pb2.ReplayRequest(run_id=run_id), timeout=60)
    except grpc.RpcError as error:
        return details(error)["ErrorInfo"].reason
    return ""


def test_a_retry_is_a_new_run_that_names_its_parent(shared, everything):
    new = shared("run", "retry", everything, "--json").json
    assert new["parent_run_id"] == everything
    assert (new["created"], new["steps_kept"]) == (True, 0)
    with shared.channel() as api:
        assert ended(api, new["run_id"]).status == run_pb2.RUN_STATUS_COMPLETED
    assert everything in shared("run", "get", new["run_id"]).out


def test_a_retry_from_a_step_keeps_the_answers_before_it(shared, everything):
    new_id = new_run_id()
    first = shared("run", "retry", everything, "--from", "-1", "--run-id", new_id, "--json").json
    again = shared("run", "retry", everything, "--from", "-1", "--run-id", new_id, "--json").json
    assert (first["created"], again["created"]) == (True, False)
    assert first["steps_kept"] == again["steps_kept"] == 2, "the secret is asked for anew"
    with shared.channel() as api:
        events, run = watched(api, new_id)
        assert run.status == run_pb2.RUN_STATUS_COMPLETED
        before = [e.event_type for e in events[: [e.event_type for e in events].index("run_started")]]
        assert before.count("step_completed") == 2
        assert api.runs.Replay(run_pb2.ReplayRequest(run_id=new_id), timeout=60).equal
    opened = [lines(shared, run_id) for run_id in (everything, new_id)]
    assert opened[0][:5] == opened[1][:5], "it saw the same time and randomness"


def lines(shared, run_id):
    return [x["line"] for x in shared("run", "logs", run_id, "--decrypt", "--reason", "x", "--json").json["lines"]]


def test_an_export_holds_every_event_sealed_or_opened_but_never_a_secret(shared, everything, tmp_path):
    sealed = [json.loads(line) for line in shared("run", "export", everything).out.splitlines()]
    assert sealed[0]["schema"] == "strongroom.run-export/v1"
    assert sealed[0]["events"] == len(sealed) - 1
    assert all(line["sealed"] for line in sealed[1:])
    target = tmp_path / "run.jsonl"
    done = shared("run", "export", everything, "--output", str(target), "--decrypt", "--reason", "audit 12")
    assert done.code == 0
    text = target.read_text()
    opened = [json.loads(line)["content"] for line in text.splitlines()[1:]]
    fetched = [c for c in opened if "secrets_request" in c or "secrets_response" in c]
    assert [set(c.values()) >= {"***"} for c in fetched] == [True, True]
    asked = [c["request"]["id"] for c in opened if "request" in c]
    assert asked.count("basic-test-action@1.0.0") == 3
    # Its result holds the secret, because its guest put it there; the steps that fetched it do not.
    assert text.count(SECRET) == 1
    assert SECRET in json.dumps(opened[-1])
    newest = shared("audit", "tail", "-n", "100", "--json").json["records"]
    assert [each["action"] for each in newest if each["reason"] == "audit 12"] == ["run.export", "run.export"]


def test_a_run_is_killed_and_what_it_sent_is_named(shared):
    with shared.channel() as api:
        api.register(guest("sleep-forever"), "killed")
        run_id = start(api, "killed")
        watch = api.runs.Watch(run_pb2.WatchRequest(run_id=run_id), timeout=20)
        while next(watch).event.event_type != "run_started":
            pass
    assert shared("run", "kill", run_id, "--no-input").code == 2
    assert shared("run", "kill", run_id, "--dry-run", "--json").json["status"] in {"running", "waiting"}
    killed = shared("run", "kill", run_id, "--yes", "--reason", "stuck", "--json")
    assert (killed.code, killed.json["status"]) == (0, "cancelled")
    assert shared("run", "kill", run_id, "--yes").code == 0, "asking twice is harmless"


def draining(api):
    """A workflow whose deletion gave up before its run ended, the id of that, and how the deletion ended."""
    for sleep_ms in (700, 5_000, 20_000):  # longer where the run ends, or the time is over, before it has begun
        name = f"drained-{sleep_ms}"
        api.register(guest("sleep-long"), name, config=b"%d" % (sleep_ms * 1_000_000))
        run_id = start(api, name)
        try:
            api.workflows.Delete(drain(name), timeout=sleep_ms * 0.4 / 1000)
        except grpc.RpcError as error:
            code = error.code()
            request = workflow_pb2.WorkflowServiceGetRequest(workflow=name)
            if api.workflows.Get(request, timeout=20).workflow.status == workflow_pb2.WORKFLOW_STATUS_PAUSED:
                break
    return name, run_id, code


def drain(name):
    return workflow_pb2.WorkflowServiceDeleteRequest(workflow=name, drain=True)


def test_a_workflow_is_drained_and_deleted(shared):
    with shared.channel() as api:
        name, run_id, code = draining(api)
        assert code == grpc.StatusCode.DEADLINE_EXCEEDED
        refused = failing(api.runs.Start, run_pb2.StartRequest(workflow=name))
        assert details(refused)["ErrorInfo"].reason == "SR-WF-002"
        api.workflows.Delete(drain(name), timeout=60)
        assert ended(api, run_id).status == run_pb2.RUN_STATUS_COMPLETED
        for call, wish in (
            (api.runs.Retry, run_pb2.RetryRequest(run_id=run_id)),
            (api.runs.Replay, run_pb2.ReplayRequest(run_id=run_id)),
        ):
            assert details(failing(call, wish))["ErrorInfo"].reason == "SR-RUN-044"


def test_limits_are_exported_as_they_are_in_force(shared, tmp_path):
    limits = shared("workflow", "limits", "export", "--json").json["limits"]
    assert limits["run_timeout_ms"] == 300_000
    target = tmp_path / "limits.yaml"
    assert shared("workflow", "limits", "export", "--output", str(target)).code == 0
    (tmp_path / "strongroom.yaml").write_text(target.read_text())
    offline = shared("workflow", "limits", "export", "--offline", "--json", cwd=tmp_path)
    assert offline.json["limits"] == limits


def test_a_confidential_run_is_neither_replayed_nor_repeated_from_a_step(shared):
    with shared.channel() as api:
        api.register(guest("echo"), "secret", attributes=b'{"confidential": true}')
        run_id = api.execute("secret", b"1").run.run_id
        error = failing(api.runs.Replay, run_pb2.ReplayRequest(run_id=run_id))
        assert details(error)["ErrorInfo"].reason == "SR-RUN-043"
        error = failing(api.runs.Retry, run_pb2.RetryRequest(run_id=run_id, from_step="1"))
        assert details(error)["ErrorInfo"].reason == "SR-RUN-049"
        assert api.runs.Retry(run_pb2.RetryRequest(run_id=run_id), timeout=20).created


def test_status_says_how_long_runs_are_kept_already(shared, everything):
    status = shared("status", "--json").json
    assert status["runs_purged"] == 0
    assert status["oldest_run_time"] <= shared("run", "get", everything, "--json").json["create_time"]
    assert "kept since:" in shared("status").out
