"""The services of the API over the parts of a daemon, each wired by hand, and the servers that answer for them."""

from collections.abc import Callable
from functools import partial

from strongroom.app.access import api_servers
from strongroom.app.backups import backup_desk
from strongroom.app.build import Parts
from strongroom.app.reload import Reloader
from strongroom.engine.refused_calls import RefusedCalls
from strongroom.pb.strongroom.v1 import (
    audit_pb2_grpc,
    backup_pb2_grpc,
    capability_pb2_grpc,
    hook_pb2_grpc,
    host_pb2_grpc,
    keys_pb2_grpc,
    plugin_pb2_grpc,
    run_pb2_grpc,
    status_pb2,
    status_pb2_grpc,
    stream_pb2_grpc,
    workflow_pb2_grpc,
    workspace_pb2_grpc,
    world_pb2_grpc,
)
from strongroom.services.audited import audited
from strongroom.services.backup import BackupService
from strongroom.services.capabilities import CapabilityService
from strongroom.services.hooks import HookService
from strongroom.services.host import HostService
from strongroom.services.keys import KeyService
from strongroom.services.places import streaming, waiting
from strongroom.services.plugins import PluginService
from strongroom.services.runs import RunService
from strongroom.services.server import ApiServers
from strongroom.services.shown_settings import shown
from strongroom.services.status import StatusService
from strongroom.services.streams import StreamService
from strongroom.services.workflows import WorkflowService
from strongroom.services.workspaces import WorkspaceService
from strongroom.services.world import WorldService

__all__ = ["api"]


def api(
    parts: Parts,
    *,
    reloader: Reloader,
    describe: Callable[[], status_pb2.StatusServiceGetResponse],
    state: Callable[[], str],
) -> ApiServers:
    """Servers that are not started yet. ``state`` is asked for the host's state, ``describe`` for all that it shows."""
    places, streams = waiting(), streaming()
    workflows = WorkflowService(
        parts.registration,
        parts.catalog,
        parts.owners,
        parts.desk,
        limits=lambda: reloader.settings.limits,
        waiting=places,
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
        parts.host.stream_store, parts.host.stream_reader, places=streams, audit=parts.audit.audit, disk=parts.disk
    )
    world = WorldService(parts.world, parts.owners, waiting=places, audit=parts.audit.audit)
    capabilities = CapabilityService(parts.registry, parts.owners)
    status = StatusService(describe, lambda: shown(reloader.settings))
    keys = KeyService(parts.key_desk, parts.keys.source)
    mounted = parts.workspaces
    workspaces = WorkspaceService(
        mounted.mounts,
        mounted.desk,
        mounted.upkeep,
        mounted.session,
        mounted.passwords,
        streams=streaming(),
        is_ending=lambda: state() == "draining",
    )
    plugins = PluginService(parts.plugins.states)
    backups = BackupService(backup_desk(parts), is_ending=lambda: state() == "draining")
    audit = parts.audit.service(lambda: state() == "draining")
    recorded = partial(audited, audit=parts.audit.audit, own_owner=parts.owners.own)
    return api_servers(
        parts,
        parts.mode,
        [
            partial(audit_pb2_grpc.add_AuditServiceServicer_to_server, audit),
            partial(workflow_pb2_grpc.add_WorkflowServiceServicer_to_server, recorded("WorkflowService", workflows)),
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
            partial(host_pb2_grpc.add_HostServiceServicer_to_server, recorded("HostService", HostService(reloader))),
            partial(backup_pb2_grpc.add_BackupServiceServicer_to_server, recorded("BackupService", backups)),
            partial(hook_pb2_grpc.add_HookServiceServicer_to_server, HookService(parts.hooks, audit=parts.audit.audit)),
        ],
        book=reloader.callers,
        on_refused=RefusedCalls(parts.audit.audit),
    )
