"""``strongroom.v1.StreamService``."""

import secrets
from collections.abc import Iterator
from typing import Final

import grpc

from strongroom.engine.auditing import Audit
from strongroom.engine.disk_watch import DiskRoom, EnoughRoom
from strongroom.engine.stream_chunk import Chunk, from_outside
from strongroom.engine.stream_reader import StreamInfo, StreamReader
from strongroom.engine.stream_store import StreamStore
from strongroom.errors import InvalidInput
from strongroom.pb.strongroom.v1 import stream_pb2, stream_pb2_grpc
from strongroom.services.paging import PLACE_MAX, decode_token, encode_token, page_size
from strongroom.services.places import Places
from strongroom.services.reasons import Opening, checked_reason

__all__ = ["StreamService"]

STREAMS: Final = 50
CHUNKS: Final = 100
REFERENCE_BYTES: Final = 16
"""A reference that the host makes is met by no other."""


class StreamService(stream_pb2_grpc.StreamServiceServicer):
    """Named streams of runs."""

    def __init__(
        self, store: StreamStore, reader: StreamReader, *, places: Places, audit: Audit, disk: DiskRoom | None = None
    ) -> None:
        """``places`` are those of calls whose answer is a stream: each holds a thread and a page of chunks."""
        self._audit = audit
        self._disk = disk or EnoughRoom()
        self._store = store
        self._reader = reader
        self._places = places

    def Write(
        self, request: stream_pb2.StreamServiceWriteRequest, context: grpc.ServicerContext
    ) -> stream_pb2.StreamServiceWriteResponse:
        """Append a chunk."""
        self._disk.check("a chunk of a stream", len(request.data))
        written = self._store.write(
            request.run_id, request.name, request.data, written_by=_reference(request.request_id), last=request.last
        )
        return stream_pb2.StreamServiceWriteResponse(index=written.index, created=written.created)

    def Close(
        self, request: stream_pb2.StreamServiceCloseRequest, context: grpc.ServicerContext
    ) -> stream_pb2.StreamServiceCloseResponse:
        """Mark the end."""
        written = self._store.close(request.run_id, request.name, written_by=_reference(request.request_id))
        return stream_pb2.StreamServiceCloseResponse(index=written.index, created=written.created)

    def Read(
        self, request: stream_pb2.StreamServiceReadRequest, context: grpc.ServicerContext
    ) -> Iterator[stream_pb2.StreamServiceReadResponse]:
        """Chunks from an index on, and new ones as they come."""
        reason, start = checked_reason(request.reason), _checked_start(request.start_index)
        header = self._reader.header(request.run_id)
        run_id = header.run_id
        with self._places.taken(), self._reader.watch(run_id) as watch:
            if not context.add_callback(watch.close):
                return
            found = self._reader.follow(run_id, request.name, start, watch, is_followed=request.follow)
            if not reason:
                yield from (stream_pb2.StreamServiceReadResponse(chunk=_sealed(chunk)) for chunk in found)
                return
            with Opening(self._audit, "run.decrypt", header, f"stream {request.name}", reason) as opening:
                for chunk in found:
                    message = _opened(chunk)
                    opening.shown += 1
                    yield stream_pb2.StreamServiceReadResponse(chunk=message)

    def List(
        self, request: stream_pb2.StreamServiceListRequest, context: grpc.ServicerContext
    ) -> stream_pb2.StreamServiceListResponse:
        """One page of streams."""
        size = page_size(request.page_size, STREAMS)
        place = decode_token(request.page_token)
        run_id = self._reader.header(request.run_id).run_id
        page = self._reader.infos(run_id, after=place[1] if place else "", limit=size + 1)
        response = stream_pb2.StreamServiceListResponse(streams=[_info(each) for each in page[:size]])
        if len(page) > size:
            response.next_page_token = encode_token(0, page[size - 1].name)
        return response

    def GetInfo(
        self, request: stream_pb2.StreamServiceGetInfoRequest, context: grpc.ServicerContext
    ) -> stream_pb2.StreamServiceGetInfoResponse:
        """One stream."""
        run_id = self._reader.header(request.run_id).run_id
        return stream_pb2.StreamServiceGetInfoResponse(stream=_info(self._reader.info(run_id, request.name)))

    def GetChunks(
        self, request: stream_pb2.StreamServiceGetChunksRequest, context: grpc.ServicerContext
    ) -> stream_pb2.StreamServiceGetChunksResponse:
        """One page of chunks."""
        reason, size = checked_reason(request.reason), page_size(request.page_size, CHUNKS)
        place = decode_token(request.page_token)
        start = place[0] if place else _checked_start(request.start_index)
        header = self._reader.header(request.run_id)
        run_id = header.run_id
        page, more = self._reader.page(run_id, request.name, start, size)
        response = stream_pb2.StreamServiceGetChunksResponse()
        if more:
            response.next_page_token = encode_token(page[-1].row.index + 1, "")
        if not reason:
            response.chunks.extend(_sealed(chunk) for chunk in page)
            return response
        with Opening(self._audit, "run.decrypt", header, f"stream {request.name}", reason) as opening:
            response.chunks.extend(_opened(chunk) for chunk in page)
            opening.shown = len(page)
        return response


def _reference(untrusted_id: str) -> str:
    return from_outside(untrusted_id or secrets.token_urlsafe(REFERENCE_BYTES))


def _checked_start(untrusted_index: int) -> int:
    """The first chunk that is wanted. Raises ``InvalidInput``."""
    if not -PLACE_MAX <= untrusted_index < PLACE_MAX:
        raise InvalidInput(
            "SR-STREAM-012",
            f"{untrusted_index} is not the index of a chunk",
            fix="go on from the index after the last chunk that arrived, or count from the end below zero",
            field="start_index",
        )
    return untrusted_index


def _info(info: StreamInfo) -> stream_pb2.StreamInfo:
    if info.tampered:
        return stream_pb2.StreamInfo(name=info.name, tampered=True, tail_index=-1)
    return stream_pb2.StreamInfo(
        name=info.name,
        chunks=info.chunks,
        content_bytes=info.content_bytes,
        closed=info.closed,
        tail_index=info.chunks - 1,
    )


def _sealed(chunk: Chunk) -> stream_pb2.StreamChunk:
    message = _described(chunk)
    message.sealed.sealed_bytes, message.sealed.key_version = len(chunk.row.sealed), chunk.key_version
    return message


def _opened(chunk: Chunk) -> stream_pb2.StreamChunk:
    message = _described(chunk)
    message.data = chunk.opened()
    return message


def _described(chunk: Chunk) -> stream_pb2.StreamChunk:
    message = stream_pb2.StreamChunk(index=chunk.row.index, final=chunk.final)
    message.create_time.FromMilliseconds(chunk.row.created_at)
    return message
