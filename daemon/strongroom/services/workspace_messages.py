"""Mounts and entries as API messages."""

from strongroom.pb.strongroom.v1 import workspace_pb2
from strongroom.plugin.workspace_access import WorkspaceItem
from strongroom.workspace.mount.info import MountInfo, MountStatus

__all__ = ["entry_message", "mount_message"]


def entry_message(item: WorkspaceItem) -> workspace_pb2.WorkspaceEntry:
    """An entry, or why it cannot be read."""
    entry = workspace_pb2.WorkspaceEntry(
        key=item.key,
        time_ms=item.time_ms,
        key_version=item.key_version,
        invalid=bool(item.faults),
        faults=list(item.faults),
    )
    if item.json is None:
        entry.unreadable = item.unreadable
    else:
        entry.json = item.json
    return entry


def mount_message(info: MountInfo, status: MountStatus | None) -> workspace_pb2.WorkspaceMount:
    """A mount; ``status`` is there for one that is open."""
    mount = workspace_pb2.WorkspaceMount(
        name=info.name,
        project_dir=str(info.project_dir),
        state=info.state,
        problem=f"{info.problem} ({info.code})" if info.code else info.problem,
        workspace_id=info.workspace_id,
        owner_id=info.owner_id,
        provider=info.provider,
        keys="password" if info.state == "locked" else "",
    )
    if status is not None:
        mount.keys = status.keys
        mount.entries = sum(status.entries.values())
        mount.unreadable = status.unreadable_count
        mount.key_version = status.key_version
        mount.log_bytes = status.log_bytes
        mount.sync = status.sync
        mount.sync_problem = status.sync_problem
        mount.views.extend(status.views)
    return mount
