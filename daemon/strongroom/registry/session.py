"""One life of a plugin process: spawn, handshake, health, side services, ``Initialise``; then watch it, and end it."""

import hmac
import json
import logging
import os
import secrets
import select
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf import empty_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from strongroom.errors import PluginFault
from strongroom.pb.capabilities.v1 import capabilities_pb2, capabilities_pb2_grpc
from strongroom.pb.plugin import plugin_pb2, plugin_pb2_grpc
from strongroom.plugin.host import Artifacts, Store
from strongroom.plugin.serve.broker import Broker
from strongroom.plugin.serve.client import new_channel
from strongroom.plugin.serve.server import new_server
from strongroom.plugin.serve.token import TokenCheck, proof_of, token_metadata
from strongroom.plugin.serve.wire import HEALTH_SERVICE, PROOF_KEY
from strongroom.registry.brokered import BrokeredRegistry
from strongroom.registry.child import Child, plugin_environment
from strongroom.registry.handshake import read_handshake
from strongroom.registry.limits import Supervision
from strongroom.registry.offers import Offers
from strongroom.registry.pins import checked_command
from strongroom.registry.plugin_logs import LogForwarder, drain, forward
from strongroom.registry.registry import Registry
from strongroom.registry.side_services import add_side_services
from strongroom.registry.stdio import read_stdio
from strongroom.settings.manifest import Pin

__all__ = ["Session", "SessionSetup"]

# sun_path holds 108 bytes with its end; the sockets in the directory have names of at most 24.
DIRECTORY_BYTES_MAX: Final = 107 - 25
SIDE_THREADS_MAX: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSetup:
    """What every life of one plugin process starts from."""

    name: str
    command: tuple[str, ...]
    config: Mapping[str, Any] = field(repr=False)  # Any: the section belongs to the plugin
    mode: str
    runtime_dir: Path
    registry: Registry
    offers: Offers
    store: Store
    artifacts: Artifacts
    supervision: Supervision
    log: logging.Logger
    pin: Pin | None = None
    hide: Callable[[str], object] = str
    """Told of the token that a process is given: it is never to be shown."""
    let_go: Callable[[str], object] = str
    """Told of the token once its process is gone, and nobody takes it any more."""


def private_directory(runtime_dir: Path, name: str) -> Path:
    """A new directory that only this user enters, with a path short enough for sockets in it."""
    short = len(os.fsencode(runtime_dir)) + len(name[:16]) + 12 <= DIRECTORY_BYTES_MAX
    if short:
        runtime_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{name[:16]}-", dir=runtime_dir if short else None))


class Session:
    """Used by the supervisor's one thread; ``abort`` and ``pid`` by any."""

    def __init__(self, setup: SessionSetup) -> None:
        self._setup = setup
        self._token = secrets.token_hex(32)
        setup.hide(self._token)
        self._metadata = token_metadata(self._token)
        self._aborted = False
        self._ours = False
        self._plain_server = False
        self._child: Child | None = None
        self._directory: Path | None = None
        self._channel: grpc.Channel | None = None
        self._server: grpc.Server | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._broker = Broker()
        self._brokered: BrokeredRegistry | None = None

    @property
    def pid(self) -> int:
        """The process, or 0."""
        return self._child.pid if self._child else 0

    def start(self) -> None:
        """Everything up to a ready plugin. Raises ``StrongroomError``; call ``close`` after that too."""
        setup, times = self._setup, self._setup.supervision
        self._directory = private_directory(setup.runtime_dir, setup.name)
        environment = plugin_environment(name=setup.name, mode=setup.mode, directory=self._directory, token=self._token)
        lines = LogForwarder(setup.log)
        with checked_command(setup.command, setup.pin) as checked:
            child = self._child = Child(checked.words, environment, self._directory, checked.program)
            if self._aborted:
                child.kill_leader()
            stderr = child.take_stderr()
            threading.Thread(target=forward, args=(stderr, lines), name="plugin-stderr", daemon=True).start()
            stdout = child.take_stdout()
            try:
                handshake = read_handshake(
                    stdout, child.pidfd, timeout_s=times.handshake_s, bytes_max=times.handshake_bytes_max
                )
            finally:
                threading.Thread(target=drain, args=(stdout,), name="plugin-stdout", daemon=True).start()
            checked.confirm()
        self._channel = new_channel(handshake.target)
        self._check_health(self._channel)
        self._open_side_services(self._channel)
        threading.Thread(
            target=read_stdio, args=(self._channel, self._metadata, lines), name="plugin-stdio", daemon=True
        ).start()
        self._initialise(self._channel)

    def watch(self, wake: int) -> str | None:
        """Wait until the process ends or is ill, and return why; ``None`` when ``wake`` becomes readable first."""
        if self._child is None or self._channel is None:
            return "it was not started"
        poll = select.poll()
        poll.register(self._child.pidfd, select.POLLIN)
        poll.register(wake, select.POLLIN)
        while True:
            ready = dict(poll.poll(self._setup.supervision.health_every_s * 1000))
            if wake in ready:
                return None
            if ready:
                return "the process ended"
            try:
                self._check_health(self._channel)
            except PluginFault as fault:
                return str(fault)

    def abort(self) -> None:
        """Kill the process from another thread, so that whatever waits for it stops waiting."""
        self._aborted = True
        if self._child is not None:
            self._child.kill_leader()

    def close(self, *, gently: bool = False) -> str:
        """End the process and everything around it; how it ended. ``gently`` asks it to end by itself first."""
        self._broker.close()
        if self._brokered is not None:
            self._brokered.close()
        if gently:
            self._ask_to_end()
        if self._channel is not None:
            self._channel.close()
        if self._server is not None:
            self._server.stop(None)
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        how = self._child.kill() if self._child is not None else "it was not started"
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
        self._setup.let_go(self._token)
        return how

    def _check_health(self, channel: grpc.Channel) -> None:
        """Ask whether it serves. A plain server without health is alive when it answers ``Info``."""
        timeout_s = self._setup.supervision.health_timeout_s
        try:
            if self._plain_server:
                capabilities_pb2_grpc.BaseCapabilityStub(channel).Info(
                    empty_pb2.Empty(), timeout=timeout_s, metadata=self._metadata
                )
                return
            reply, call = health_pb2_grpc.HealthStub(channel).Check.with_call(
                health_pb2.HealthCheckRequest(service=HEALTH_SERVICE),
                timeout=timeout_s,
                metadata=self._metadata,
                wait_for_ready=True,
            )
        except grpc.RpcError as error:
            if error.code() in {grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.NOT_FOUND}:
                self._plain_server = True
                return
            raise PluginFault("SR-PLUG-030", "health check failed", why=error.details() or error.code().name) from error
        if reply.status != health_pb2.HealthCheckResponse.SERVING:
            raise PluginFault("SR-PLUG-030", "health check failed", why=f"the plugin's status is {reply.status}")
        expected = proof_of(self._token)[0][1]
        for key, value in call.trailing_metadata() or ():
            if key == PROOF_KEY and isinstance(value, str) and hmac.compare_digest(value, expected):
                self._ours = True

    def _open_side_services(self, channel: grpc.Channel) -> None:
        setup = self._setup
        pool = self._pool = ThreadPoolExecutor(SIDE_THREADS_MAX, thread_name_prefix=f"{setup.name}-side")
        check = TokenCheck(self._token, lambda: self._ours)
        if self._directory is None:
            raise PluginFault("SR-PLUG-034", "the plugin has no directory")
        self._brokered = BrokeredRegistry(
            broker=self._broker,
            offers=setup.offers,
            registry=setup.registry,
            directory=self._directory,
            pool=pool,
            check=check,
            metadata=self._metadata,
            plain=lambda: self._ours,
            log=setup.log,
        )
        self._side_path = str(self._directory / "host.sock")
        self._server = new_server(pool, self._side_path, check)
        add_side_services(self._server, self._brokered, setup.store, setup.artifacts)
        self._server.start()
        threading.Thread(target=self._run_broker, args=(channel,), name="plugin-broker", daemon=True).start()

    def _run_broker(self, channel: grpc.Channel) -> None:
        try:
            stub = plugin_pb2_grpc.GRPCBrokerStub(channel)
            for info in stub.StartStream(self._broker.outgoing(), metadata=self._metadata):
                self._broker.take(info)
        except (grpc.RpcError, ValueError):  # a plain server has no broker; a closed channel has no stream
            self._setup.log.debug("the broker stream ended")

    def _initialise(self, channel: grpc.Channel) -> None:
        """Hand over config and side services; the plugin adds its capabilities meanwhile."""
        numbers = [self._broker.announce(self._side_path) for _ in range(10)]
        request = capabilities_pb2.InitialiseRequest(
            config=json.dumps(dict(self._setup.config)),
            error_log_id=numbers[0],
            pipeline_runner_id=numbers[1],
            telemetry_id=numbers[2],
            capRegistry_id=numbers[3],
            keyValueStore_id=numbers[4],
            relayer_set_id=numbers[5],
            oracle_factory_id=numbers[6],
            gateway_connector_id=numbers[7],
            keystore_id=numbers[8],
            org_resolver_id=numbers[9],
            capability_don_id=1,
        )
        try:
            capabilities_pb2_grpc.StandardCapabilitiesStub(channel).Initialise(
                request, timeout=self._setup.supervision.initialise_s, metadata=self._metadata
            )
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED and self._brokered is not None:
                self._plain_server = True
                self._brokered.add_from(channel, executes=True, triggers=False)
                return
            raise PluginFault(
                "SR-PLUG-031", f"Initialise failed: {error.details() or error.code().name}", plugin=self._setup.name
            ) from error

    def _ask_to_end(self) -> None:
        times, child, channel = self._setup.supervision, self._child, self._channel
        if child is None or channel is None:
            return
        try:
            plugin_pb2_grpc.GRPCControllerStub(channel).Shutdown(
                plugin_pb2.Empty(), timeout=times.stop_s, metadata=self._metadata
            )
        except grpc.RpcError:
            child.terminate()
        child.ended(times.stop_s)
