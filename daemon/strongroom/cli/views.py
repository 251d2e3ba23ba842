"""Answers of the host as JSON documents and as lines for people. Sealed contents are described, never opened."""

from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from strongroom.cli import unsealed
from strongroom.cli.caller import facts
from strongroom.cli.sizes import size
from strongroom.cli.values import rfc3339
from strongroom.pb.strongroom.v1 import run_pb2, workflow_pb2

__all__ = [
    "UNFINISHED",
    "event",
    "is_final",
    "log_line",
    "optional_time",
    "run",
    "run_facts",
    "run_status",
    "sealed",
    "workflow",
    "workflow_facts",
]

UNFINISHED: Final = frozenset({run_pb2.RUN_STATUS_PENDING, run_pb2.RUN_STATUS_RUNNING, run_pb2.RUN_STATUS_WAITING})
ENCODINGS: Final = {workflow_pb2.ENCODING_RAW: "raw", workflow_pb2.ENCODING_BROTLI: "brotli"}


def run_status(number: int) -> str:
    """``completed`` and so on; a number for a status that is newer than this program."""
    return _enum_word(run_pb2.RunStatus, number, "RUN_STATUS_")


def optional_time(message: Any, name: str) -> str | None:  # Any: messages have no common type that knows its fields
    """The time in the field ``name``, or None when it is not set."""
    value: Timestamp = getattr(message, name)
    return rfc3339(value) if message.HasField(name) else None


def sealed(value: run_pb2.Sealed) -> str:
    """``[encrypted · 1.2 KB · key v3]``."""
    return f"[encrypted · {size(value.sealed_bytes)} · key v{value.key_version}]"


def workflow(record: workflow_pb2.Workflow) -> dict[str, Any]:  # Any: JSON
    """The document of a workflow."""
    return {
        "workflow_id": record.workflow_id,
        "owner": record.owner,
        "name": record.name,
        "tag": record.tag,
        "status": _enum_word(workflow_pb2.WorkflowStatus, record.status, "WORKFLOW_STATUS_"),
        "module": record.module,
        "binary_sha256": record.binary_sha256,
        "config_sha256": record.config_sha256,
        "binary_bytes": record.binary_bytes,
        "encoding": ENCODINGS.get(record.encoding, ""),
        "binary_url": record.binary_url,
        "attributes": record.attributes,
        "sdk_label": record.sdk_label,
        "subscriptions": [subscription(item) for item in record.subscriptions],
        "create_time": optional_time(record, "create_time"),
        "update_time": optional_time(record, "update_time"),
        "warnings": list(record.warnings),
    }


def subscription(item: workflow_pb2.Subscription) -> dict[str, Any]:  # Any: JSON
    """The document of one trigger of a workflow."""
    return {
        "index": item.index,
        "capability_id": item.capability_id,
        "method": item.method,
        "available": item.available,
        "reason": item.reason,
        "state": item.state,
        "module": item.module,
        "pre_hook": item.pre_hook,
        "events_accepted": item.events_accepted,
        "events_repeated": item.events_repeated,
        "events_refused": item.events_refused,
        "last_event_time": optional_time(item, "last_event_time"),
        "last_refusal": item.last_refusal,
    }


def _trigger_line(item: workflow_pb2.Subscription) -> str:
    """``0 = cron-trigger@1.0.0 · registered · 12 events since the host started``."""
    parts = [f"{item.index} = {item.capability_id}"]
    if item.state == "by_hand":
        pass  # its reason says so
    elif item.state:
        parts.append(item.state)
    elif not item.available:
        parts.append("unavailable")
    if item.pre_hook:
        parts.append("pre-hook")
    events = "event" if item.events_accepted == 1 else "events"
    counts = ((item.events_accepted, events), (item.events_repeated, "repeated"), (item.events_refused, "REFUSED"))
    if counted := [f"{count} {word}" for count, word in counts if count]:
        # Hosts count for themselves: what an earlier one counted is not in it.
        parts.append(f"{', '.join(counted)} since the host started")
    if item.last_refusal:
        parts.append(f"last refusal: {item.last_refusal}")
    if item.reason:
        parts.append(item.reason)
    return " · ".join(parts)


def workflow_facts(record: workflow_pb2.Workflow) -> str:
    """A workflow for people."""
    triggers: list[tuple[str, object]] = [("trigger", _trigger_line(item)) for item in record.subscriptions]
    binary = f"sha256:{record.binary_sha256} · {record.binary_bytes} B · {ENCODINGS.get(record.encoding, '?')}"
    return facts(
        [
            ("workflow", record.workflow_id),
            ("name", record.name),
            ("tag", record.tag),
            ("owner", record.owner),
            ("status", _enum_word(workflow_pb2.WorkflowStatus, record.status, "WORKFLOW_STATUS_")),
            ("module", record.module),
            ("binary", binary),
            *triggers,
            ("attributes", record.attributes),
            ("created", optional_time(record, "create_time")),
        ]
    )


def run(header: run_pb2.Run) -> dict[str, Any]:  # Any: JSON
    """The document of a run. Of a header that could not be authenticated only its id is repeated."""
    if header.tampered:
        why = unsealed.unreadable(header)
        status = why["kind"] if why else "tampered"
        return {"run_id": header.run_id, "status": status, "tampered": True, "unreadable": why}
    return {
        "run_id": header.run_id,
        "execution_id": header.execution_id,
        "workflow_id": header.workflow_id,
        "workflow_name": header.workflow_name,
        "owner": header.owner,
        "trigger_index": header.trigger_index,
        "event_id": header.event_id,
        "status": run_status(header.status),
        "module": header.module,
        "backend": header.backend,
        "insecure": header.insecure,
        "assurance": header.assurance,
        "binary_sha256": header.binary_sha256,
        "create_time": optional_time(header, "create_time"),
        "start_time": optional_time(header, "start_time"),
        "end_time": optional_time(header, "end_time"),
        "input": sealed(header.input) if header.HasField("input") else None,
        "output": sealed(header.output) if header.HasField("output") else None,
        "error_code": header.error_code,
        "parent_run_id": header.parent_run_id,
        "wake_time": optional_time(header, "wake_time"),
        "tampered": False,
        "unreadable": None,
    }


def run_facts(header: run_pb2.Run) -> list[tuple[str, object]]:
    """A run for people, as pairs that a command may add to."""
    if header.tampered:
        return [("run", header.run_id), ("status", "tampered: the stored header failed authentication")]
    where = f"{header.module} · {header.backend}" if header.backend else header.module
    return [
        ("run", header.run_id),
        ("execution", header.execution_id),
        ("workflow", f"{header.workflow_name} {header.workflow_id}"),
        ("status", run_status(header.status)),
        ("where", f"{where} · NO HARDWARE PROTECTION" if header.insecure else where),
        ("assurance", header.assurance),
        ("created", optional_time(header, "create_time")),
        ("started", optional_time(header, "start_time")),
        ("wakes", optional_time(header, "wake_time")),
        ("ended", optional_time(header, "end_time")),
        ("repeats", header.parent_run_id),
        ("input", sealed(header.input) if header.HasField("input") else None),
        ("output", sealed(header.output) if header.HasField("output") else None),
        ("error code", header.error_code),
    ]


def event(item: run_pb2.Event) -> dict[str, Any]:  # Any: JSON
    """The document of one event of a journal. ``opened`` is what it says, where that was asked for."""
    return {
        "index": item.index,
        "event_type": item.event_type,
        "correlation_id": item.correlation_id,
        "create_time": optional_time(item, "create_time"),
        "content": sealed(item.sealed) if item.HasField("sealed") else None,
        "tampered": item.tampered,
        "field": item.field or None,
        "opened": unsealed.content(item.opened) if item.HasField("opened") else None,
        "unreadable": unsealed.unreadable(item),
    }


def log_line(item: run_pb2.LogsResponse) -> dict[str, Any]:  # Any: JSON
    """The document of a line of a guest's log, or of an event of sealed lines."""
    is_sealed = item.HasField("sealed")
    return {
        "index": item.index,
        "position": item.position,
        "create_time": optional_time(item, "create_time"),
        "mode": None if is_sealed else item.mode,
        "line": None if is_sealed else item.line,
        "content": sealed(item.sealed) if is_sealed else None,
        "unreadable": unsealed.unreadable(item),
    }


def is_final(header: run_pb2.Run) -> bool:
    """Whether the run has ended."""
    return header.status not in UNFINISHED


def _enum_word(enum: Any, number: int, prefix: str) -> str:  # Any: generated enums have no common type
    try:
        return str(enum.Name(number)).removeprefix(prefix).lower()
    except ValueError:
        return str(number)
