"""Answers about a run that come as streams: its events, what its guest logged, and its export.

Each stream holds a thread of the server from its first message to its end, so there is a fixed number of them, and a
client that goes away gives its thread back at once.
"""

from collections.abc import Iterator
from typing import Final

import grpc

from strongroom.engine.auditing import Audit
from strongroom.engine.event_types import LOG_WRITTEN
from strongroom.engine.export import export_lines
from strongroom.engine.history import History
from strongroom.engine.journal import JournalEvent
from strongroom.engine.opening import EVENT_FIELDS, checked_fields
from strongroom.engine.unreadable import Unreadable
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.pb.strongroom.v1 import run_pb2
from strongroom.services.convert import event_message, run_message
from strongroom.services.paging import checked_index
from strongroom.services.places import Places
from strongroom.services.reasons import Opening, checked_reason
from strongroom.services.run_events import EventMessages

__all__ = ["RunStreams"]

PIECE_BYTES: Final = 64_000
"""Small lines share a message; one that is longer has one of its own."""
MODES: Final = {sdk_pb2.MODE_DON: "don", sdk_pb2.MODE_NODE: "node"}


class RunStreams:
    """Streams of runs."""

    def __init__(self, history: History, places: Places, audit: Audit) -> None:
        self._audit = audit
        self._history = history
        self._places = places

    def watch(self, request: run_pb2.WatchRequest, context: grpc.ServicerContext) -> Iterator[run_pb2.WatchResponse]:
        """Events from an index on as they are stored, then the header once the run is final."""
        start = checked_index(request.from_index)
        reason = checked_reason(request.reason)
        wanted = checked_fields(request.fields, EVENT_FIELDS)
        header = self._history.header(request.run_id)
        run_id = header.run_id
        with self._places.taken(), self._history.watch(run_id) as watch:
            if not context.add_callback(watch.close):
                return
            with EventMessages(self._history, self._audit, header, wanted, reason) as messages:
                for event in self._history.follow(run_id, start, watch):
                    yield run_pb2.WatchResponse(event=messages.of(event))
            if not watch.closed:
                yield run_pb2.WatchResponse(run=run_message(self._history.header(run_id)))

    def logs(self, request: run_pb2.LogsRequest, context: grpc.ServicerContext) -> Iterator[run_pb2.LogsResponse]:
        """What the guest logged, from an event index on."""
        start = checked_index(request.from_index)
        reason = checked_reason(request.reason)
        header = self._history.header(request.run_id)
        with self._places.taken(), self._history.watch(header.run_id) as watch:
            if not context.add_callback(watch.close):
                return
            events = (
                self._history.follow(header.run_id, start, watch)
                if request.follow
                else self._history.looked_at(header, start)
            )
            explainer = self._history.explainer()
            if not reason:
                for event in events:
                    if event.row.event_type == LOG_WRITTEN:
                        yield _sealed(event, self._history.explained(header, event, explainer))
                return
            with Opening(self._audit, "run.decrypt", header, "log lines", reason) as opening:
                for event in events:
                    if event.row.event_type != LOG_WRITTEN:
                        continue
                    why = self._history.explained(header, event, explainer)
                    if why is not None:
                        yield _sealed(event, why)
                        continue
                    for line in _opened(event):
                        opening.shown += 1
                        yield line

    def export(self, request: run_pb2.ExportRequest, context: grpc.ServicerContext) -> Iterator[run_pb2.ExportResponse]:
        """The run as lines of JSON, in pieces of whole lines."""
        reason = checked_reason(request.reason)
        header = self._history.header(request.run_id)
        with self._places.taken():
            if not reason:
                yield from _pieces(export_lines(self._history, header, opened=False))
                return
            with Opening(self._audit, "run.export", header, "everything", reason) as opening:
                lines = export_lines(self._history, header, opened=True)
                # The first line is the header, which was never sealed.
                yield run_pb2.ExportResponse(lines=next(lines))
                for line in lines:
                    opening.shown += 1
                    yield run_pb2.ExportResponse(lines=line)


def _pieces(lines: Iterator[bytes]) -> Iterator[run_pb2.ExportResponse]:
    """As many lines together as make a message worth sending."""
    piece = bytearray()
    for line in lines:
        piece += line
        if len(piece) >= PIECE_BYTES:
            yield run_pb2.ExportResponse(lines=bytes(piece))
            piece.clear()
    if piece:
        yield run_pb2.ExportResponse(lines=bytes(piece))


def _sealed(event: JournalEvent, why: Unreadable | None) -> run_pb2.LogsResponse:
    described = event_message(event, why)
    return run_pb2.LogsResponse(
        index=described.index,
        create_time=described.create_time,
        sealed=described.sealed,
        unreadable=described.unreadable if why is not None else None,
    )


def _opened(event: JournalEvent) -> Iterator[run_pb2.LogsResponse]:
    for position, line in enumerate(journal_pb2.LogWritten.FromString(event.content or b"").lines):
        answer = run_pb2.LogsResponse(
            index=event.row.index, position=position, mode=MODES.get(line.mode, ""), line=line.line
        )
        answer.create_time.FromNanoseconds(line.unix_ns)
        yield answer
