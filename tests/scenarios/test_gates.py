"""Pre-hooks, restrictions, requirements and listed secrets on a whole host, with runners, vault and enclave runners."""

import uuid

import grpc
import pytest

from strongroom.modules.vault_reads import not_listed
from strongroom.pb.strongroom.v1 import run_pb2, workflow_pb2
from tests.guests.build import guest

DENIED = "call denied by user pre-hook restrictions: basic-test-action@1.0.0 PerformAction"
NOWHERE = "cannot find a runner that can satisfy the requirements for trigger 0"
CONFIDENTIAL = b'{"confidential": true}'
EVENT = b'{"coolOutput": "test value"}'


@pytest.mark.parametrize(("attributes", "module"), [(b"", "local"), (CONFIDENTIAL, "confidential")])
def test_the_pre_hook_restricts_its_run_locally_and_in_the_enclave(shared, attributes, module):
    with shared.channel() as api:
        record = api.register(guest("restrictions"), f"restrictions-{module}", attributes)
        (subscription,) = record.subscriptions
        assert (subscription.pre_hook, subscription.module) == (True, module)
        answer = api.execute(f"restrictions-{module}", EVENT)
        assert (answer.run.status, answer.run.module) == (run_pb2.RUN_STATUS_FAILED, module)
        assert DENIED in answer.error
        listed = api.runs.ListEvents(run_pb2.ListEventsRequest(run_id=answer.run.run_id), timeout=20).events
        assert "restrictions_set" in [event.event_type for event in listed]


@pytest.mark.parametrize("attributes", [b"", CONFIDENTIAL], ids=["ordinary", "confidential"])
def test_a_trigger_that_requires_a_tee_does_not_run_on_a_host_without_one_and_the_reason_is_shown(shared, attributes):
    name = f"tee-{len(attributes)}"
    with shared.channel() as api:
        record = api.register(guest("tee"), name, attributes)
        first, second = record.subscriptions
        assert NOWHERE in record.warnings[0]
        assert (first.available, first.module) == (False, "")
        assert NOWHERE in first.reason
        assert second.module == ("confidential" if attributes else "local")
        with pytest.raises(grpc.RpcError) as refused:
            api.execute(name, EVENT)
        assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        assert NOWHERE in refused.value.details()
        assert api.execute(name, EVENT, trigger_index=1).run.status == run_pb2.RUN_STATUS_COMPLETED
        api.workflows.Delete(workflow_pb2.WorkflowServiceDeleteRequest(workflow=name), timeout=20)


@pytest.mark.parametrize("confidential", ["false", "true"])
def test_a_list_of_secrets_is_the_whole_of_what_a_workflow_gets_wherever_it_runs(shared, confidential):
    assert shared("secret", "set", "Foo", stdin=b"the value").code == 0
    assert shared("secret", "set", "Other", stdin=b"another value").code == 0
    name = f"listed-{confidential}"
    with shared.channel() as api:
        for listed, expected in (
            ('[{"key": "Foo"}]', "the value"),
            ('[{"key": "Other"}]', not_listed("main", "Foo")),
            ("[]", not_listed("main", "Foo")),
        ):
            document = f'{{"confidential": {confidential}, "vault_don_secrets": {listed}}}'
            api.register(guest("secrets"), name, document.encode(), config=uuid.uuid4().bytes)
            answer = api.execute(name, EVENT)
            assert (answer.result.string_value or answer.error) == expected
