"""The one result in an answer of the confidential capability (contracts, "confidential" section 3, steps 6 to 8)."""

from dataclasses import dataclass

from google.protobuf.message import DecodeError

from strongroom.modules.confidential_faults import broken
from strongroom.pb.capabilities.compute.confidentialworkflow.v1alpha import confidential_workflow_pb2 as messages
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2

__all__ = ["Answered", "result_in"]


@dataclass(frozen=True, slots=True)
class Answered:
    """The result, and the bytes that it came as, which a receipt covers; None where only the typed field came."""

    result: sdk_pb2.ExecutionResult
    serialized: bytes | None


def result_in(answer: capabilities_pb2.CapabilityResponse) -> Answered:
    """The typed field, the bytes field, or both when they agree. Raises ``PluginFault``."""
    if not answer.HasField("payload"):
        raise broken("confidential-workflows capability returned nil payload", "SR-CWF-006")
    response = messages.ConfidentialWorkflowResponse()
    try:
        if not answer.payload.Unpack(response):
            raise broken(
                "failed to unmarshal capability response",
                "SR-CWF-007",
                f"it is a {answer.payload.type_url or 'nothing'}",
            )
    except DecodeError as error:
        raise broken("failed to unmarshal capability response", "SR-CWF-007", "it is damaged") from error
    try:
        serialized = sdk_pb2.ExecutionResult.FromString(response.execution_result)
    except DecodeError as error:
        raise broken("failed to unmarshal ExecutionResult", "SR-CWF-008", "it is damaged") from error
    if not response.HasField("sdk_execution_result"):
        if not response.execution_result:
            raise broken(
                "confidential-workflows capability returned no result", "SR-CWF-010", "both result fields are empty"
            )
        return Answered(serialized, response.execution_result)
    if response.execution_result and serialized != response.sdk_execution_result:
        raise broken(
            "confidential-workflows capability returned two results", "SR-CWF-011", "its two result fields differ"
        )
    if response.execution_result or not response.sdk_execution_result.ByteSize():
        # From the bytes, so that what is stored of it is what they are.
        return Answered(serialized, response.execution_result)
    return Answered(response.sdk_execution_result, None)
