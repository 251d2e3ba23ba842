"""The named streams of runs of the fake host."""

import grpc

from strongroom.pb.strongroom.v1 import stream_pb2, stream_pb2_grpc
from tests.fakes.daemon_runs import page


class RunStreams(stream_pb2_grpc.StreamServiceServicer):
    """Streams in memory; reading and writing break as ``daemon.cuts`` says."""

    def __init__(self, daemon) -> None:
        self.daemon = daemon
        self.chunks = {}
        self.closed = set()
        self.requests = {}
        self.ends_with = None

    def put(self, name, *contents, close=True):
        """Chunks that were written."""
        self.chunks[name] = list(contents)
        if close:
            self.closed.add(name)

    def Write(self, request, context):
        self.daemon.hear(request, context)
        created = request.request_id not in self.requests
        if created:
            self.requests[request.request_id] = len(self.chunks.setdefault(request.name, []))
            self.chunks[request.name].append(request.data)
        if request.last:
            self.closed.add(request.name)
        if self.daemon.cuts:
            self.daemon.cuts.pop()
            context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        return stream_pb2.StreamServiceWriteResponse(index=self.requests[request.request_id], created=created)

    def Close(self, request, context):
        self.daemon.hear(request, context)
        self.closed.add(request.name)
        return stream_pb2.StreamServiceCloseResponse(index=len(self.chunks.get(request.name, [])), created=True)

    def List(self, request, context):
        self.daemon.hear(request, context)
        found, token = page(sorted(self.chunks), request.page_token, 1)
        infos = [
            stream_pb2.StreamInfo(
                name=name,
                chunks=len(self.chunks[name]),
                content_bytes=sum(map(len, self.chunks[name])),
                closed=name in self.closed,
                tampered=name == "touched",
            )
            for name in found
        ]
        return stream_pb2.StreamServiceListResponse(streams=infos, next_page_token=token)

    def Read(self, request, context):
        self.daemon.hear(request, context)
        contents = self.chunks[request.name]
        start = request.start_index if request.start_index >= 0 else max(len(contents) + request.start_index, 0)
        left = self.daemon.cuts.pop(0) if self.daemon.cuts else None
        for number, index in enumerate(range(start, len(contents))):
            if number == left:
                context.abort(grpc.StatusCode.UNAVAILABLE, "")
            yield stream_pb2.StreamServiceReadResponse(chunk=self._chunk(request, index))
        if left is not None:
            context.abort(grpc.StatusCode.UNAVAILABLE, "")
        if self.ends_with is not None:
            context.abort_with_status(self.ends_with().status)

    def _chunk(self, request, index):
        contents = self.chunks[request.name]
        chunk = stream_pb2.StreamChunk(index=index, final=request.name in self.closed and index + 1 == len(contents))
        chunk.create_time.FromJsonString("2026-01-02T03:04:05Z")
        if request.reason:
            chunk.data = contents[index]
        else:
            chunk.sealed.sealed_bytes, chunk.sealed.key_version = len(contents[index]) + 36, 3
        return chunk


def add_streams(daemon, server):
    """Serve streams beside what the fake host serves."""
    made = RunStreams(daemon)
    stream_pb2_grpc.add_StreamServiceServicer_to_server(made, server)
    return made
