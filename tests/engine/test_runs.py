"""A run is accepted once, executed once, and ends once."""

import pytest
from google.protobuf import any_pb2

from strongroom.engine.admission import Start
from strongroom.engine.limits import EngineLimits
from strongroom.engine.runids import new_run_id
from strongroom.errors import (
    Conflict,
    GuestFault,
    InvalidInput,
    LimitExceeded,
    NotFound,
    TimedOut,
    WrongState,
)
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.workflow_host import OWNER, WorkflowHost, subscriptions, value

WAIT_S = 60


def start(host, **wish):
    return host.engine.start(Start(owner=OWNER, workflow=wish.pop("workflow", "wf"), **wish))


def execute(host, **wish):
    header, _ = start(host, **wish)
    return host.engine.wait(header.run_id, WAIT_S)


def test_a_run_completes_with_the_result_of_its_guest(host):
    host.register()
    header, outcome = execute(host, json=b'{"who": "x"}')
    assert outcome.result == value("done")
    assert (header.status, header.module, header.backend, header.insecure) == ("completed", "local", "local", 0)
    assert header.finished_at >= header.started_at >= header.created_at > 0


def test_the_guest_gets_config_trigger_and_response_limit(host):
    seen = []
    host.module.on_trigger = lambda request, helper: seen.append(request) or value("ok")
    host.register(config=b"the config")
    execute(host, json=b'{"who": "x"}')
    (request,) = seen
    assert request.config == b"the config"
    assert request.max_response_size == 100_000
    assert request.trigger.id == 0
    assert request.trigger.payload.type_url.endswith("capabilities.networking.http.v1alpha.Payload")


def test_a_finished_run_is_read_back_from_its_journal(host):
    host.register()
    header, _ = execute(host)
    again, outcome = host.engine.wait(header.run_id, WAIT_S)
    assert again == host.engine.get(header.execution_id)
    assert outcome.result == value("done")


def test_the_same_run_id_finds_the_run_that_stands_and_executes_once(host):
    host.register()
    run_id = new_run_id()
    first, created = start(host, run_id=run_id, json=b"1")
    host.engine.wait(run_id, WAIT_S)
    second, again = start(host, run_id=run_id, json=b"1")
    assert (created, again) == (True, False)
    assert first.execution_id == second.execution_id
    assert host.module.executed == [first.execution_id]


def test_the_same_event_finds_the_run_that_stands_whatever_the_run_id(host):
    host.register()
    first, _ = start(host, event_id="evt-1", json=b"1")
    second, created = start(host, event_id="evt-1", json=b"1")
    assert not created
    assert second.run_id == first.run_id


@pytest.mark.parametrize("other", [{"json": b"2"}, {"json": b"1", "trigger_index": 1}], ids=["payload", "trigger"])
def test_a_taken_run_id_with_another_request_is_refused(host, other):
    host.module.on_subscribe = lambda request, helper: subscriptions("a@1.0.0", "b@1.0.0")
    host.register()
    run_id = new_run_id()
    start(host, run_id=run_id, json=b"1")
    with pytest.raises(
        Conflict, match=f"run id {run_id} is taken by a run of another workflow, trigger, event or payload"
    ):
        start(host, run_id=run_id, **other)


@pytest.mark.parametrize("run_id", ["", new_run_id()], ids=["no run id", "a run id"])
def test_a_taken_event_with_another_payload_names_the_run_that_has_it(host, run_id):
    host.register()
    standing, _ = start(host, event_id="evt-1", json=b"1")
    with pytest.raises(Conflict, match=f"event evt-1 of trigger 0 is taken by run {standing.run_id}") as caught:
        start(host, run_id=run_id, event_id="evt-1", json=b"2")
    assert caught.value.details["run_id"] == standing.run_id
    assert f"strongroom run get {standing.run_id}" in caught.value.fix


def test_event_ids_that_collide_as_text_are_two_runs(database):
    host = WorkflowHost(database, limits=EngineLimits(subscriptions_max=11))
    host.module.on_subscribe = lambda request, helper: subscriptions(*[f"t{n}@1.0.0" for n in range(11)])
    host.register()
    first, created = start(host, event_id="ev1", trigger_index=0)
    second, again = start(host, event_id="ev", trigger_index=10)
    assert created
    assert again
    assert first.execution_id == second.execution_id, "the public id joins its parts without a border"
    assert first.run_id != second.run_id
    host.close()


@pytest.mark.parametrize(
    "run_id",
    ["run_1", "wrun_", "wrun_01ARZ3NDEKTSV4RRFFQ69G5FAV", "wrun_" + "z" * 26, new_run_id().lower(), new_run_id() + "X"],
    ids=["no prefix", "no ulid", "from years ago", "too large", "lower case", "too long"],
)
def test_a_run_id_that_is_not_a_fresh_ulid_is_refused(host, run_id):
    host.register()
    with pytest.raises(InvalidInput, match="Invalid runId"):
        start(host, run_id=run_id)
    assert host.module.executed == []


def test_an_unknown_workflow_is_named(host):
    with pytest.raises(NotFound, match="there is no workflow 'nowhere'"):
        start(host, workflow="nowhere")


def test_an_unknown_trigger_is_refused(host):
    host.register()
    with pytest.raises(InvalidInput, match="has no trigger 7: it subscribed to 1"):
        start(host, trigger_index=7)


def test_a_payload_that_is_too_large_names_size_and_limit(host):
    host.register()
    with pytest.raises(LimitExceeded) as caught:
        start(host, json=b'"' + b"x" * 1_000_000 + b'"')
    assert caught.value.details["setting"] == "limits.payload_bytes_max"


def test_a_payload_is_measured_before_anybody_parses_it(host):
    host.register()
    with pytest.raises(LimitExceeded, match="the payload is 1000001 bytes"):
        start(host, json=b"[" * 1_000_001)


def test_a_payload_that_is_not_json_is_refused(host):
    host.register()
    with pytest.raises(InvalidInput, match="the payload is not JSON"):
        start(host, json=b"{")


def test_a_message_goes_through_as_it_is(host):
    seen = []
    host.module.on_trigger = lambda request, helper: seen.append(request.trigger.payload) or value("ok")
    host.register()
    message = any_pb2.Any(type_url="type.googleapis.com/x.Y", value=b"\x08\x01")
    execute(host, message=message)
    assert seen == [message]


@pytest.mark.parametrize(
    ("answer", "code", "text"),
    [
        (sdk_pb2.ExecutionResult(error="no luck"), "SR-GUEST-031", "no luck"),
        (sdk_pb2.ExecutionResult(), "SR-GUEST-032", "an empty result"),
        (subscriptions("a@1.0.0"), "SR-GUEST-032", "trigger_subscriptions"),
        (sdk_pb2.ExecutionResult(restrictions={}), "SR-GUEST-032", "restrictions"),
    ],
    ids=["an error", "nothing", "subscriptions", "restrictions"],
)
def test_an_answer_that_is_no_value_fails_the_run(host, answer, code, text):
    host.register()
    host.module.on_trigger = lambda request, helper: answer
    header, outcome = execute(host)
    assert (header.status, header.error_code) == ("failed", code)
    assert text in outcome.failure.error


def _raise(error):
    raise error


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (GuestFault("SR-GUEST-001", "wasm trap: unreachable"), "failed", "SR-GUEST-001"),
        (TimedOut("SR-RUN-011", "too slow"), "timed_out", "SR-RUN-011"),
        (RuntimeError("a bug that names s3cret"), "failed", "SR-INT-001"),
    ],
    ids=["guest fault", "time limit", "a bug of ours"],
)
def test_a_module_that_raises_ends_the_run_with_its_reason(host, error, status, code):
    host.register()
    host.module.on_trigger = lambda request, helper: _raise(error)
    header, outcome = execute(host)
    assert (header.status, header.error_code, outcome.failure.code) == (status, code, code)
    assert "s3cret" not in outcome.failure.error
    assert host.engine.wait(header.run_id, 1)[1].failure == outcome.failure, "the journal says the same"


def test_a_paused_workflow_takes_no_runs(host):
    spec = host.register().spec
    host.host.specs.set_status(spec, "paused")
    with pytest.raises(WrongState, match="workflow wf is paused"):
        start(host)


def test_a_subscription_that_asks_for_more_is_never_run_with_less(host):
    answer = subscriptions("a@1.0.0")
    answer.trigger_subscriptions.subscriptions[0].requirements.tee.any_regions.SetInParent()
    host.module.on_subscribe = lambda request, helper: answer
    host.register()
    with pytest.raises(WrongState, match="cannot find a runner that can satisfy the requirements for trigger 0"):
        start(host)
