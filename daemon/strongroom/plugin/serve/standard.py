"""``capabilities.StandardCapabilities`` of a plugin process: builds the plugin, starts it, offers what it has."""

import json
import logging
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, Literal

import grpc
from google.protobuf import empty_pb2

from strongroom.errors import InvalidInput, StrongroomError
from strongroom.pb.capabilities.v1 import capabilities_pb2, capabilities_pb2_grpc
from strongroom.pb.loop import loop_pb2
from strongroom.plugin.build import Hooks, build_plugin
from strongroom.plugin.capability import Capability
from strongroom.plugin.dispatch import TriggerBook, invoke
from strongroom.plugin.host import Host
from strongroom.plugin.info import capability_info
from strongroom.plugin.serve.broker import Broker
from strongroom.plugin.serve.client import new_channel
from strongroom.plugin.serve.remote_host import RemoteArtifacts, RemoteRegistry, RemoteStore
from strongroom.plugin.serve.server import capability_handlers, new_server
from strongroom.plugin.serve.token import TokenCheck, token_metadata
from strongroom.plugin.serve.wire import INITIALISE_TIMEOUT_S

__all__ = ["StandardCapabilities"]

# Each registration of a trigger holds a thread of its capability's server for as long as it lives.
TRIGGER_THREADS_MAX: Final = 1024

log = logging.getLogger("strongroom.plugin")


class StandardCapabilities(capabilities_pb2_grpc.StandardCapabilitiesServicer):
    """The plugin behind one process."""

    def __init__(
        self,
        factory: Callable[..., object],
        *,
        name: str,
        mode: Literal["dev", "serve"],
        broker: Broker,
        directory: str,
        token: str,
        check: TokenCheck,
        pool: ThreadPoolExecutor,
    ) -> None:
        self.name = name
        self.ready = False
        self._factory = factory
        self._mode: Literal["dev", "serve"] = mode
        self._broker = broker
        self._directory = directory
        self._metadata = token_metadata(token)
        self._check = check
        self._pool = pool
        self._lock = threading.Lock()
        self._hooks: Hooks | None = None
        self._infos: list[capabilities_pb2.CapabilityInfoReply] = []
        self._servers: list[grpc.Server] = []
        self._books: list[TriggerBook] = []

    def Initialise(self, request: capabilities_pb2.InitialiseRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Dial the host, build the plugin from its config, start it, serve and offer each capability."""
        left = context.time_remaining()
        deadline = time.monotonic() + (INITIALISE_TIMEOUT_S if left is None else left)
        with self._lock:
            if self._hooks is not None:
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, "this plugin is initialised already")
            try:
                self._start(request, lambda: max(0.0, deadline - time.monotonic()))
            except Exception as error:
                log.exception("the plugin did not start")
                # The operator reads this where the host tells of its plugins, and nowhere else what to do.
                text = error.with_fix() if isinstance(error, StrongroomError) else f"{type(error).__name__}: {error}"
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, text[:2000])
        return empty_pb2.Empty()

    def Infos(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> capabilities_pb2.CapabilityInfosReply:
        """What this plugin offers."""
        return capabilities_pb2.CapabilityInfosReply(infos=self._infos)

    def close(self) -> None:
        """Stop offering, and tell the plugin. A second call does nothing."""
        with self._lock:
            hooks, self._hooks, self.ready = self._hooks, None, False
        for book in self._books:
            book.close()
        for server in self._servers:
            server.stop(None)
        if hooks is not None:
            try:
                hooks.stop()
            except Exception:
                log.exception("stop() failed")

    def _start(self, request: capabilities_pb2.InitialiseRequest, left_s: Callable[[], float]) -> None:
        channel = new_channel(self._broker.target_of(request.capRegistry_id))
        registry = RemoteRegistry(channel, self._metadata, self._broker)
        plugin = build_plugin(self._factory, _config_of(request.config), name=self.name)
        hooks = Hooks(plugin, name=self.name)
        hooks.refuse_mounts()
        hooks.refuse_key_providers()
        hooks.start(
            Host(
                name=self.name,
                mode=self._mode,
                store=RemoteStore(channel, self._metadata),
                registry=registry,
                artifacts=RemoteArtifacts(channel, self._metadata),
                log=logging.getLogger(self.name),
            )
        )
        self._hooks = hooks
        for capability in hooks.capabilities():
            info = capability_info(capability)
            registry.add(self._broker.announce(self._serve(capability, info)), _api_type(capability), left_s)
            self._infos.append(info)
        self.ready = True

    def _serve(self, capability: Capability, info: capabilities_pb2.CapabilityInfoReply) -> str:
        """Serve one capability on a socket of its own; its path."""
        path = tempfile.mktemp(prefix="plugin", dir=self._directory)  # noqa: S306 - in a private directory
        book = TriggerBook(capability) if capability.triggers else None
        pool = self._pool if book is None else ThreadPoolExecutor(TRIGGER_THREADS_MAX, thread_name_prefix="trigger")
        server = new_server(pool, path, None)
        served = partial(invoke, capability) if capability.methods else None
        server.add_generic_rpc_handlers(capability_handlers(info, served, book, self._check))
        server.start()
        self._servers.append(server)
        if book is not None:
            self._books.append(book)
        return path


def _config_of(text: str) -> dict[str, Any]:
    """The config section. Any: its values belong to the plugin."""
    try:
        config = json.loads(text or "{}")
    except ValueError as error:
        raise InvalidInput("SR-PLUG-016", "the config is not JSON", why=str(error), field="config") from error
    if not isinstance(config, dict):
        raise InvalidInput("SR-PLUG-016", "the config must be a JSON object", field="config")
    return config


def _api_type(capability: Capability) -> "loop_pb2.ExecuteAPIType.ValueType":
    if capability.methods and capability.triggers:
        return loop_pb2.EXECUTE_API_TYPE_COMBINED
    return loop_pb2.EXECUTE_API_TYPE_TRIGGER if capability.triggers else loop_pb2.EXECUTE_API_TYPE_EXECUTE
