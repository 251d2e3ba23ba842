"""Rows for tests: plausible in every column, different by number."""

from strongroom.storage.runs import EventRow, RunRow
from strongroom.storage.specs import SpecRow


def spec_row(number: int = 0, **changes) -> SpecRow:
    values = {
        "workflow_id": f"{number:064x}",
        "workflow_owner": "aa" * 20,
        "workflow_name": "hello",
        "workflow_tag": "v1",
        "status": "active",
        "workflow": f"sha256:{number:064x}",
        "binary_sha256": f"{number:064x}",
        "binary_bytes": 20_480,
        "encoding": "raw",
        "binary_url": "",
        "config_url": "",
        "config": b"srr1 config\x00\xff",
        "spec_type": "wasm",
        "attributes": b'{"confidential": true}',
        "subscriptions": b"srr1 subscriptions",
        "sdk_label": "",
        "created_at": 1_700_000_000_000 + number,
        "updated_at": 1_700_000_000_000,
        "registered_at": 1_700_000_000_000,
        "source": "grpc",
        "key_version": 1,
        "mac": bytes(range(32)),
    }
    return SpecRow(**(values | changes))


def run_row(number: int = 0, **changes) -> RunRow:
    values = {
        "run_id": f"wrun_{number:026d}",
        "execution_id": f"{number:064x}",
        "workflow_id": "ab" * 32,
        "workflow_name": "hello",
        "workflow_owner": "aa" * 20,
        "trigger_index": 0,
        "event_id": f"event {number}",
        "status": "pending",
        "module": "local",
        "backend": "local",
        "insecure": 0,
        "binary_sha256": "cd" * 32,
        "created_at": 1_700_000_000_000 + number,
        "started_at": 0,
        "finished_at": 0,
        "request_digest": b"\x00\xff" * 16,
        "head_index": 0,
        "head_tag": b"t" * 16,
        "input_bytes": 1024,
        "output_bytes": 0,
        "error_code": "",
        "key_version": 1,
        "epoch": 0,
        "mac": bytes(range(32)),
        "parent_run_id": "",
        "wake_at": None,
        "assurance": "",
    }
    return RunRow(**(values | changes))


def event_row(run: RunRow, index: int = 0, **changes) -> EventRow:
    values = {
        "run_id": run.run_id,
        "index": index,
        "event_type": "run_created",
        "correlation_id": "",
        "created_at": run.created_at,
        "sealed": b"srn1\x00\xff" + bytes(100),
    }
    return EventRow(**(values | changes))
