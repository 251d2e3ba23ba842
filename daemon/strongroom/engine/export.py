"""A run as lines of JSON: first its header, then its events, in order and none left out.

The header says how many events there are, so a reader can tell a whole export from one that was cut off. The form is
``strongroom.run-export/v1``; a field is never removed from it.
"""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from strongroom.engine.history import History
from strongroom.engine.opened import Opener
from strongroom.storage.runs import RunRow

__all__ = ["SCHEMA", "export_lines"]

SCHEMA: Final = "strongroom.run-export/v1"


def export_lines(history: History, header: RunRow, *, opened: bool) -> Iterator[bytes]:
    """One line after another, each with its end. Contents are base64 of the sealed bytes, or JSON when ``opened``.

    Only a few events are in memory at once. Raises ``Tampered`` at the first event that is not authentic.
    """
    yield _line({"schema": SCHEMA, "line": "run", "opened": opened, **_run(header)})
    opener = Opener()
    for event in history.stored(header):
        row = event.row
        described: dict[str, Any] = {  # Any: JSON
            "line": "event",
            "index": row.index,
            "event_type": row.event_type,
            "correlation_id": row.correlation_id,
            "create_time": _time(row.created_at),
            "key_version": event.key_version,
        }
        if opened:
            described["content"] = opener.content(row.event_type, row.correlation_id, event.content or b"")
        else:
            described["sealed"] = base64.b64encode(row.sealed).decode()
        yield _line(described)


def _run(header: RunRow) -> dict[str, Any]:  # Any: JSON
    return {
        "run_id": header.run_id,
        "execution_id": header.execution_id,
        "workflow_id": header.workflow_id,
        "workflow_name": header.workflow_name,
        "owner": header.workflow_owner,
        "trigger_index": header.trigger_index,
        "event_id": header.event_id,
        "parent_run_id": header.parent_run_id,
        "status": header.status,
        "module": header.module,
        "backend": header.backend,
        "insecure": bool(header.insecure),
        "assurance": header.assurance,
        "binary_sha256": header.binary_sha256,
        "create_time": _time(header.created_at),
        "start_time": _time(header.started_at),
        "end_time": _time(header.finished_at),
        "error_code": header.error_code,
        "events": header.head_index + 1,
    }


def _time(unix_ms: int) -> str | None:
    """RFC 3339 in UTC; nothing for what has not happened."""
    if not unix_ms:
        return None
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _line(document: dict[str, Any]) -> bytes:  # Any: JSON
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"
