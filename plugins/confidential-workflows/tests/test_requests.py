"""What a request must look like, in both dialects, and the reason of each refusal."""

import pytest
from google.protobuf import empty_pb2

from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import capabilities_pb2, confidential_workflow_pb2, sdk_pb2
from strongroom_confidential_workflows.request import ConfidentialExecution, NamedSecret
from tests.fakes.enclave_host import EXECUTION, WORKFLOW, request_for, subscribing, triggered
from tests.fakes.vault_owner import ALICE, BOB

DIGEST = "ab" * 32
METADATA = capabilities_pb2.RequestMetadata(workflow_owner=ALICE, workflow_id=WORKFLOW)


def checked(request, metadata=METADATA):
    return ConfidentialExecution.from_wire(request, metadata=metadata, tees=())


def refusal(request, metadata=METADATA):
    with pytest.raises(CapabilityError) as caught:
        checked(request, metadata)
    assert (caught.value.visibility, caught.value.origin) == ("Public", "User")
    return caught.value.name, caught.value.message


def without(field, **execution):
    request = request_for(DIGEST, triggered(), **execution)
    request.execution.ClearField(field)
    return request


@pytest.mark.parametrize("dialect", ["both", "seed", "later"])
def test_every_dialect_gives_the_same_execution(dialect):
    execution = checked(request_for(DIGEST, triggered(), secrets=["A", ("A", "n"), ("A", "main")], dialect=dialect))
    assert sdk_pb2.ExecuteRequest.FromString(execution.execute_request) == triggered()
    assert execution.secrets == (NamedSecret("main", "A"), NamedSecret("n", "A"))
    assert (execution.owner, execution.execution_id, execution.subscribing) == (ALICE, EXECUTION, False)


def test_the_seed_sends_neither_owner_nor_execution_id_in_the_request():
    request = request_for(DIGEST, triggered(), dialect="seed", owner="", execution_id="")
    execution = checked(request)
    assert (execution.owner, execution.execution_id) == (ALICE, "")
    stamped = capabilities_pb2.RequestMetadata(workflow_owner=ALICE, workflow_execution_id=EXECUTION)
    assert checked(request, stamped).execution_id == EXECUTION


def test_an_execution_id_is_empty_during_subscribe_whatever_was_sent():
    execution = checked(request_for(DIGEST, subscribing(), execution_id=EXECUTION))
    assert (execution.execution_id, execution.subscribing) == ("", True)


@pytest.mark.parametrize(
    ("request_", "name", "reason"),
    [
        (without("workflow_id"), "InvalidArgument", "execution.workflow_id is missing"),
        (without("binary_url"), "InvalidArgument", "execution.binary_url is missing"),
        (without("binary_hash"), "InvalidArgument", "execution.binary_hash: 0 bytes, SHA-256 has 32"),
        (
            request_for(DIGEST, triggered(), binary_hash=b"x" * 20),
            "InvalidArgument",
            "execution.binary_hash: 20 bytes, SHA-256 has 32",
        ),
        (
            request_for(DIGEST, triggered(), dialect="neither"),
            "InvalidArgument",
            "execution has neither execute_request nor sdk_execute_request",
        ),
        (
            request_for(DIGEST, triggered(), sdk_execute_request=subscribing()),
            "InvalidArgument",
            "execution.execute_request and execution.sdk_execute_request differ",
        ),
        (
            request_for(DIGEST, triggered(), dialect="seed", execute_request=b"\xff\xff"),
            "InvalidArgument",
            "execution.execute_request is not a serialized ExecuteRequest",
        ),
        (
            request_for(DIGEST, sdk_pb2.ExecuteRequest(config=b"only a config")),
            "InvalidArgument",
            "the execute request is neither subscribe nor trigger nor pre_hook",
        ),
        (
            request_for(DIGEST, triggered(), dialect="seed", execute_request=b"x" * (5 * 1024 * 1024 + 1)),
            "LimitExceeded",
            "execution.execute_request: 5242881 bytes is more than 5242880",
        ),
        (
            request_for(DIGEST, triggered(), workflow_id="w" * 129),
            "LimitExceeded",
            "execution.workflow_id: 129 bytes is more than 128",
        ),
        (
            request_for(DIGEST, triggered(), workflow_id="00" * 32),
            "InvalidArgument",
            "execution.workflow_id and the metadata differ",
        ),
        (
            request_for(DIGEST, triggered(), owner="0x" + BOB),
            "InvalidArgument",
            "execution.owner and metadata.workflow_owner differ",
        ),
        (
            request_for(DIGEST, triggered(), execution_id="B0" * 32),
            "InvalidArgument",
            "execution.execution_id is not 64 lower-case hex digits",
        ),
        (
            request_for(DIGEST, triggered(), secrets=[("K", "main")] * 101),
            "LimitExceeded",
            "vault_don_secrets: 101 secrets is more than 100",
        ),
        (
            request_for(DIGEST, triggered(), secrets=["A", ""]),
            "InvalidArgument",
            "vault_don_secrets[1].key is missing",
        ),
        (
            request_for(DIGEST, triggered(), secrets=[("A", "n" * 129)]),
            "LimitExceeded",
            "vault_don_secrets[0].namespace: 129 bytes is more than 128",
        ),
        (
            request_for(DIGEST, triggered(), requirements=sdk_pb2.Requirements(tee=sdk_pb2.Tee())),
            "FailedPrecondition",
            "execution.requirements cannot be satisfied: this backend is not a TEE",
        ),
        (
            request_for(DIGEST, triggered(), requirements=sdk_pb2.Requirements.FromString(b"\x50\x01")),
            "FailedPrecondition",
            "execution.requirements cannot be satisfied: this backend is not a TEE",
        ),
        (
            request_for(DIGEST, triggered(), restrictions=sdk_pb2.Restrictions.FromString(b"\x50\x01")),
            "Unimplemented",
            "execution.restrictions: the restrictions hold fields that are not known here",
        ),
    ],
    ids=lambda value: "" if isinstance(value, confidential_workflow_pb2.ConfidentialWorkflowRequest) else value,
)
def test_a_wrong_field_is_refused_with_its_reason(request_, name, reason):
    assert refusal(request_) == (name, reason)


def test_empty_requirements_ask_for_nothing_and_are_satisfied():
    assert checked(request_for(DIGEST, triggered(), requirements=sdk_pb2.Requirements())).owner == ALICE


def test_an_owner_must_be_somewhere_and_be_an_address():
    nobody = capabilities_pb2.RequestMetadata()
    assert refusal(request_for(DIGEST, triggered(), owner=""), nobody) == (
        "InvalidArgument",
        "the owner is in neither execution.owner nor metadata.workflow_owner",
    )
    name, reason = refusal(request_for(DIGEST, triggered(), owner="me"), nobody)
    assert name == "InvalidArgument"
    assert reason.startswith("owner: ")


def test_metadata_that_names_another_execution_is_refused():
    stamped = capabilities_pb2.RequestMetadata(workflow_owner=ALICE, workflow_execution_id="cd" * 32)
    assert refusal(request_for(DIGEST, triggered()), stamped)[1] == "execution.execution_id and the metadata differ"


def test_every_cut_of_a_serialized_request_is_refused_or_read_whole():
    whole = request_for(DIGEST, triggered(), secrets=["A"], dialect="seed")
    serialized = whole.SerializeToString()
    for size in range(len(serialized)):
        try:
            cut = confidential_workflow_pb2.ConfidentialWorkflowRequest.FromString(serialized[:size])
            checked(cut)
        except CapabilityError as error:
            assert error.origin == "User"  # noqa: PT017 - most cuts fail, and those must fail like this
        except Exception as error:
            assert type(error).__name__ == "DecodeError", size  # noqa: PT017 - the wire format itself refused


def test_a_payload_of_another_type_is_not_executed():
    message = empty_pb2.Empty()
    assert confidential_workflow_pb2.ConfidentialWorkflowRequest.FromString(message.SerializeToString()).ByteSize() == 0
