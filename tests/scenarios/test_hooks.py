"""A run waits for somebody outside, its host is killed, and the answer reaches it all the same."""

import json
import time

from tests.guests.build import guest

ORDER = {"order": "4711"}
TOKEN = "order-4711"  # a name that everybody may know


def waiting(daemon, run_id):
    """The run waits when this returns."""
    deadline_s = time.monotonic() + 20
    while daemon("run", "get", run_id, "--json").json["status"] != "waiting":
        assert time.monotonic() < deadline_s, "the run does not wait"
        time.sleep(0.02)


def test_a_run_that_waits_outlives_its_host_and_takes_what_is_left_for_it_then(small):
    small.start()
    small("workflow", "register", str(guest("approval")), "--name", "approval")
    run_id = small("run", "start", "approval", "--payload", json.dumps(ORDER), "--json").json["run_id"]
    waiting(small, run_id)
    stood = small("hook", "get", TOKEN, "--json").json
    assert (stood["run_id"], stood["status"], stood["received"]) == (run_id, "open", 0)
    small.kill()
    small.start()
    assert small("run", "get", run_id, "--json").json["status"] == "waiting"
    left = small("hook", "resume", TOKEN, '{"paid": true}', "--request-id", "r-1", "--json")
    assert (left.code, left.json["number"], left.json["created"]) == (0, 1, True)
    deadline_s = time.monotonic() + 20
    while (run := small("run", "get", run_id, "--json").json)["status"] not in {"completed", "failed"}:
        assert time.monotonic() < deadline_s, "the run does not end"
        time.sleep(0.02)
    shown = small("run", "get", run_id, "--decrypt", "--reason", "the test", "--json").json
    assert (run["status"], shown["result"]) == ("completed", '{"paid": true}')
    again = small("hook", "resume", stood["hook_id"], '{"paid": true}', "--request-id", "r-1", "--json")
    assert (again.code, again.json["created"]) == (0, False), "an answer that was lost can be asked for again"
    late = small("hook", "resume", stood["hook_id"], "1")
    assert (late.code, "SR-HOOK-021" in late.err) == (65, True)
    unknown = small("hook", "resume", "-", "1", stdin=TOKEN.encode())
    assert (unknown.code, "SR-HOOK-017" in unknown.err) == (65, True)
    assert TOKEN not in unknown.err, "a token is never said again"
    listed = small("hook", "list", run_id, "--json").json["hooks"]
    assert [(each["status"], each["received"], each["unread"]) for each in listed] == [("ended", 1, 0)]
