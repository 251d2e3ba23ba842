"""The confidential module forwards exactly what the contract says, and each failure has its own error."""

from dataclasses import dataclass

import pytest
from google.protobuf import any_pb2, empty_pb2

from strongroom.errors import Cancelled, CapabilityError, PluginFault, TimedOut, Unavailable
from strongroom.modules.attributes import SecretName, parse_attributes
from strongroom.modules.confidential import CAPABILITY_ID, ConfidentialModule
from strongroom.modules.confidential_faults import BACKEND_AWAY
from strongroom.modules.local import LocalModule
from strongroom.modules.module import Backend, Workflow
from strongroom.modules.route import Router
from strongroom.pb.capabilities.compute.confidentialworkflow.v1alpha import confidential_workflow_pb2 as messages
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.plugin.v1 import backend_pb2
from strongroom.pb.values.v1 import values_pb2
from tests.fakes.capabilities import ScriptedCapabilities, ScriptedCapability, confidential_answer, packed

HASH = "ab" * 32
WORKFLOW = Workflow(
    workflow_id="00" + "ab" * 31,
    owner="11" * 20,
    name="my-wf",
    tag="v1",
    binary_url=f"artifact:sha256/{HASH}",
    binary_sha256=HASH,
)
RESULT = sdk_pb2.ExecutionResult(value=values_pb2.Value(string_value="done"))
OTHER = sdk_pb2.ExecutionResult(value=values_pb2.Value(string_value="other"))
REQUEST = sdk_pb2.ExecuteRequest(
    config=b"config", trigger=sdk_pb2.Trigger(id=0, payload=packed(empty_pb2.Empty())), max_response_size=5
)


@dataclass
class Helper:
    execution_id: str = "cd" * 32
    node_seed: int = 7
    timeout_ms: int = 1500
    cancelled: str = ""

    def on_cancel(self, stop):
        if self.cancelled:
            stop(self.cancelled)


def module(capability, secrets=(), dialect="both"):
    capabilities = ScriptedCapabilities({CAPABILITY_ID: capability} if capability else {}, {CAPABILITY_ID: dialect})
    return ConfidentialModule(WORKFLOW, tuple(secrets), capabilities)


def sent(capability):
    (request,) = capability.called("Execute")
    inner = messages.ConfidentialWorkflowRequest()
    assert request.payload.Unpack(inner)
    return request, inner


def test_success_returns_the_result_of_the_enclave():
    capability = ScriptedCapability({"Execute": confidential_answer(RESULT)})
    assert module(capability).execute(REQUEST, Helper()) == RESULT


def test_request_fields_are_forwarded_correctly():
    capability = ScriptedCapability({"Execute": confidential_answer(RESULT)})
    module(capability, [SecretName("API_KEY"), SecretName("SIGNING_KEY", "custom-ns")]).execute(REQUEST, Helper())
    request, inner = sent(capability)
    assert (request.method, request.capabilityId) == ("Execute", "confidential-workflows@1.0.0-alpha")
    assert request.configPayload.Is(empty_pb2.Empty.DESCRIPTOR)
    assert request.metadata == capabilities_pb2.RequestMetadata(
        workflow_id=WORKFLOW.workflow_id,
        workflow_owner=WORKFLOW.owner,
        workflow_name="my-wf",
        workflow_tag="v1",
        workflow_execution_id="cd" * 32,
    )
    execution = inner.execution
    assert execution.workflow_id == WORKFLOW.workflow_id
    assert execution.binary_url == WORKFLOW.binary_url
    assert execution.binary_hash == bytes.fromhex(HASH)
    assert sdk_pb2.ExecuteRequest.FromString(execution.execute_request) == REQUEST
    assert execution.sdk_execute_request == REQUEST
    assert execution.owner == "0x" + "11" * 20
    assert execution.execution_id == "cd" * 32
    assert [(s.key, s.namespace) for s in inner.vault_don_secrets] == [
        ("API_KEY", "main"),
        ("SIGNING_KEY", "custom-ns"),
    ]
    assert capability.calls[0][1] == 1.5


def test_the_default_namespace_is_main_and_always_on_the_wire():
    capability = ScriptedCapability({"Execute": confidential_answer(RESULT)})
    attributes = parse_attributes(b'{"confidential": true, "vault_don_secrets": [{"key": "A"}]}')
    module(capability, attributes.vault_don_secrets).execute(REQUEST, Helper())
    _, inner = sent(capability)
    assert inner.vault_don_secrets[0].HasField("namespace")
    assert inner.vault_don_secrets[0].namespace == "main"


def test_a_missing_capability_is_its_own_error_and_nothing_runs():
    with pytest.raises(Unavailable, match="failed to get confidential-workflows capability: no compatible") as caught:
        module(None).execute(REQUEST, Helper())
    assert caught.value.__cause__ is not None
    assert "never runs locally" in caught.value.fix


@pytest.mark.parametrize("said", ["the runner is gone", f"SR-ATTEST-035 it is away ({BACKEND_AWAY}): nothing was run"])
def test_a_backend_that_is_away_has_the_word_that_programs_look_for_once(said):
    capability = ScriptedCapability({"Execute": CapabilityError("Public", "System", "Unavailable", said)})
    with pytest.raises(Unavailable) as caught:
        module(capability).execute(REQUEST, Helper())
    assert said in str(caught.value)
    assert str(caught.value).count(BACKEND_AWAY) == 1
    assert caught.value.details["reason"] == BACKEND_AWAY


def test_a_failed_call_keeps_its_cause():
    cause = CapabilityError("Public", "System", "Internal", "enclave on fire")
    capability = ScriptedCapability({"Execute": cause})
    with pytest.raises(
        PluginFault, match="confidential-workflows capability execution failed: enclave on fire"
    ) as caught:
        module(capability).execute(REQUEST, Helper())
    assert caught.value.__cause__ is cause


def test_a_call_past_its_deadline_is_a_timed_out_run():
    capability = ScriptedCapability({"Execute": CapabilityError("Public", "System", "DeadlineExceeded", "late")})
    with pytest.raises(TimedOut, match="within 1500 ms"):
        module(capability).execute(REQUEST, Helper())


def test_a_wish_to_stop_is_handed_to_the_enclave_and_ends_the_run_as_cancelled():
    stopped = CapabilityError("Public", "System", "Canceled", "not needed")
    capability = ScriptedCapability({"Execute": stopped, "Cancel": capabilities_pb2.CapabilityResponse()})
    with pytest.raises(Cancelled, match="not needed"):
        module(capability).execute(REQUEST, Helper(cancelled="not needed"))
    (request,) = capability.called("Cancel")
    asked = backend_pb2.CancelExecution()
    assert request.payload.Unpack(asked)
    assert (asked.execution_id, asked.reason) == ("cd" * 32, "not needed")


def test_whoever_executes_a_run_is_asked_to_stop_it_and_for_its_receipt():
    holder = ScriptedCapability(
        {"Execute": confidential_answer(RESULT), "Cancel": capabilities_pb2.CapabilityResponse()}
    )
    handle = ScriptedCapability(holder=holder)
    module(handle).execute(REQUEST, Helper(cancelled="enough"))
    assert [request.method for request, _ in holder.calls] == ["Cancel", "Execute", "Receipt", "Backend"]
    assert handle.calls == []


@pytest.mark.parametrize(
    "came", [confidential_answer(RESULT), CapabilityError("Public", "System", "Canceled", "the plugin is stopping")]
)
def test_what_comes_of_a_plugin_that_was_ended_is_no_end_of_the_run(came):
    capability = ScriptedCapability({"Execute": came}, is_cut_off=True)
    with pytest.raises(Unavailable, match="limits.plugin_drain_timeout_ms") as raised:
        module(capability).execute(REQUEST, Helper())
    assert (raised.value.code, raised.value.details["reason"]) == ("SR-ATTEST-035", BACKEND_AWAY)
    assert capability.called("Receipt") == []


def test_a_far_side_that_cannot_cancel_is_waited_for():
    capability = ScriptedCapability({"Execute": confidential_answer(RESULT)})
    assert module(capability).execute(REQUEST, Helper(cancelled="not needed")) == RESULT


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (capabilities_pb2.CapabilityResponse(), "confidential-workflows capability returned nil payload"),
        (
            capabilities_pb2.CapabilityResponse(payload=packed(empty_pb2.Empty())),
            "failed to unmarshal capability response: it is a type.googleapis.com/google.protobuf.Empty",
        ),
        (
            capabilities_pb2.CapabilityResponse(
                payload=any_pb2.Any(
                    type_url=packed(messages.ConfidentialWorkflowResponse()).type_url, value=b"\xff\xff\xff"
                )
            ),
            "failed to unmarshal capability response: it is damaged",
        ),
        (
            capabilities_pb2.CapabilityResponse(
                payload=packed(messages.ConfidentialWorkflowResponse(execution_result=b"\xff\xff"))
            ),
            "failed to unmarshal ExecutionResult: it is damaged",
        ),
        (
            capabilities_pb2.CapabilityResponse(payload=packed(messages.ConfidentialWorkflowResponse())),
            "confidential-workflows capability returned no result: both result fields are empty",
        ),
        (
            capabilities_pb2.CapabilityResponse(
                payload=packed(
                    messages.ConfidentialWorkflowResponse(
                        execution_result=RESULT.SerializeToString(), sdk_execution_result=OTHER
                    )
                )
            ),
            "confidential-workflows capability returned two results: its two result fields differ",
        ),
    ],
    ids=["nil payload", "another message", "damaged response", "damaged result", "no result", "two different results"],
)
def test_an_answer_that_breaks_the_contract_has_its_own_error(answer, text):
    with pytest.raises(PluginFault) as caught:
        module(ScriptedCapability({"Execute": answer})).execute(REQUEST, Helper())
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("typed", "serialized"),
    [(True, False), (False, True), (True, True)],
    ids=["typed only", "bytes only", "both equal"],
)
def test_both_response_forms_are_read(typed, serialized):
    answer = confidential_answer(RESULT, typed=typed, serialized=serialized)
    assert module(ScriptedCapability({"Execute": answer})).execute(REQUEST, Helper()) == RESULT


@pytest.mark.parametrize(
    ("dialect", "answers_tees", "sends"),
    [("both", False, True), ("seed", False, True), ("later", False, False), (None, True, False), (None, False, True)],
    ids=["both", "seed", "later", "unsaid, answers ProvidedTees", "unsaid, does not know ProvidedTees"],
)
def test_secrets_are_named_only_to_a_far_side_that_takes_them(dialect, answers_tees, sends):
    capability = ScriptedCapability({"Execute": confidential_answer(RESULT)})
    if answers_tees:
        capability.answers["ProvidedTees"] = capabilities_pb2.CapabilityResponse(
            payload=packed(messages.ProvidedTeesResponse())
        )
    module(capability, [SecretName("A")], dialect).execute(REQUEST, Helper())
    _, inner = sent(capability)
    assert bool(inner.vault_don_secrets) is sends


def test_the_backend_is_what_the_far_side_says():
    report = backend_pb2.BackendReport(
        label="insecure-software", insecure=True, protections=["launcher-process"] * 100, missing=["seccomp: old"] * 100
    )
    capability = ScriptedCapability({"Backend": capabilities_pb2.CapabilityResponse(payload=packed(report))})
    confidential = module(capability)
    assert confidential.backend() == Backend(
        "insecure-software", insecure=True, protections=("launcher-process",) * 64, missing=("seccomp: old",) * 64
    )
    confidential.backend()
    assert len(capability.called("Backend")) == 1, "asked until it answers once"


def test_a_backend_that_cannot_be_asked_now_is_asked_again():
    report = capabilities_pb2.CapabilityResponse(
        payload=packed(backend_pb2.BackendReport(label="insecure-software", insecure=True))
    )
    answers = [CapabilityError("Public", "System", "Unavailable", "restarting"), report]
    confidential = module(ScriptedCapability({"Backend": lambda request: answers.pop(0)}))
    assert confidential.backend().label == "unknown"
    assert confidential.backend().label == "insecure-software"


def test_a_backend_that_does_not_say_is_unknown_and_insecure():
    assert module(ScriptedCapability()).backend() == Backend("unknown", insecure=True)
    assert module(None).backend() == Backend("unknown", insecure=True)


class Routing:
    def __init__(self):
        self.routed = []
        self.router = Router(None, ScriptedCapabilities(), self.routed.append)

    def module(self, attributes):
        return self.router.module(WORKFLOW, parse_attributes(attributes), lambda: b"")


def test_confidential_attributes_take_the_confidential_path_and_are_announced():
    routing = Routing()
    assert isinstance(routing.module(b'{"confidential": true}'), ConfidentialModule)
    assert routing.routed == [WORKFLOW]


def test_other_attributes_take_the_local_path_in_silence():
    routing = Routing()
    assert isinstance(routing.module(b'{"confidential": false}'), LocalModule)
    assert isinstance(routing.module(b""), LocalModule)
    assert routing.routed == []
