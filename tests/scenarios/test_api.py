"""The API's manners: deadlines, limits, codes with details, health, paging."""

import base64
import time

import grpc
import pytest
from google.protobuf import any_pb2, empty_pb2
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from strongroom.engine.runids import new_run_id
from strongroom.pb.strongroom.v1 import capability_pb2, run_pb2, status_pb2, workflow_pb2
from strongroom.services.places import WAITING_MAX
from tests.guests.build import guest
from tests.scenarios.test_confidential import answered_status


def details(error):
    status = rpc_status.from_call(error)
    found = {}
    for each in status.details:
        for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.QuotaFailure):
            if each.Is(kind.DESCRIPTOR):
                message = kind()
                each.Unpack(message)
                found[kind.__name__] = message
    return found


def failing(call, request, **options):
    with pytest.raises(grpc.RpcError) as caught:
        call(request, **{"timeout": 20, **options})
    return caught.value


def test_a_call_without_a_deadline_is_refused_and_told_why(shared):
    with shared.channel() as api:
        error = failing(api.status.Get, status_pb2.StatusServiceGetRequest(), timeout=None)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert details(error)["ErrorInfo"].reason == "SR-API-001"


def test_health_needs_no_deadline_and_knows_every_plugin(shared):
    with shared.channel() as api:
        health = health_pb2_grpc.HealthStub(api.channel)
        for name in ("", "vault", "confidential-workflows", "basic-test"):
            answer = health.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_errors_carry_code_domain_and_what_to_do(shared):
    with shared.channel() as api:
        error = failing(api.runs.Start, run_pb2.StartRequest(workflow="nowhere"))
        assert error.code() == grpc.StatusCode.NOT_FOUND
        info = details(error)["ErrorInfo"]
        assert (info.reason, info.domain) == ("SR-WF-001", "strongroom")
        assert "workflow list" in info.metadata["fix"]
        error = failing(api.workflows.Register, workflow_pb2.RegisterRequest(name="x", binary=b"x", attributes=b"{"))
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert details(error)["BadRequest"].field_violations[0].field == "attributes"


def test_a_message_beyond_the_limit_is_refused(shared):
    with shared.channel() as api:
        request = workflow_pb2.RegisterRequest(name="x", binary=b"\x00" * 111_000_000)
        assert failing(api.workflows.Register, request).code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_runs_are_listed_in_pages_newest_first_and_by_filter(shared):
    with shared.channel() as api:
        workflow = api.register(guest("echo"), "paged")
        started = [api.execute("paged", b"1").run.run_id for _ in range(5)]
        seen, token = [], ""
        while True:
            request = run_pb2.RunServiceListRequest(page_size=2, page_token=token, workflow_id=workflow.workflow_id)
            page = api.runs.List(request, timeout=10)
            assert len(page.runs) <= 2
            seen += [run.run_id for run in page.runs]
            token = page.next_page_token
            if not token:
                break
        assert seen == started[::-1]
        none = run_pb2.RunServiceListRequest(workflow_id=workflow.workflow_id, statuses=[run_pb2.RUN_STATUS_FAILED])
        assert not api.runs.List(none, timeout=10).runs
        for bad in ({"page_size": 501}, {"page_token": "???"}, {"statuses": [99]}):
            error = failing(api.runs.List, run_pb2.RunServiceListRequest(**bad))
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_the_journal_is_listed_sealed_and_in_order(shared):
    with shared.channel() as api:
        api.register(guest("echo"), "journalled")
        run_id = api.execute("journalled", b"1").run.run_id
        first = api.runs.ListEvents(run_pb2.ListEventsRequest(run_id=run_id, page_size=2), timeout=10)
        rest = api.runs.ListEvents(
            run_pb2.ListEventsRequest(run_id=run_id, page_token=first.next_page_token), timeout=10
        )
        events = [*first.events, *rest.events]
        assert [e.event_type for e in events] == ["run_created", "run_started", "run_completed"]
        assert [e.index for e in events] == [0, 1, 2]
        assert all(e.sealed.sealed_bytes >= 36 and e.sealed.key_version == 1 and not e.tampered for e in events)
        assert not rest.next_page_token


def test_a_client_made_run_id_makes_a_start_idempotent(shared):
    with shared.channel() as api:
        api.register(guest("echo"), "idempotent")
        request = run_pb2.StartRequest(workflow="idempotent", run_id=new_run_id(), json=b"1")
        first, second = (api.runs.Start(request, timeout=10) for _ in range(2))
        assert (first.created, second.created) == (True, False)
        request.json = b"2"
        assert failing(api.runs.Start, request).code() == grpc.StatusCode.ALREADY_EXISTS


def test_a_paused_workflow_refuses_and_an_activated_one_runs(shared):
    with shared.channel() as api:
        api.register(guest("echo"), "pausable")
        api.workflows.Pause(workflow_pb2.PauseRequest(workflow="pausable"), timeout=10)
        error = failing(api.runs.Start, run_pb2.StartRequest(workflow="pausable"))
        assert error.code() == grpc.StatusCode.FAILED_PRECONDITION
        api.workflows.Activate(workflow_pb2.ActivateRequest(workflow="pausable"), timeout=10)
        assert api.execute("pausable", b"1").run.status == run_pb2.RUN_STATUS_COMPLETED


def test_a_deleted_workflow_is_gone_and_its_runs_stay(shared):
    with shared.channel() as api:
        api.register(guest("echo"), "deletable")
        run_id = api.execute("deletable", b"1").run.run_id
        request = workflow_pb2.WorkflowServiceDeleteRequest(workflow="deletable", validate_only=True)
        api.workflows.Delete(request, timeout=10)
        assert api.workflows.Get(workflow_pb2.WorkflowServiceGetRequest(workflow="deletable"), timeout=10)
        request.validate_only = False
        api.workflows.Delete(request, timeout=10)
        error = failing(api.workflows.Get, workflow_pb2.WorkflowServiceGetRequest(workflow="deletable"))
        assert error.code() == grpc.StatusCode.NOT_FOUND
        assert api.runs.Get(run_pb2.RunServiceGetRequest(run_id=run_id), timeout=10).run.run_id == run_id


@pytest.mark.parametrize("attributes", [b"", b'{"confidential": true}'], ids=["local", "confidential"])
def test_a_running_run_is_cancelled(shared, attributes):
    name = f"cancelled-{len(attributes)}"
    with shared.channel() as api:
        api.register(guest("sleep-forever"), name, attributes)
        run_id = api.runs.Start(run_pb2.StartRequest(workflow=name), timeout=10).run.run_id
        running = run_pb2.RunServiceGetRequest(run_id=run_id)
        while api.runs.Get(running, timeout=10).run.status == run_pb2.RUN_STATUS_PENDING:
            time.sleep(0.02)
        answer = api.runs.Cancel(run_pb2.CancelRequest(run_id=run_id, reason="not needed"), timeout=20)
        assert answer.run.status == run_pb2.RUN_STATUS_CANCELLED


def test_an_execute_whose_deadline_passes_leaves_the_run_going(shared):
    with shared.channel() as api:
        api.register(guest("sleep-long"), "slow", config=b"1500000000")
        run_id = new_run_id()
        start = run_pb2.StartRequest(workflow="slow", run_id=run_id)
        error = failing(api.runs.Execute, run_pb2.ExecuteRequest(start=start), timeout=0.5)
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        again = api.runs.Execute(run_pb2.ExecuteRequest(start=start), timeout=20)
        assert again.run.status == run_pb2.RUN_STATUS_COMPLETED


def test_what_is_the_hosts_alone_is_refused_to_clients(shared):
    payload = any_pb2.Any()
    payload.Pack(empty_pb2.Empty())
    with shared.channel() as api:
        for capability, method in (
            ("vault@1.0.0", "vault.secrets.get"),
            ("confidential-workflows@1.0.0-alpha", "Execute"),
        ):
            request = capability_pb2.CapabilityServiceExecuteRequest(
                capability_id=capability, method=method, message=payload
            )
            assert failing(api.capabilities.Execute, request).code() == grpc.StatusCode.PERMISSION_DENIED


def test_capabilities_are_listed_and_called(shared):
    with shared.channel() as api:
        listed = api.capabilities.List(capability_pb2.CapabilityServiceListRequest(), timeout=10).capabilities
        plugins = {c.id: c.plugin for c in listed}
        assert plugins["basic-test-action@1.0.0"] == "basic-test"
        assert plugins["confidential-workflows@1.0.0-alpha"] == "confidential-workflows"
        request = capability_pb2.CapabilityServiceExecuteRequest(
            capability_id="basic-test-action@1.0.0", method="PerformAction", json=b'{"inputThing": true}'
        )
        answer = api.capabilities.Execute(request, timeout=10)
        assert answer.plugin == "basic-test"
        assert b"adaptedThing" in answer.json
        request.json = b"{"
        assert failing(api.capabilities.Execute, request).code() == grpc.StatusCode.INVALID_ARGUMENT
        request.capability_id = "nothing@1.0.0"
        assert failing(api.capabilities.Execute, request).code() == grpc.StatusCode.NOT_FOUND


def test_status_says_what_a_reviewer_asks(shared):
    answered_status(shared)
    with shared.channel() as api:
        answer = api.status.Get(status_pb2.StatusServiceGetRequest(), timeout=10)
    assert answer.state == "ready"
    assert (answer.confidential_backend, answer.insecure) == ("insecure-software", True)
    assert answer.confidential_protections[0] == "launcher-process"
    assert "seccomp" in answer.runner_protections
    assert answer.writing_key_id.startswith("k1-")
    assert not answer.plugin_problems


@pytest.mark.parametrize(
    "token",
    [b"-5|", b"9" * 24 + b"|", b"x|", b"5"],
    ids=["negative", "beyond what a database compares", "no number", "no border"],
)
def test_a_page_token_that_is_not_ours_is_a_wrong_field_and_no_alarm(shared, token):
    with shared.channel() as api:
        api.register(guest("echo"), "tokens")
        run_id = api.execute("tokens", b"1").run.run_id
        text = base64.urlsafe_b64encode(token).decode()
        for call, request in (
            (api.runs.ListEvents, run_pb2.ListEventsRequest(run_id=run_id, page_token=text)),
            (api.runs.List, run_pb2.RunServiceListRequest(page_token=text)),
            (api.workflows.List, workflow_pb2.WorkflowServiceListRequest(page_token=text)),
        ):
            error = failing(call, request)
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert details(error)["ErrorInfo"].reason == "SR-API-003"


def test_a_nul_character_is_refused_by_the_name_of_its_field(shared):
    with shared.channel() as api:
        start = run_pb2.StartRequest(workflow="x", event_id="a\0b")
        error = failing(api.runs.Execute, run_pb2.ExecuteRequest(start=start))
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert details(error)["BadRequest"].field_violations[0].field == "start.event_id"


def test_calls_that_wait_leave_room_for_calls_that_do_not(small):
    small.start()
    with small.channel() as api:
        api.register(guest("sleep-forever"), "slow")
        start = run_pb2.ExecuteRequest(start=run_pb2.StartRequest(workflow="slow"))
        waiting = [api.runs.Execute.future(start, timeout=20) for _ in range(WAITING_MAX + 20)]
        health = health_pb2_grpc.HealthStub(api.channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        assert api.status.Get(status_pb2.StatusServiceGetRequest(), timeout=5).state == "ready"
        refused = [call for call in waiting if call.done()]
        assert all(call.code() == grpc.StatusCode.RESOURCE_EXHAUSTED for call in refused)
        for call in waiting:
            call.cancel()
    small.kill()
