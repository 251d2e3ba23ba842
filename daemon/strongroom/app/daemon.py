"""The life of the daemon: harden, lock, open, recover, serve, drain, stop."""

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from strongroom.app.access import api_servers
from strongroom.app.build import Mode, Parts, build
from strongroom.app.describe import describer
from strongroom.app.directories import private_directory
from strongroom.app.ending import STOP_S, Ending
from strongroom.app.hardening import harden
from strongroom.app.leftovers import PluginDirectories
from strongroom.app.lock import Keeper, StateLock
from strongroom.app.memory import return_large_buffers
from strongroom.app.pulse import Pulse
from strongroom.engine.refused_calls import RefusedCalls
from strongroom.pb.strongroom.v1 import (
    audit_pb2_grpc,
    capability_pb2_grpc,
    hook_pb2_grpc,
    keys_pb2_grpc,
    plugin_pb2_grpc,
    run_pb2_grpc,
    status_pb2_grpc,
    stream_pb2_grpc,
    workflow_pb2_grpc,
    workspace_pb2_grpc,
    world_pb2_grpc,
)
from strongroom.registry.states import Lifecycle, PluginState
from strongroom.services.audited import audited
from strongroom.services.capabilities import CapabilityService
from strongroom.services.hooks import HookService
from strongroom.services.keys import KeyService
from strongroom.services.places import streaming, waiting
from strongroom.services.plugins import PluginService
from strongroom.services.runs import RunService
from strongroom.services.server import ApiServers
from strongroom.services.status import StatusService
from strongroom.services.streams import StreamService
from strongroom.services.workflows import WorkflowService
from strongroom.services.workspaces import WorkspaceService
from strongroom.services.world import WorldService
from strongroom.settings.model import Settings
from strongroom.telemetry import logs

__all__ = ["Daemon", "run_daemon"]

GRACE_S: Final = 2.0
"""Time for calls to end after the drain; what they waited for has ended or goes on after the next start."""
log = logs.get("app")


class Daemon:
    """One running daemon. ``start`` returns when it is ready; ``stop`` when everything is down."""

    def __init__(self, settings: Settings, *, mode: Mode) -> None:
        self._settings = settings
        self._mode = mode
        self._started_ms = int(time.time() * 1000)
        self._server: ApiServers | None = None
        self._state = "starting"
        self._lock: StateLock | None = None
        self._plugin_directories: PluginDirectories | None = None
        self._parts: Parts | None = None
        self._pulse: Pulse | None = None
        self._step = "start"

    def still_open(self) -> dict[str, object]:
        """Which step of its life the host is in, and which runs and plugins have not ended."""
        parts = self._parts
        if parts is None:
            return {"step": self._step}
        ended = {Lifecycle.STOPPED, Lifecycle.FAILED, Lifecycle.DISABLED}
        plugins = [each.name for each in parts.plugins.states() if each.state not in ended]
        return {"step": self._step, "runs": len(parts.engine.dispatcher), "plugins": plugins}

    def plugins_down(self) -> list[PluginState]:
        """Enabled plugins that do not offer anything now."""
        up = {Lifecycle.READY, Lifecycle.DISABLED}
        return [] if self._parts is None else [each for each in self._parts.plugins.states() if each.state not in up]

    def start(self) -> None:
        """Open the state, start plugins and runners, resume what was cut off, and serve."""
        private_directory(self._settings.state_dir, "state_dir")
        self._lock = StateLock(self._settings.state_dir)
        try:
            self._plugin_directories = PluginDirectories(
                private_directory(self._settings.runtime_dir / "plugins", "runtime_dir")
            )
            parts = build(self._settings, mode=self._mode, on_plugin=self._plugin_changed)
            self._parts = parts
            parts.audit.start()
            parts.pool.start()
            parts.plugins.start()
            # After the plugins, which provide mounts; before runs, which may use them.
            parts.workspaces.start()
            if parts.development_owner is not None:
                parts.development_owner.start()
            self._server = self._api(parts)
            # Nothing is resumed by a host that could not be reached.
            self._server.check()
            resumed = parts.engine.resume()
            self._pulse = Pulse((Keeper(parts.host_lock, parts.engine.take_over), parts.engine.uptime.beat))
            self._pulse.start()
            self._server.start()
            parts.desk.open()
            parts.retention.start()
            parts.key_desk.rotation.resume()
        except BaseException:
            self.stop(drain_s=0)
            raise
        for plugin in parts.plugins.states():
            self._server.set_serving(plugin.name, plugin.state == "ready")
        self._state = "ready"
        self._server.set_serving("", True)
        parts.audit.watched_by(self._server.set_serving)
        log.info(
            "ready",
            extra={
                "socket": str(self._settings.socket),
                "admin_socket": str(self._settings.admin_socket_path),
                "resumed_runs": resumed,
                "mode": self._mode,
                "pid": os.getpid(),
            },
        )

    def stop(self, *, drain_s: float) -> None:
        """Accept nothing more, let runs end for ``drain_s`` seconds, then take everything down."""
        self._state = "draining"
        server, parts = self._server, self._parts
        self._step = "runs are waited for"
        if parts is not None:
            parts.desk.close()
            parts.retention.close()
            parts.key_desk.rotation.close()
        if parts is not None and not parts.engine.dispatcher.drain(drain_s):
            log.warning(
                "runs are unfinished; they go on after the next start", extra={"runs": len(parts.engine.dispatcher)}
            )
        self._step = "the API is closed"
        if server is not None:
            server.stop(GRACE_S)
        if parts is not None:
            self._close(parts)
        if self._plugin_directories is not None:
            self._plugin_directories.release()
        if self._lock is not None:
            self._lock.release()
        self._step = "everything is closed"
        log.info("stopped")

    def _close(self, parts: Parts) -> None:
        # Before what runs depend on is taken from them: none may end of that.
        parts.host.journals.stop()
        self._step = "runners are ended"
        parts.engine.dispatcher.close()
        if parts.development_owner is not None:
            parts.development_owner.close()
        parts.pool.close()
        self._step = "plugins are ended"
        parts.plugins.stop()
        self._step = "workspaces are closed"
        parts.workspaces.close()
        parts.engine.dispatcher.drain(GRACE_S)
        self._step = "the database is closed"
        if self._pulse is not None:
            self._pulse.close()
        parts.engine.uptime.beat()
        parts.audit.stop()
        parts.database.close()
        parts.host_lock.release()

    def _api(self, parts: Parts) -> ApiServers:
        settings = self._settings
        places, streams = waiting(), streaming()
        workflows = WorkflowService(
            parts.registration, parts.catalog, parts.owners, parts.desk, limits=settings.limits, waiting=places
        )
        runs = RunService(
            parts.engine,
            parts.history,
            parts.owners,
            retries=parts.retries,
            replays=parts.replays,
            waiting=places,
            streams=streams,
            audit=parts.audit.audit,
        )
        run_streams = StreamService(
            parts.host.stream_store, parts.host.stream_reader, places=streams, audit=parts.audit.audit
        )
        world = WorldService(parts.world, parts.owners, waiting=places, audit=parts.audit.audit)
        capabilities = CapabilityService(parts.registry, parts.owners)
        status = StatusService(describer(parts, self._started_ms, lambda: self._state))
        keys = KeyService(parts.key_desk, parts.keys.source)
        mounted = parts.workspaces
        workspaces = WorkspaceService(
            mounted.mounts,
            mounted.desk,
            mounted.upkeep,
            mounted.session,
            mounted.passwords,
            streams=streaming(),
            is_ending=lambda: self._state == "draining",
        )
        plugins = PluginService(parts.plugins.states)
        audit = parts.audit.service(lambda: self._state == "draining")
        recorded = partial(audited, audit=parts.audit.audit, own_owner=parts.owners.own)
        return api_servers(
            parts,
            self._mode,
            [
                partial(audit_pb2_grpc.add_AuditServiceServicer_to_server, audit),
                partial(
                    workflow_pb2_grpc.add_WorkflowServiceServicer_to_server, recorded("WorkflowService", workflows)
                ),
                partial(run_pb2_grpc.add_RunServiceServicer_to_server, recorded("RunService", runs)),
                partial(
                    capability_pb2_grpc.add_CapabilityServiceServicer_to_server,
                    recorded("CapabilityService", capabilities),
                ),
                partial(plugin_pb2_grpc.add_PluginServiceServicer_to_server, plugins),
                partial(keys_pb2_grpc.add_KeysServiceServicer_to_server, recorded("KeysService", keys)),
                partial(status_pb2_grpc.add_StatusServiceServicer_to_server, status),
                partial(stream_pb2_grpc.add_StreamServiceServicer_to_server, run_streams),
                partial(
                    workspace_pb2_grpc.add_WorkspaceServiceServicer_to_server, recorded("WorkspaceService", workspaces)
                ),
                partial(world_pb2_grpc.add_WorldServiceServicer_to_server, recorded("WorldService", world)),
                partial(
                    hook_pb2_grpc.add_HookServiceServicer_to_server, HookService(parts.hooks, audit=parts.audit.audit)
                ),
            ],
            on_refused=RefusedCalls(parts.audit.audit),
        )

    def _plugin_changed(self, plugin: PluginState) -> None:
        if self._parts is not None:
            self._parts.audit.plugin_changed(plugin)
        if self._server is not None:
            self._server.set_serving(plugin.name, plugin.state == "ready")
        signer = self._parts.development_owner if self._parts is not None else None
        if signer is not None and plugin.state == "ready":
            signer.wake()


def run_daemon(
    settings: Settings,
    *,
    mode: Mode,
    ready: Callable[[Sequence[PluginState]], None] | None = None,
    warnings: Sequence[str] = (),
) -> int:
    """Run until SIGTERM or SIGINT; a second one ends the wait for running work. Returns the exit code 0.

    ``ready`` is told of the plugins that are not. A stop that takes longer than the drain and ``STOP_S`` ends the
    process.

    Raises a ``StrongroomError`` when the daemon cannot start.
    """
    harden()
    return_large_buffers()
    logs.configure(settings.log.level, settings.log.format)
    for warning in warnings:
        log.warning(warning)
    drain_s = settings.limits.drain_timeout_ms / 1000
    ending = Ending(drain_s + STOP_S)
    ending.listen()
    daemon = Daemon(settings, mode=mode)
    ending.still_open = daemon.still_open
    daemon.start()
    if ready is not None:
        ready(daemon.plugins_down())
    ending.asked.wait()
    daemon.stop(drain_s=drain_s)
    return 0
