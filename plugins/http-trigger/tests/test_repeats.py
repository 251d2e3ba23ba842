"""What becomes of a good request: one event and one answer, however often it is asked and whatever breaks between."""

import json
import threading

from strongroom.plugin import Unavailable
from strongroom_http_trigger.requests import Requests, request_key
from strongroom_http_trigger.service import execution_id
from tests.fakes.http_caller import Caller, body_for
from tests.fakes.plugin_host import MemoryStore
from tests.fakes.trigger_rig import OWNER, WORKFLOW

NAMED = {"workflowOwner": OWNER, "workflowName": "greet", "workflowTag": "v1"}


def test_a_repeated_request_gets_the_same_answer_and_starts_nothing(rig, caller):
    answers = [rig.call(caller, jti=str(n)) for n in range(5)]
    assert all(answer == answers[0] for answer in answers)
    assert (answers[0][0], len(rig.events)) == (200, 1)


def test_a_repeated_request_is_not_counted_against_the_rate(make_rig, caller):
    rig = make_rig(burst=1)
    rig.listen(caller.address)
    assert [rig.call(caller)[0] for _ in range(5)] == [200] * 5


def test_the_same_id_with_another_request_is_a_conflict(rig, caller):
    assert rig.call(caller)[0] == 200
    other = body_for(WORKFLOW).replace(b'{"n": 1}', b'{"n": 2}')
    assert rig.error(caller, other)[:3] == (409, -32000, "conflict")
    assert len(rig.events) == 1


def test_spaces_make_no_other_request(rig, caller):
    assert rig.call(caller, body_for(WORKFLOW))[0] == 200
    assert rig.call(caller, body_for(WORKFLOW).replace(b": ", b":"))[0] == 200
    assert len(rig.events) == 1


def test_the_same_id_for_another_workflow_is_another_request(rig, caller):
    rig.listen(caller.address, workflow="11" * 32)
    assert [rig.call(caller, body_for(w))[0] for w in (WORKFLOW, "11" * 32)] == [200, 200]
    assert len(rig.events) == 2


def test_an_answer_outlives_the_plugin(make_rig, rig, caller):
    first = rig.call(caller)
    later = make_rig(rig.store)
    later.listen(caller.address)
    assert later.call(caller) == first
    assert later.events == []


def test_after_an_hour_the_host_alone_knows_an_id(make_rig, caller):
    now = [1_800_000_000.0]
    rig = make_rig(now_s=lambda: now[0])
    rig.listen(caller.address)
    times = {"iat": int(now[0]), "exp": int(now[0]) + 60}
    assert rig.call(caller, **times)[0] == 200
    now[0] += 3_601
    times = {"iat": int(now[0]), "exp": int(now[0]) + 60}
    assert rig.call(caller, **times)[0] == 200
    assert [event_id for _, event_id, _ in rig.events] == ["r1", "r1"], "one id is one run: the host sees to that"
    assert len([key for _, key in rig.store.values if key.startswith("request/")]) == 1


def test_nothing_is_accepted_before_the_host_has_it(make_rig, caller):
    rig = make_rig(deaf=True, wait_s=0.05)
    rig.listen(caller.address)
    status, said, retry = rig.call(caller)
    assert (status, said["error"]["code"], said["error"]["data"]["reason"], retry) == (503, -32000, "not_confirmed", 1)
    assert "repeat the same request with the same id" in said["error"]["message"]
    rig.wait(1)
    rig.service.acknowledged(f"trigger_reg_{WORKFLOW}_0", "r1")
    assert rig.call(caller)[0] == 200
    assert len(rig.events) == 1


def test_an_event_that_was_kept_is_delivered_by_a_later_life(make_rig, caller):
    first = make_rig(deaf=True, wait_s=0.05)
    first.listen(caller.address)
    assert first.call(caller)[0] == 503
    first.book.close()
    later = make_rig(first.store)
    later.listen(caller.address)
    later.wait(1)
    assert later.call(caller)[0] == 200
    assert later.events[0][:2] == (f"trigger_reg_{WORKFLOW}_0", "r1")


def test_a_crash_between_the_two_writes_loses_no_request(make_rig, rig, caller):
    class Dying(MemoryStore):
        def put(self, key, value, *, owner=""):
            if key.startswith("event/"):
                raise Unavailable("SR-TEST-001", "the host is gone")
            super().put(key, value, owner=owner)

    dying = make_rig(Dying())
    dying.listen(caller.address)
    assert dying.error(caller)[:3] == (503, -32603, "unavailable")
    store = MemoryStore()
    store.values.update(dying.store.values)
    later = make_rig(store)
    later.listen(caller.address)
    assert later.error(caller, body_for(WORKFLOW).replace(b"1}", b"2}"))[2] == "conflict"
    assert later.call(caller)[0] == 200


def test_a_rate_is_for_each_workflow_and_says_when_to_come_back(make_rig, caller):
    rig = make_rig(burst=3)
    rig.listen(caller.address)
    rig.listen(caller.address, workflow="11" * 32)
    assert [rig.call(caller, body_for(WORKFLOW, f"r{n}"))[0] for n in range(3)] == [200] * 3
    status, said, retry = rig.call(caller, body_for(WORKFLOW, "r3"))
    assert (status, said["error"]["code"], said["error"]["data"]["reason"]) == (429, -32001, "overloaded")
    assert 1 <= retry <= 30
    assert said["error"]["data"]["retryAfterSeconds"] == retry
    assert rig.call(caller, body_for("11" * 32, "r3"))[0] == 200


def test_a_workflow_that_is_behind_does_not_hold_every_thread(make_rig, caller):
    rig = make_rig(deaf=True, wait_s=20.0)
    rig.listen(caller.address)
    waiting = [threading.Thread(target=rig.call, args=(caller, body_for(WORKFLOW, f"w{n}"))) for n in range(4)]
    for thread in waiting:
        thread.start()
    rig.wait(4)
    assert rig.error(caller, body_for(WORKFLOW, "r9"))[2] == "not_confirmed", "at once, and kept all the same"
    rig.wait(5)
    for _, event_id, _ in list(rig.events):
        rig.service.acknowledged(f"trigger_reg_{WORKFLOW}_0", event_id)
    for thread in waiting:
        thread.join(30)
    assert rig.call(caller, body_for(WORKFLOW, "r9"))[0] == 200


def test_requests_at_once_with_one_id_are_one_event(rig, caller):
    answers, body = [], body_for(WORKFLOW)
    threads = [threading.Thread(target=lambda: answers.append(rig.call(caller, body)[0])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(rig.events) == 1
    assert set(answers) <= {200, 503}
    assert 200 in answers


def test_a_trigger_that_stopped_takes_no_requests_and_tells_its_callers_only(make_rig, caller):
    rig = make_rig()
    one, _ = rig.listen(caller.address)
    again, _ = rig.listen(caller.address)
    rig.registrations.remove(one)
    assert rig.call(caller)[0] == 200, "the end of an old registration does not end its successor"
    rig.registrations.remove(again)
    assert rig.error(caller)[:3] == (503, -32000, "not_listening")
    assert rig.error(Caller(b"stranger"))[2] == "unauthenticated"


def test_before_its_registration_comes_back_a_workflow_is_asleep_and_not_unknown(make_rig, rig, caller):
    later = make_rig(rig.store)
    assert later.error(caller, body_for(NAMED))[:3] == (503, -32000, "not_listening")
    assert later.error(Caller(b"stranger"))[2] == "unauthenticated"
    later.listen(caller.address)
    assert later.call(caller)[0] == 200


def test_a_workflow_that_is_gone_is_not_asleep(make_rig, rig, caller):
    rig.service.forgotten(f"trigger_reg_{WORKFLOW}_0")
    for one in (rig, make_rig(rig.store)):
        assert one.error(caller)[2] == "unauthenticated"


def test_a_kept_registration_that_cannot_be_read_is_none(make_rig, rig, caller):
    (place,) = [at for at in rig.store.values if at[1].startswith("listens/")]
    for damaged in (b"", b"\xff\xff", rig.store.values[place][:20]):
        rig.store.values[place] = damaged
        assert make_rig(rig.store).error(caller)[2] == "unauthenticated"


def test_of_several_triggers_the_first_that_takes_the_key_is_started(make_rig, caller):
    rig, other = make_rig(), Caller(b"other")
    rig.listen(other.address, index=2)
    rig.listen(caller.address, other.address, index=1)
    rig.listen(caller.address, index=0)
    assert rig.call(other)[1]["result"]["workflowExecutionID"] == execution_id(WORKFLOW, "r1", 1)
    assert rig.call(caller)[1]["result"]["workflowExecutionID"] == execution_id(WORKFLOW, "r1", 0)


def test_a_name_that_means_two_workflows_is_told_to_their_callers_only(rig, caller):
    rig.listen(caller.address, workflow="11" * 32)
    assert rig.error(caller, body_for(NAMED))[:3] == (400, -32602, "ambiguous")
    assert rig.error(Caller(b"stranger"), body_for(NAMED))[2] == "unauthenticated"


def test_a_workflow_that_is_gone_takes_its_ids_with_it(rig, caller):
    other = "11" * 32
    rig.listen(caller.address, workflow=other)
    for workflow in (WORKFLOW, other):
        assert rig.call(caller, body_for(workflow))[0] == 200
    rig.service.forgotten(f"trigger_reg_{WORKFLOW}_0")
    rig.listen(caller.address)
    again = body_for(WORKFLOW).replace(b'{"n": 1}', b'{"n": 2}')
    assert rig.call(caller, again)[0] == 200
    assert rig.error(caller, body_for(other).replace(b'{"n": 1}', b'{"n": 2}'))[2] == "conflict"


def test_a_row_that_cannot_be_read_keeps_its_id_used(make_rig, rig, caller):
    rig.call(caller)
    (place,) = [at for at in rig.store.values if at[1].startswith("request/")]
    for damaged in (b"", b"\x02\x00" + bytes(32), rig.store.values[place][:-1]):
        rig.store.values[place] = damaged
        later = make_rig(rig.store)
        later.listen(caller.address)
        assert later.error(caller)[2] == "conflict"


def test_remembered_requests_are_bounded():
    now = [1_000_000.0]
    requests = Requests(MemoryStore(), keep_s=3600, rows_max=3, now_s=lambda: now[0])
    for number in range(6):
        now[0] += 1
        requests.put(request_key("t", str(number)), bytes(32))
        requests.accept(request_key("t", str(number)))
    assert [requests.find(request_key("t", str(n))) is not None for n in range(6)] == [False] * 3 + [True] * 3


def test_what_the_store_cannot_take_is_told_to_the_caller(make_rig, caller):
    class Full(MemoryStore):
        def put(self, key, value, *, owner=""):
            if not key.startswith("listens/"):
                raise Unavailable("SR-TEST-001", "disk full")

    rig = make_rig(Full())
    rig.listen(caller.address)
    assert rig.error(caller)[:3] == (503, -32603, "unavailable")
    assert rig.events == []


def test_more_events_than_a_workflow_may_have_waiting_are_refused(make_rig, caller):
    rig = make_rig(deaf=True, wait_s=0.01, events_max=2)
    rig.listen(caller.address)
    assert [rig.error(caller, body_for(WORKFLOW, f"r{n}"))[2] for n in range(3)] == [
        *["not_confirmed"] * 2,
        "overloaded",
    ]
    rig.wait(2)
    rig.service.acknowledged(f"trigger_reg_{WORKFLOW}_0", "r0")
    other = body_for(WORKFLOW, "r2").replace(b'{"n": 1}', b'{"n": 2}')
    assert rig.error(caller, other)[2] == "not_confirmed", "what was refused is not remembered"


def test_a_fault_of_ours_is_answered_and_logged_without_what_was_sent(rig, caller, caplog, monkeypatch):
    def broken(*_):
        raise RuntimeError("canary")

    monkeypatch.setattr(rig.registrations, "find", broken)
    status, said, _ = rig.call(caller)
    assert (status, said["error"]["code"], said["error"]["data"]) == (500, -32603, {"reason": "internal"})
    assert "canary" not in caplog.text + json.dumps(said)
