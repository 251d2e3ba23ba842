"""What a plugin process finds on its host's private socket: registry, store and artifacts (sections 8 and 9)."""

from collections.abc import Callable, Iterator
from typing import Any, NoReturn, Protocol

import grpc
from google.protobuf import empty_pb2

from strongroom.errors import (
    CapabilityError,
    Conflict,
    Forbidden,
    InvalidInput,
    LimitExceeded,
    NotFound,
    PluginFault,
    StrongroomError,
    Unavailable,
)
from strongroom.pb.loop import loop_pb2, loop_pb2_grpc
from strongroom.pb.strongroom.plugin.v1 import artifact_pb2, artifact_pb2_grpc, store_pb2, store_pb2_grpc
from strongroom.plugin.host import Artifacts, Store
from strongroom.plugin.serve.wire import CHUNK_BYTES

__all__ = ["Brokered", "add_side_services"]

STATUS = (
    (NotFound, grpc.StatusCode.NOT_FOUND),
    (Conflict, grpc.StatusCode.ALREADY_EXISTS),
    (LimitExceeded, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (InvalidInput, grpc.StatusCode.INVALID_ARGUMENT),
    (Forbidden, grpc.StatusCode.PERMISSION_DENIED),
    (Unavailable, grpc.StatusCode.UNAVAILABLE),
    (PluginFault, grpc.StatusCode.FAILED_PRECONDITION),
    (CapabilityError, grpc.StatusCode.FAILED_PRECONDITION),
)
# A host of one node: one network of one member that tolerates no fault. Its identity is of no use to anybody.
PEER_ID = bytes(32)
DON_ID = 1


class Brokered(Protocol):
    """The registry as one plugin process reaches it: capabilities by broker id."""

    def add(self, number: int, api_type: int) -> None:
        """Dial what the plugin serves under a broker id, and register it."""

    def offer_executable(self, capability_id: str) -> int:
        """Serve a capability to the plugin; its broker id."""

    def offer_all(self) -> list[int]:
        """Serve every executable capability to the plugin; their broker ids."""

    def remove(self, capability_id: str) -> None:
        """Take away a capability of this plugin."""

    def log_error(self, message: str) -> None:
        """Log what the plugin reports as an error."""


def add_side_services(server: grpc.Server, brokered: Brokered, store: Store, artifacts: Artifacts) -> None:
    """Serve everything on one socket. What is not here answers UNIMPLEMENTED."""
    loop_pb2_grpc.add_CapabilitiesRegistryServicer_to_server(_Registry(brokered), server)
    loop_pb2_grpc.add_KeyValueStoreServicer_to_server(_KeyValueStore(store), server)
    loop_pb2_grpc.add_ErrorLogServicer_to_server(_ErrorLog(brokered), server)
    store_pb2_grpc.add_StoreServiceServicer_to_server(_Store(store), server)
    artifact_pb2_grpc.add_ArtifactServiceServicer_to_server(_Artifacts(artifacts), server)


def _refuse(context: grpc.ServicerContext, error: StrongroomError) -> NoReturn:
    code = next((code for kind, code in STATUS if isinstance(error, kind)), grpc.StatusCode.INTERNAL)
    context.abort(code, str(error)[:2000])
    raise AssertionError("abort() raises")


class _Registry(loop_pb2_grpc.CapabilitiesRegistryServicer):
    def __init__(self, brokered: Brokered) -> None:
        self._brokered = brokered

    def _tried(self, context: grpc.ServicerContext, work: Callable[[], Any]) -> Any:
        # Any: each method answers another message.
        try:
            return work()
        except StrongroomError as error:
            _refuse(context, error)

    def Add(self, request: loop_pb2.AddRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """The plugin serves it already; the host dials, asks Info, and stores the entry."""
        self._tried(context, lambda: self._brokered.add(request.capabilityID, request.type))
        return empty_pb2.Empty()

    def Remove(self, request: loop_pb2.RemoveRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Only what this plugin offers."""
        self._tried(context, lambda: self._brokered.remove(request.id))
        return empty_pb2.Empty()

    def Get(self, request: loop_pb2.GetRequest, context: grpc.ServicerContext) -> loop_pb2.GetReply:
        """Executables only: triggers belong to workflows, not to plugins."""
        number = self._tried(context, lambda: self._brokered.offer_executable(request.id))
        return loop_pb2.GetReply(capabilityID=number, type=loop_pb2.EXECUTE_API_TYPE_EXECUTE)

    def GetExecutable(
        self, request: loop_pb2.GetExecutableRequest, context: grpc.ServicerContext
    ) -> loop_pb2.GetExecutableReply:
        """Serve it on a socket of its own."""
        number = self._tried(context, lambda: self._brokered.offer_executable(request.id))
        return loop_pb2.GetExecutableReply(capabilityID=number)

    def GetTrigger(
        self, request: loop_pb2.GetTriggerRequest, context: grpc.ServicerContext
    ) -> loop_pb2.GetTriggerReply:
        """Refused: triggers belong to workflows, not to plugins."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "this host serves no triggers to plugins")
        raise AssertionError("abort() raises")

    def List(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> loop_pb2.ListReply:
        """Everything that can be executed."""
        return loop_pb2.ListReply(capabilityID=self._tried(context, self._brokered.offer_all))

    def LocalNode(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> loop_pb2.NodeReply:
        """One node."""
        return _node()

    def NodeByPeerID(self, request: loop_pb2.NodeRequest, context: grpc.ServicerContext) -> loop_pb2.NodeReply:
        """The one node, or none."""
        if request.peerID != PEER_ID:
            context.abort(grpc.StatusCode.NOT_FOUND, "this host is one node, and has another peer id")
        return _node()

    def DONByID(self, request: loop_pb2.DONByIDRequest, context: grpc.ServicerContext) -> loop_pb2.DONByIDReply:
        """The one network, or none."""
        if request.donID != DON_ID:
            context.abort(grpc.StatusCode.NOT_FOUND, f"this host knows network {DON_ID} only")
        return loop_pb2.DONByIDReply(don=_don())

    def DONsForCapability(
        self, request: loop_pb2.DONForCapabilityRequest, context: grpc.ServicerContext
    ) -> loop_pb2.DONForCapabilityReply:
        """The one network offers everything."""
        return loop_pb2.DONForCapabilityReply(dons=[loop_pb2.DONWithNodes(don=_don(), nodes=[_node()])])

    def ConfigForCapability(
        self, request: loop_pb2.ConfigForCapabilityRequest, context: grpc.ServicerContext
    ) -> loop_pb2.ConfigForCapabilityReply:
        """Capabilities are configured in plugins.yaml, so there is nothing more to say than that they are local."""
        return loop_pb2.ConfigForCapabilityReply(capability_config=loop_pb2.CapabilityConfig(local_only=True))


def _don() -> loop_pb2.DON:
    return loop_pb2.DON(id=DON_ID, members=[PEER_ID], f=0, configVersion=1, name="local")


def _node() -> loop_pb2.NodeReply:
    return loop_pb2.NodeReply(
        peerID=PEER_ID,
        workflowDON=_don(),
        CapabilityDONs=[_don()],
        signer=bytes(32),
        encryptionPublicKey=bytes(32),
    )


class _KeyValueStore(loop_pb2_grpc.KeyValueStoreServicer):
    """The reference's store, over ours: values of the plugin itself."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def StoreKeyValue(self, request: loop_pb2.StoreKeyValueRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Answered after the disk has it."""
        try:
            self._store.put(request.key, request.value)
        except StrongroomError as error:
            _refuse(context, error)
        return empty_pb2.Empty()

    def GetValueForKey(
        self, request: loop_pb2.GetValueForKeyRequest, context: grpc.ServicerContext
    ) -> loop_pb2.GetValueForKeyResponse:
        """The value, or NOT_FOUND."""
        try:
            value = self._store.get(request.key)
        except StrongroomError as error:
            _refuse(context, error)
        if value is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "there is no such key")
        return loop_pb2.GetValueForKeyResponse(value=value or b"")

    def PruneExpiredEntries(
        self, request: loop_pb2.PruneExpiredEntriesRequest, context: grpc.ServicerContext
    ) -> loop_pb2.PruneExpiredEntriesResponse:
        """Refused: values here have no age; a plugin deletes what it no longer needs."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "values of this host do not expire")
        raise AssertionError("abort() raises")


class _ErrorLog(loop_pb2_grpc.ErrorLogServicer):
    def __init__(self, brokered: Brokered) -> None:
        self._brokered = brokered

    def SaveError(self, request: loop_pb2.SaveErrorRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Into the log."""
        self._brokered.log_error(request.message)
        return empty_pb2.Empty()


class _Store(store_pb2_grpc.StoreServiceServicer):
    def __init__(self, store: Store) -> None:
        self._store = store

    def Get(self, request: store_pb2.GetRequest, context: grpc.ServicerContext) -> store_pb2.GetResponse:
        """The value, or that there is none."""
        try:
            value = self._store.get(request.key, owner=request.owner)
        except StrongroomError as error:
            _refuse(context, error)
        return store_pb2.GetResponse(found=value is not None, value=value or b"")

    def Put(self, request: store_pb2.PutRequest, context: grpc.ServicerContext) -> store_pb2.PutResponse:
        """Answered after the disk has it."""
        try:
            self._store.put(request.key, request.value, owner=request.owner)
        except StrongroomError as error:
            _refuse(context, error)
        return store_pb2.PutResponse()

    def Delete(self, request: store_pb2.DeleteRequest, context: grpc.ServicerContext) -> store_pb2.DeleteResponse:
        """Answered after the disk has it."""
        try:
            self._store.delete(request.key, owner=request.owner)
        except StrongroomError as error:
            _refuse(context, error)
        return store_pb2.DeleteResponse()

    def List(self, request: store_pb2.ListRequest, context: grpc.ServicerContext) -> store_pb2.ListResponse:
        """Keys in ascending order."""
        try:
            return store_pb2.ListResponse(keys=self._store.list(request.prefix, owner=request.owner))
        except StrongroomError as error:
            _refuse(context, error)


class _Artifacts(artifact_pb2_grpc.ArtifactServiceServicer):
    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    def Fetch(
        self, request: artifact_pb2.FetchRequest, context: grpc.ServicerContext
    ) -> Iterator[artifact_pb2.FetchResponse]:
        """The stored bytes, in chunks."""
        try:
            data = self._artifacts.fetch(request.sha256)
        except StrongroomError as error:
            _refuse(context, error)
        yield artifact_pb2.FetchResponse(total_bytes=len(data), chunk=data[:CHUNK_BYTES])
        for start in range(CHUNK_BYTES, len(data), CHUNK_BYTES):
            yield artifact_pb2.FetchResponse(chunk=data[start : start + CHUNK_BYTES])
