"""The host as a plugin process sees it: store, registry and artifacts over the host's private socket."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import grpc

from strongroom.errors import (
    Forbidden,
    InvalidInput,
    LimitExceeded,
    NotFound,
    StrongroomError,
    TimedOut,
    Unavailable,
)
from strongroom.pb.loop import loop_pb2, loop_pb2_grpc
from strongroom.pb.strongroom.plugin.v1 import artifact_pb2, artifact_pb2_grpc, store_pb2, store_pb2_grpc
from strongroom.plugin.host import Executable
from strongroom.plugin.serve.broker import Broker
from strongroom.plugin.serve.client import RemoteExecutable, new_channel
from strongroom.plugin.serve.wire import SIDE_CALL_TIMEOUT_S

__all__ = ["RemoteArtifacts", "RemoteRegistry", "RemoteStore"]

Metadata = Sequence[tuple[str, str]]
# Binaries are limited by the host; this bounds what a host that lies can make a plugin hold.
ARTIFACT_BYTES_MAX: Final = 1024 * 1024 * 1024
FETCH_TIMEOUT_S: Final = 120.0
CLASSES: Final[dict[grpc.StatusCode, type[StrongroomError]]] = {
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInput,
    grpc.StatusCode.PERMISSION_DENIED: Forbidden,
    grpc.StatusCode.UNAUTHENTICATED: Forbidden,
    grpc.StatusCode.RESOURCE_EXHAUSTED: LimitExceeded,
    grpc.StatusCode.DEADLINE_EXCEEDED: TimedOut,
}


@contextmanager
def _told_as_ours() -> Iterator[None]:
    try:
        yield
    except grpc.RpcError as error:
        raise CLASSES.get(error.code(), Unavailable)("SR-PLUG-013", error.details() or error.code().name) from error


class RemoteStore:
    """``Store`` over ``StoreService``."""

    def __init__(self, channel: grpc.Channel, metadata: Metadata) -> None:
        self._stub = store_pb2_grpc.StoreServiceStub(channel)
        self._metadata = tuple(metadata)

    def get(self, key: str, *, owner: str = "") -> bytes | None:
        """The value, or ``None``."""
        with _told_as_ours():
            reply = self._stub.Get(
                store_pb2.GetRequest(owner=owner, key=key), timeout=SIDE_CALL_TIMEOUT_S, metadata=self._metadata
            )
        return reply.value if reply.found else None

    def put(self, key: str, value: bytes, *, owner: str = "") -> None:
        """Replace the value."""
        with _told_as_ours():
            self._stub.Put(
                store_pb2.PutRequest(owner=owner, key=key, value=value),
                timeout=SIDE_CALL_TIMEOUT_S,
                metadata=self._metadata,
            )

    def delete(self, key: str, *, owner: str = "") -> None:
        """Remove the value."""
        with _told_as_ours():
            self._stub.Delete(
                store_pb2.DeleteRequest(owner=owner, key=key), timeout=SIDE_CALL_TIMEOUT_S, metadata=self._metadata
            )

    def list(self, prefix: str = "", *, owner: str = "") -> list[str]:
        """The keys that start with ``prefix``."""
        with _told_as_ours():
            reply = self._stub.List(
                store_pb2.ListRequest(owner=owner, prefix=prefix), timeout=SIDE_CALL_TIMEOUT_S, metadata=self._metadata
            )
        return list(reply.keys)


class RemoteRegistry:
    """``Registry`` over ``loop.CapabilitiesRegistry``: the host serves what was asked for, and this dials it."""

    def __init__(self, channel: grpc.Channel, metadata: Metadata, broker: Broker) -> None:
        self._stub = loop_pb2_grpc.CapabilitiesRegistryStub(channel)
        self._metadata = tuple(metadata)
        self._broker = broker
        self._lock = threading.Lock()
        self._dialled: dict[str, RemoteExecutable] = {}

    def get_executable(self, capability_id: str) -> Executable:
        """The capability. Asked for once; the host keeps it up to date behind the same socket."""
        with self._lock:
            known = self._dialled.get(capability_id)
            if known is None:
                with _told_as_ours():
                    reply = self._stub.GetExecutable(
                        loop_pb2.GetExecutableRequest(id=capability_id),
                        timeout=SIDE_CALL_TIMEOUT_S,
                        metadata=self._metadata,
                    )
                channel = new_channel(self._broker.target_of(reply.capabilityID))
                known = self._dialled[capability_id] = RemoteExecutable(channel, self._metadata, plain=True)
            return known

    def add(self, number: int, kind: "loop_pb2.ExecuteAPIType.ValueType", remaining_s: Callable[[], float]) -> None:
        """Offer what is served under a broker id."""
        with _told_as_ours():
            self._stub.Add(
                loop_pb2.AddRequest(capabilityID=number, type=kind), timeout=remaining_s(), metadata=self._metadata
            )


class RemoteArtifacts:
    """``Artifacts`` over ``ArtifactService``."""

    def __init__(self, channel: grpc.Channel, metadata: Metadata) -> None:
        self._stub = artifact_pb2_grpc.ArtifactServiceStub(channel)
        self._metadata = tuple(metadata)

    def fetch(self, sha256_hex: str) -> bytes:
        """Exactly the stored bytes. Raises ``NotFound``; ``LimitExceeded`` for more than the host announced."""
        data = bytearray()
        total = -1
        with _told_as_ours():
            for message in self._stub.Fetch(
                artifact_pb2.FetchRequest(sha256=sha256_hex), timeout=FETCH_TIMEOUT_S, metadata=self._metadata
            ):
                total = message.total_bytes if total < 0 else total
                data += message.chunk
                if len(data) > min(total, ARTIFACT_BYTES_MAX):
                    raise LimitExceeded(
                        "SR-PLUG-014",
                        f"the host sent more than {min(total, ARTIFACT_BYTES_MAX)} bytes of an artifact",
                        size=len(data),
                        limit=min(total, ARTIFACT_BYTES_MAX),
                        setting="ARTIFACT_BYTES_MAX",
                    )
        if len(data) != max(total, 0):
            raise Unavailable("SR-PLUG-015", f"the artifact broke off after {len(data)} of {total} bytes")
        return bytes(data)
