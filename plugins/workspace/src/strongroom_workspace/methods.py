"""The methods of ``workspace@1.0.0``. A step that is sent again acts once.

Before it writes, a step notes the time of the entry that it found. Sent again after a crash, it finds the note: an
entry that is still as it was then has not been written, so it is now; one that has changed was written by this step, or
by somebody whose write came after it, and either way the step is done.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from strongroom.plugin import Call, CapabilityError, Repeats, Workspaces, repeat_key, request_digest
from strongroom.plugin.messages import workspace_pb2
from strongroom_workspace.grants import Grants

__all__ = ["LIST_MAX", "WorkspaceMethods"]

A = TypeVar("A", bound=Message)
LIST_DEFAULT: Final = 100
LIST_MAX: Final = 1000
LIST_BYTES_MAX: Final = 2_000_000
"""Of the values in one answer; the host's limit lies above it. What is left out comes with the next answer."""
LOCKS: Final = 64
DIGEST_BYTES: Final = 16
TIME_BYTES: Final = 8
ABSENT: Final = 0


class WorkspaceMethods:
    """The methods over the mounts of one host."""

    def __init__(self, workspaces: Workspaces, grants: Grants, repeats: Repeats) -> None:
        self._workspaces = workspaces
        self._grants = grants
        self._repeats = repeats
        self._locks = [threading.Lock() for _ in range(LOCKS)]

    def methods(self) -> Mapping[str, Callable[[Call], Any]]:
        """Method name to function. Each returns its own message type."""
        return {"Get": self.get, "Set": self.set, "Delete": self.delete, "List": self.list}

    def get(self, call: Call) -> workspace_pb2.GetResponse:
        """One entry."""
        request = call.unpack(workspace_pb2.GetRequest)
        self._grants.check(call.metadata, request.mount, "read")
        found = self._workspaces.get(request.mount, request.table, request.key)
        if found is None:
            return workspace_pb2.GetResponse()
        if found.json is None:
            return workspace_pb2.GetResponse(unreadable=found.unreadable, time_ms=found.time_ms)
        return workspace_pb2.GetResponse(found=True, json=found.json, time_ms=found.time_ms)

    def list(self, call: Call) -> workspace_pb2.ListResponse:
        """Entries by key, as many as the answer holds."""
        request = call.unpack(workspace_pb2.ListRequest)
        self._grants.check(call.metadata, request.mount, "read")
        limit = request.limit or LIST_DEFAULT
        if limit > LIST_MAX:
            raise CapabilityError("Public", "User", "LimitExceeded", f"limit is {limit}, at most {LIST_MAX} are listed")
        page = self._workspaces.page(
            request.mount, request.table, prefix=request.key_prefix, after=request.after_key, limit=limit
        )
        answer = workspace_pb2.ListResponse(more=page.more)
        size = 0
        for item in page.items:
            value = b"" if request.keys_only else item.json or b""
            size += len(value) + len(item.key)
            if size > LIST_BYTES_MAX and answer.entries:
                answer.more = True
                break
            answer.entries.add(key=item.key, json=value, time_ms=item.time_ms, unreadable=item.unreadable)
        return answer

    def set(self, call: Call) -> workspace_pb2.SetResponse:
        """Write one entry."""
        request = call.unpack(workspace_pb2.SetRequest)
        self._grants.check(call.metadata, request.mount, "write")

        def write() -> workspace_pb2.SetResponse:
            item = self._workspaces.put(request.mount, request.table, request.key, request.json)
            return workspace_pb2.SetResponse(time_ms=item.time_ms)

        def written(time_ms: int) -> workspace_pb2.SetResponse:
            return workspace_pb2.SetResponse(time_ms=time_ms)

        return self._once(call, request, write, written)

    def delete(self, call: Call) -> workspace_pb2.DeleteResponse:
        """Remove one entry."""
        request = call.unpack(workspace_pb2.DeleteRequest)
        self._grants.check(call.metadata, request.mount, "write")

        def write() -> workspace_pb2.DeleteResponse:
            return workspace_pb2.DeleteResponse(
                existed=self._workspaces.delete(request.mount, request.table, request.key)
            )

        return self._once(call, request, write, lambda _: workspace_pb2.DeleteResponse(existed=True))

    def _once(
        self,
        call: Call,
        request: workspace_pb2.SetRequest | workspace_pb2.DeleteRequest,
        write: Callable[[], A],
        written: Callable[[int], A],
    ) -> A:
        """What ``write`` answers; for a step that was sent before and has written, what ``written`` says of it."""
        repeat = repeat_key(call)
        if not repeat:
            return write()
        with self._locks[hash((request.mount, request.table, request.key)) % LOCKS]:
            entry = self._workspaces.get(request.mount, request.table, request.key)
            now_at = ABSENT if entry is None else entry.time_ms
            noted = self._repeats.find(repeat)
            if noted is None:
                note = request_digest(call) + now_at.to_bytes(TIME_BYTES, "big", signed=True)
                self._repeats.keep(repeat, note)
                return write()
            digest, before = noted[:DIGEST_BYTES], int.from_bytes(noted[DIGEST_BYTES:], "big", signed=True)
            if digest != request_digest(call):
                raise CapabilityError(
                    "Public", "User", "FailedPrecondition", "this step was sent before with another request"
                )
            return write() if now_at == before else written(now_at)
