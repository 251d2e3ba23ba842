"""What a guest says to the streams of its own run: methods of ``run@1.0.0``.

Each is a step, whose correlation id is the writer's reference: when the host ended between the chunk and the answer,
the step is made again and finds the chunk.
"""

from collections.abc import Mapping
from typing import Final

from strongroom.engine.disk_watch import DiskRoom
from strongroom.engine.run_capability import Method, RunCall, check_room
from strongroom.engine.stream_store import StreamStore
from strongroom.pb.strongroom.run.v1 import run_capability_pb2

__all__ = ["WRITE_STREAM", "StreamSteps"]

WRITE_STREAM: Final = "WriteStream"
CLOSE_STREAM: Final = "CloseStream"


class StreamSteps:
    """Writes to streams for guests."""

    def __init__(self, store: StreamStore, disk: DiskRoom) -> None:
        self._store = store
        self._disk = disk

    def methods(self) -> Mapping[str, Method]:
        """Both methods, by name."""
        return {
            WRITE_STREAM: Method(run_capability_pb2.WriteStreamRequest, self._write),
            CLOSE_STREAM: Method(run_capability_pb2.CloseStreamRequest, self._close),
        }

    def _write(
        self, call: RunCall, request: run_capability_pb2.WriteStreamRequest
    ) -> run_capability_pb2.WriteStreamResponse:
        run_id = call.run.run_id
        if not call.was_sent:  # else its chunk may stand there
            check_room(self._disk, "a chunk of a stream", len(request.data))
        written = self._store.write(run_id, request.name, request.data, written_by=call.reference, last=request.last)
        return run_capability_pb2.WriteStreamResponse(index=written.index)

    def _close(
        self, call: RunCall, request: run_capability_pb2.CloseStreamRequest
    ) -> run_capability_pb2.CloseStreamResponse:
        written = self._store.close(call.run.run_id, request.name, written_by=call.reference)
        return run_capability_pb2.CloseStreamResponse(index=written.index)
