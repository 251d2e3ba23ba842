"""A run as lines of JSON: first its header, then its events, in order and none left out, then its named streams.

The header says how many events there are, and how many streams; before the chunks of each stream a line says how many
they are. So a reader can tell a whole export from one that was cut off. The form is ``strongroom.run-export/v1``; a
field is never removed from it.
"""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from strongroom.engine.external import is_external
from strongroom.engine.history import History
from strongroom.engine.opened import Opener
from strongroom.engine.stream_chunk import Chunk, tampered
from strongroom.engine.stream_reader import StreamInfo, StreamReader
from strongroom.storage.runs import RunRow

__all__ = ["SCHEMA", "export_lines"]

SCHEMA: Final = "strongroom.run-export/v1"
STREAMS_MAX: Final = 1_000_000
"""More than any setting allows for one run."""


def export_lines(history: History, header: RunRow, *, opened: bool) -> Iterator[bytes]:
    """One line after another, each with its end. Contents are base64 of the sealed bytes, or JSON when ``opened``.

    Only a few events are in memory at once. Raises ``Tampered`` at the first event or chunk that is not authentic.
    """
    named = history.streams.infos(header.run_id, limit=STREAMS_MAX)
    yield _line({"schema": SCHEMA, "line": "run", "opened": opened, **_run(header), "streams": len(named)})
    opener = Opener(of_others=is_external(header))
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
    for info in named:
        yield from _stream_lines(history.streams, header.run_id, info, opened=opened)


def _stream_lines(streams: StreamReader, run_id: str, info: StreamInfo, *, opened: bool) -> Iterator[bytes]:
    """A stream as far as it had come when the export began: a line about it, then its chunks."""
    if info.tampered:
        raise tampered(run_id, info.name)
    yield _line({"line": "stream", "name": info.name, "chunks": info.stored, "closed": info.closed})
    index = 0
    while index < info.stored:
        page, _ = streams.page(run_id, info.name, index, info.stored - index)
        if not page:
            # It was longer when the export began.
            raise tampered(run_id, info.name)
        for chunk in page:
            yield _line(_chunk(chunk, opened=opened))
        index += len(page)


def _chunk(chunk: Chunk, *, opened: bool) -> dict[str, Any]:  # Any: JSON
    row = chunk.row
    content = chunk.opened() if opened else row.sealed
    return {
        "line": "chunk",
        "name": row.name,
        "index": row.index,
        "final": chunk.final,
        "create_time": _time(row.created_at),
        "key_version": chunk.key_version,
        "data" if opened else "sealed": base64.b64encode(content).decode(),
    }


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
