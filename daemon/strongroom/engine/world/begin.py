"""A run that others execute, before its first event: its header, and the record of its start.

Its workflow is registered nowhere. What stands for it is a hash of owner, name and deployment, as the client says them,
so its runs are found together, and never with those of a registered workflow.
"""

import hashlib
from typing import Final

from strongroom.crypto.framing import length_prefixed
from strongroom.engine.auditing import Audit, Pending
from strongroom.engine.external import EXTERNAL
from strongroom.guest.ids import execution_id
from strongroom.keyring.records import RecordKeys
from strongroom.pb.strongroom.world.v1.event_data_pb2 import EventData
from strongroom.storage.runs import RunRow

__all__ = ["new_header", "start_record", "world_workflow_id"]

WORKFLOW: Final = "strongroom/world/workflow/v1"


def world_workflow_id(owner: str, workflow_name: str, deployment_id: str) -> str:
    """64 hex digits for a workflow that is registered nowhere."""
    parts = length_prefixed(WORKFLOW, owner, workflow_name, deployment_id)
    return "00" + hashlib.sha256(parts).hexdigest()[2:]


def new_header(run_id: str, owner: str, data: EventData, keys: RecordKeys, at_ms: int) -> RunRow:
    """The header of a run that begins at ``at_ms`` (Unix time) with ``data``, without a journal yet."""
    workflow_id = world_workflow_id(owner, data.workflow_name, data.deployment_id)
    return RunRow(
        run_id=run_id,
        execution_id=execution_id(workflow_id, run_id, 0),
        workflow_id=workflow_id,
        workflow_name=data.workflow_name,
        workflow_owner=owner,
        trigger_index=0,
        # As in a run that is started by hand: nobody delivers it again.
        event_id=run_id,
        status="pending",
        module=EXTERNAL,
        backend="",
        insecure=0,
        binary_sha256="",
        created_at=at_ms,
        started_at=0,
        finished_at=0,
        # No start of a registered workflow is ever taken for this run.
        request_digest=b"",
        head_index=0,
        head_tag=b"",
        input_bytes=0,
        output_bytes=0,
        error_code="",
        key_version=keys.writing_version,
        epoch=0,
        mac=b"",
    )


def start_record(audit: Audit, header: RunRow) -> Pending:
    """The record of the start, on its way to the disk."""
    return audit.begin(
        "run.start",
        subject=header.run_id,
        owner=header.workflow_owner,
        workflow_id=header.workflow_id,
        workflow=header.workflow_name,
        module=header.module,
    )
