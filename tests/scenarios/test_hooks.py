"""A run waits for somebody outside, its host is killed, and the answer reaches it all the same."""

import json

import pytest

from strongroom.pb.strongroom.v1 import run_pb2
from tests.guests.build import guest
from tests.scenarios.test_run_streams import assert_suspended, watched

TOKEN = "order-4711"  # a name that everybody may know
ORDER = json.dumps({"order": "4711"})


@pytest.fixture
def waiting(small):
    """A host with 20 days for each run, and the id of one that waits there."""
    small.options = (*small.options, "--set", "limits.run_timeout_ms=1728000000")
    small.start()
    small("workflow", "register", str(guest("approval")), "--name", "approval")
    run_id = small("run", "start", "approval", "--payload", ORDER, "--json").json["run_id"]
    with small.channel() as api:
        assert_suspended(api, run_id)
    return run_id


def test_a_run_that_waits_outlives_its_host_and_takes_what_is_left_for_it_then(small, waiting):
    stood = small("hook", "get", TOKEN, "--json").json
    assert (stood["run_id"], stood["status"], stood["received"]) == (waiting, "open", 0)
    small.kill()
    small.start()
    left = small("hook", "resume", TOKEN, '{"paid": true}', "--request-id", "r-1", "--json")
    assert (left.code, left.json["number"], left.json["created"]) == (0, 1, True)
    with small.channel() as api:
        events, run = watched(api, waiting)
        replayed = api.runs.Replay(run_pb2.ReplayRequest(run_id=waiting), timeout=60)
    assert run.status == run_pb2.RUN_STATUS_COMPLETED
    assert [event.event_type for event in events].count("run_started") == 2, "the start of the host executed nothing"
    assert (replayed.equal, replayed.steps) == (True, 2), replayed.difference
    shown = small("run", "get", waiting, "--decrypt", "--reason", "the test", "--json").json
    assert shown["result"] == '{"paid": true}'
    again = small("hook", "resume", stood["hook_id"], '{"paid": true}', "--request-id", "r-1", "--json")
    assert (again.code, again.json["created"]) == (0, False), "an answer that was lost can be asked for again"
    late = small("hook", "resume", stood["hook_id"], "1")
    assert (late.code, "SR-HOOK-021" in late.err) == (65, True)
    unknown = small("hook", "resume", "-", "1", stdin=TOKEN.encode())
    assert (unknown.code, "SR-HOOK-017" in unknown.err) == (65, True)
    assert TOKEN not in unknown.err, "a token is never said again"
    listed = small("hook", "list", waiting, "--json").json["hooks"]
    assert [(each["status"], each["received"], each["unread"]) for each in listed] == [("ended", 1, 0)]


def test_the_capability_is_the_hosts_own_and_answers_runs_only(small):
    small.start()
    [own] = [each for each in small("capability", "list", "--json").json["capabilities"] if each["id"] == "run@1.0.0"]
    assert (own["plugin"], own["available"]) == ("strongroom", True)
    payload = {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": "x"}
    called = small("capability", "call", "run@1.0.0", "CreateHook", "--payload", json.dumps(payload))
    assert "SR-HOOK-003" in called.err
