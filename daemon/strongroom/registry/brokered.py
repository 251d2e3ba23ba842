"""The registry as one plugin process reaches it: what it adds is dialled, what it asks for is served to it."""

import contextlib
import logging
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

import grpc
from google.protobuf import empty_pb2

from strongroom.errors import Forbidden, InvalidInput, LimitExceeded, PluginFault
from strongroom.pb.capabilities.v1 import capabilities_pb2, capabilities_pb2_grpc
from strongroom.pb.loop import loop_pb2
from strongroom.plugin.info import KIND_OF, TYPE_OF
from strongroom.plugin.serve.broker import Broker
from strongroom.plugin.serve.client import RemoteExecutable, RemoteTrigger, new_channel
from strongroom.plugin.serve.server import capability_handlers, new_server
from strongroom.plugin.serve.token import TokenCheck
from strongroom.registry.handles import CapabilityExecutable
from strongroom.registry.offers import Offers
from strongroom.registry.registry import Registry

__all__ = ["BrokeredRegistry"]

# Each capability that a plugin asks for is a socket and a thread of the host.
SERVED_MAX: Final = 64
INFO_TIMEOUT_S: Final = 10.0
EXECUTES: Final = frozenset({loop_pb2.EXECUTE_API_TYPE_EXECUTE, loop_pb2.EXECUTE_API_TYPE_COMBINED})
TRIGGERS: Final = frozenset({loop_pb2.EXECUTE_API_TYPE_TRIGGER, loop_pb2.EXECUTE_API_TYPE_COMBINED})


class BrokeredRegistry:
    """One plugin process's door to the registry, for one life of that process."""

    def __init__(
        self,
        *,
        broker: Broker,
        offers: Offers,
        registry: Registry,
        directory: Path,
        pool: ThreadPoolExecutor,
        check: TokenCheck,
        metadata: Sequence[tuple[str, str]],
        plain: Callable[[], bool],
        log: logging.Logger,
    ) -> None:
        """``plain()`` says whether the plugin is known to be one of ours."""
        self._broker = broker
        self._offers = offers
        self._registry = registry
        self._directory = directory
        self._pool = pool
        self._check = check
        self._metadata = tuple(metadata)
        self._plain = plain
        self._log = log
        self._lock = threading.Lock()
        self._channels: list[grpc.Channel] = []
        self._served: dict[str, tuple[str, grpc.Server]] = {}

    def add(self, number: int, api_type: int) -> None:
        """Dial what the plugin serves under a broker id, and register it."""
        if api_type not in EXECUTES | TRIGGERS:
            raise InvalidInput("SR-PLUG-027", f"unknown capability type: {api_type}", field="type")
        channel = new_channel(self._broker.target_of(number))
        with self._lock:
            self._channels.append(channel)
        self.add_from(channel, executes=api_type in EXECUTES, triggers=api_type in TRIGGERS)

    def add_from(self, channel: grpc.Channel, *, executes: bool, triggers: bool) -> None:
        """Ask what is served on a channel, and register it. Raises ``StrongroomError``."""
        try:
            info = capabilities_pb2_grpc.BaseCapabilityStub(channel).Info(
                empty_pb2.Empty(), timeout=INFO_TIMEOUT_S, metadata=self._metadata
            )
        except grpc.RpcError as error:
            raise PluginFault("SR-PLUG-028", f"the capability does not answer Info: {error.details()}") from error
        kind = KIND_OF.get(info.capability_type)
        if kind is None:
            raise InvalidInput("SR-PLUG-027", f"unknown capability type: {info.capability_type}", field="type")
        self._offers.add(
            info.id,
            kind,
            info.description,
            executable=RemoteExecutable(channel, self._metadata, plain=self._plain()) if executes else None,
            trigger=RemoteTrigger(channel, self._metadata) if triggers else None,
        )

    def offer_executable(self, capability_id: str) -> int:
        """Serve a capability to the plugin; its broker id. Raises ``Forbidden`` for what is not for this plugin."""
        self._offers.refuse_system_only(capability_id)
        handle = self._registry.get_executable(capability_id)
        with self._lock:
            if capability_id not in self._served:
                if len(self._served) >= SERVED_MAX:
                    raise LimitExceeded(
                        "SR-PLUG-029",
                        f"a plugin may ask for {SERVED_MAX} capabilities",
                        size=SERVED_MAX + 1,
                        limit=SERVED_MAX,
                        setting="SERVED_MAX",
                    )
                self._served[capability_id] = self._serve(handle)
            path, _server = self._served[capability_id]
        return self._broker.announce(path)

    def offer_all(self) -> list[int]:
        """Serve every executable capability to the plugin; their broker ids."""
        own = set(self._offers.ids)
        numbers = []
        for entry in self._registry.list():
            if entry.available and entry.id not in own:
                with contextlib.suppress(InvalidInput, Forbidden):  # it is only a trigger, or not for this plugin
                    numbers.append(self.offer_executable(entry.id))
        return numbers

    def remove(self, capability_id: str) -> None:
        """Take away a capability of this plugin."""
        self._offers.remove(capability_id)

    def log_error(self, message: str) -> None:
        """Log what the plugin reports as an error."""
        self._log.error("%s", message[:10_000])

    def close(self) -> None:
        """Hang up. Calls in flight fail with Unavailable at once."""
        with self._lock:
            channels, self._channels = self._channels, []
            served, self._served = self._served, {}
        for channel in channels:
            channel.close()
        for _path, server in served.values():
            server.stop(None)

    def _serve(self, handle: CapabilityExecutable) -> tuple[str, grpc.Server]:
        entry = handle.entry
        path = tempfile.mktemp(prefix="host", dir=self._directory)  # noqa: S306 - in a private directory
        server = new_server(self._pool, path, None)
        info = capabilities_pb2.CapabilityInfoReply(
            id=entry.id, capability_type=TYPE_OF[entry.kind], description=entry.description, isLocal=True
        )
        server.add_generic_rpc_handlers(capability_handlers(info, partial(_execute, handle), None, self._check))
        server.start()
        return path, server


def _execute(
    handle: CapabilityExecutable, request: capabilities_pb2.CapabilityRequest, timeout_s: float
) -> capabilities_pb2.CapabilityResponse:
    return handle.execute(request, timeout_s=timeout_s)
