"""Pre-hook, restrictions and requirements with real guests on real runners, through the whole engine.

Source: contracts/cre-guest.md section 18, rows 13 and 14.
"""

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.registration import Owners, Registration
from strongroom.errors import WrongState
from strongroom.guest.limits import GuestLimits
from strongroom.modules.decisions import Decisions
from strongroom.modules.quotas import QuotaLimits, Quotas
from strongroom.modules.restricted import RestrictedHelper
from strongroom.modules.restrictions import Ledger
from strongroom.modules.route import Router
from strongroom.modules.tees import CAPABILITY_ID
from strongroom.pb.capabilities.compute.confidentialworkflow.v1alpha import confidential_workflow_pb2 as messages
from strongroom.pb.capabilities.internal.basicaction.v1 import basic_action_pb2
from strongroom.pb.capabilities.internal.basictrigger.v1 import basic_trigger_pb2
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.values.v1 import values_pb2
from tests.fakes.capabilities import ScriptedCapability, confidential_answer, packed
from tests.fakes.one_guest import run_guest
from tests.fakes.workflow_host import OWNER, WorkflowHost
from tests.guests.build import wasm
from tests.guests.host import PretendedHost, trigger

WAIT_S = 60
ACTION = "basic-test-action@1.0.0"
DENIED = "call denied by user pre-hook restrictions: basic-test-action@1.0.0 PerformAction"
IN_ENCLAVE = sdk_pb2.ExecutionResult(value=values_pb2.Value(string_value="in the enclave"))
NITRO = sdk_pb2.TeeTypeAndRegions(type=sdk_pb2.TEE_TYPE_AWS_NITRO, regions=["us-west-2"])


@pytest.fixture
def host(database, pool):
    """An engine whose local modules are the real ones."""
    made = WorkflowHost(database)
    made.routed_to_enclave = []
    made.host.router = Router(pool, made.capabilities, made.routed_to_enclave.append)
    made.registration = Registration(made.host, pool, Owners(OWNER), lambda _: True)
    yield made
    made.close()


def enclave(host, *tees):
    provided = capabilities_pb2.CapabilityResponse(payload=packed(messages.ProvidedTeesResponse(tee=tees)))
    capability = ScriptedCapability({"ProvidedTees": provided, "Execute": confidential_answer(IN_ENCLAVE)})
    host.capabilities.found[CAPABILITY_ID] = capability
    host.capabilities.dialects[CAPABILITY_ID] = "both"
    return capability


def executed(capability):
    (request,) = capability.called("Execute")
    asked = messages.ConfidentialWorkflowRequest()
    assert request.payload.Unpack(asked)
    return asked.execution


def run(host, trigger_index=0):
    wish = Start(owner=OWNER, workflow="wf", json=b'{"coolOutput": "test value"}', trigger_index=trigger_index)
    header, _ = host.engine.start(wish)
    return host.engine.wait(header.run_id, WAIT_S)


def test_14_restrictions_of_the_pre_hook_deny_the_call_of_the_trigger(host):
    action = ScriptedCapability(
        {"PerformAction": capabilities_pb2.CapabilityResponse(payload=packed(basic_action_pb2.Outputs()))}
    )
    host.capabilities.found[ACTION] = action
    done = host.register(binary=wasm("restrictions"))
    assert done.spec.subscriptions[0].pre_hook
    header, outcome = run(host)
    assert (header.status, header.error_code) == ("failed", "SR-GUEST-031")
    assert DENIED in outcome.failure.error
    assert "LimitExceeded" in outcome.failure.error
    assert action.calls == []
    kinds = [event.row.event_type for event in host.host.journals.read(header)]
    assert kinds.index("restrictions_set") < kinds.index("step_created")


def test_14_in_the_replay_the_same_call_is_denied(host, pool):
    from strongroom.engine.history import History
    from strongroom.engine.replay import Replays

    host.register(binary=wasm("restrictions"))
    header, _ = run(host)
    replayed = Replays(host.host, History(host.host.journals), pool).replay(header.run_id, WAIT_S)
    assert replayed.difference is None
    assert replayed.steps == 1


def test_13_the_trigger_with_a_tee_runs_in_one_and_the_other_locally(host):
    capability = enclave(host, NITRO)
    done = host.register(binary=wasm("tee"), config=b"the config")
    assert done.warnings == []
    header, outcome = run(host, 0)
    assert (header.module, outcome.result) == ("confidential", IN_ENCLAVE)
    assert executed(capability).requirements == done.spec.subscriptions[0].requirements
    header, outcome = run(host, 1)
    assert (header.module, outcome.result.value.bytes_value) == ("local", b"the config")
    assert len(host.routed_to_enclave) == 1


@pytest.mark.parametrize("tees", [None, (), (sdk_pb2.TeeTypeAndRegions(type=1, regions=["eu-central-1"]),)])
def test_13_without_such_a_tee_it_does_not_run_at_all(host, tees):
    capability = None if tees is None else enclave(host, *tees)
    done = host.register(binary=wasm("tee"))
    assert "cannot find a runner that can satisfy the requirements for trigger 0" in done.warnings[0]
    with pytest.raises(WrongState, match="for trigger 0"):
        run(host, 0)
    assert run(host, 1)[0].status == "completed"
    assert capability is None or capability.called("Execute") == []


def test_a_confidential_workflow_with_a_pre_hook_asks_it_in_the_enclave_and_sends_its_restrictions_along(host):
    nothing = sdk_pb2.Restrictions(capabilities=sdk_pb2.CapabilityRestrictions())
    capability = enclave(host)
    subscription = sdk_pb2.TriggerSubscription(id="basic-test-trigger@1.0.0", method="Trigger", pre_hook=True)
    answers = {
        "subscribe": sdk_pb2.ExecutionResult(
            trigger_subscriptions=sdk_pb2.TriggerSubscriptionRequest(subscriptions=[subscription])
        ),
        "pre_hook": sdk_pb2.ExecutionResult(restrictions=nothing),
        "trigger": IN_ENCLAVE,
    }
    asked = []

    def execute(request):
        inner = messages.ConfidentialWorkflowRequest()
        assert request.payload.Unpack(inner)
        kind = inner.execution.sdk_execute_request.WhichOneof("request")
        asked.append((kind, inner.execution))
        return confidential_answer(answers[kind])

    capability.answers["Execute"] = execute
    host.register(binary=wasm("restrictions"), attributes=b'{"confidential": true}', config=b"c")
    assert run(host)[1].result == IN_ENCLAVE
    assert [kind for kind, _ in asked] == ["subscribe", "pre_hook", "trigger"]
    assert asked[1][1].sdk_execute_request.config == b"c"
    assert [execution.HasField("restrictions") for _, execution in asked] == [False, False, True]
    assert asked[2][1].restrictions == nothing


def in_this_process(module, request, host):
    answer = run_guest(module, request.SerializeToString(), host, limits=GuestLimits())
    return sdk_pb2.ExecutionResult.FromString(answer)


@pytest.mark.parametrize("where", ["in a runner", "in this process"])
def test_the_first_calls_of_the_guest_are_granted_however_its_threads_are_scheduled(in_a_runner, where):
    execute = in_a_runner if where == "in a runner" else in_this_process
    answers = {(ACTION, "PerformAction"): lambda _: basic_action_pb2.Outputs(adapted_thing="x")}
    restrictions = sdk_pb2.Restrictions(
        capabilities=sdk_pb2.CapabilityRestrictions(max_total_calls=7, type=sdk_pb2.CAPABILITY_RESTRICTION_TYPE_OPEN)
    )
    request = trigger(basic_trigger_pb2.Outputs(cool_output="x"), config=b"25")
    for _ in range(5):
        inner = PretendedHost(answers=answers)
        gate = RestrictedHelper(inner, owner="0x", decisions=Decisions(Quotas(QuotaLimits()), Ledger(restrictions)))
        gate.owner = inner.owner  # for the fixture, which serves the owner of its host
        assert DENIED in execute(wasm("many-calls"), request, gate).error
        assert sorted(call.callback_id for call in inner.calls) == list(range(7))
