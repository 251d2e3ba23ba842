"""The execution that a compute request is about: its public data are a serialized ``WorkflowExecution``.

Source: contracts/confidential.md 11 (identity) and 13 (what is required).
"""

from typing import Final

from google.protobuf.message import DecodeError

from strongroom.guest.ids import normal_owner
from strongroom.plugin import Forbidden
from strongroom.plugin.messages import confidential_workflow_pb2
from strongroom_confidential_workflows.dialect.messages import ComputeRequest, malformed
from strongroom_confidential_workflows.dialect.relay_params import ExecutionRef
from strongroom_confidential_workflows.dialect.retries import request_id

__all__ = ["check_identity", "read_workflow_execution"]

HASH_BYTES: Final = 32


def read_workflow_execution(public_data: bytes) -> confidential_workflow_pb2.WorkflowExecution:
    """What to run: workflow_id, binary_url, binary_hash and a request are there. Raises ``InvalidInput``."""
    found = _parsed(public_data)
    for name, value in (("workflow_id", found.workflow_id), ("binary_url", found.binary_url)):
        if not value:
            raise malformed(f"publicData.{name}", "there")
    if len(found.binary_hash) != HASH_BYTES:
        raise malformed("publicData.binary_hash", f"{HASH_BYTES} bytes")
    if not found.execute_request and not found.HasField("sdk_execute_request"):
        raise malformed("publicData.sdk_execute_request", "there, or execute_request")
    return found


def check_identity(request: ComputeRequest, execution: ExecutionRef) -> None:
    """Raise ``Forbidden`` unless ``request`` is about ``execution``, ``InvalidInput`` for another form."""
    found = _parsed(request.public_data)
    pairs = {
        "workflow_id": (found.workflow_id, execution.workflow_id),
        "execution_id": (found.execution_id, execution.execution_id),
        "owner": (normal_owner(found.owner), normal_owner(execution.owner)),
        "org_id": (found.org_id or execution.org_id, execution.org_id or found.org_id),
        "requestID": (request.request_id.hex(), request_id(execution.execution_id).hex()),
    }
    for name, (signed, asked) in pairs.items():
        if signed != asked:
            raise Forbidden(
                "SR-DIAL-007",
                "the signed requests are about another execution",
                why=f"their {name} differs",
                fix="send the requests that the nodes signed for this execution",
                field=name,
            )


def _parsed(public_data: bytes) -> confidential_workflow_pb2.WorkflowExecution:
    try:
        return confidential_workflow_pb2.WorkflowExecution.FromString(public_data)
    except DecodeError:
        raise malformed("publicData", "a serialized WorkflowExecution") from None
