"""A workflow that calls a plugin's methods with the metadata that a host would stamp."""

from typing import Any

from google.protobuf import any_pb2

from strongroom.plugin import Call
from strongroom.plugin.messages import capabilities_pb2

ALICE = "d8da6bf26964af9d7eed9e03e53415d37aa96045"
BOB = "5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"
WORKFLOW = "11" * 32
EXECUTION = "e0" * 32


def step(message: Any, reference: str = "1", *, method: str = "", **metadata: Any) -> Call:
    """One step of a run; ``metadata`` overrides who calls. An empty ``reference`` is a call outside a run."""
    stamped = {
        "workflow_id": WORKFLOW,
        "workflow_owner": ALICE,
        "workflow_name": "6176ac6c42",
        "workflow_execution_id": EXECUTION if reference else "",
        "reference_id": reference,
        **metadata,
    }
    payload = any_pb2.Any()
    payload.Pack(message)
    return Call(
        metadata=capabilities_pb2.RequestMetadata(**stamped), payload=payload, method=method or "M", timeout_s=30.0
    )
