"""What a backup is made of, as the host that makes it knows it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from strongroom.audit.audit_log import Snapshot as AuditSnapshot
from strongroom.backup.manifest import LeftOut
from strongroom.keyring.root import RootKeyring

__all__ = ["Sources", "Told", "WorkspaceSource", "left_out_among", "no_workspaces", "nothing_known"]

Told: TypeAlias = Callable[[str, int, int], object]
"""Hears what is being copied, and how much of how much is done. It may raise to end the backup."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceSource:
    """One mounted workspace: its log, and small files of its project, each with its place below the project."""

    name: str
    project_dir: Path
    owner_id: str
    workspace_id: str
    provider: str
    own: bool
    has_password: bool
    counts: Mapping[int, int]
    log: Path
    password_file: Path | None
    project_file: Path


def no_workspaces() -> Sequence[WorkspaceSource]:
    """Nothing is mounted."""
    return ()


def nothing_known() -> Sequence[LeftOut]:
    """Nothing was ever mounted."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """One host. ``audit`` gives the audit log as it is at that moment; ``work_dir`` is where parts are made."""

    database: str | Path
    root: RootKeyring
    state_dir: Path
    work_dir: Path
    audit: Callable[[], AuditSnapshot]
    audit_host: str
    workspaces: Callable[[], Sequence[WorkspaceSource]] = field(default=no_workspaces)
    known: Callable[[], Sequence[LeftOut]] = field(default=nothing_known)
    """Every workspace that the host remembers, whether it is open or not. Asked behind ``workspaces``."""


def left_out_among(known: Sequence[LeftOut], opened: Sequence[WorkspaceSource]) -> tuple[LeftOut, ...]:
    """What of ``known`` is not among those that were ``opened`` a moment before it was asked for."""
    logs = {(each.name, str(each.project_dir), each.owner_id, each.workspace_id) for each in opened}
    mounts = {log[:3] for log in logs}

    def is_open(each: LeftOut) -> bool:
        mount = each.name, each.project_dir, each.owner_id
        # One that is to be open and was not counted yet names no workspace, or the one before.
        return (*mount, each.workspace_id) in logs or (each.is_to_be_open and mount in mounts)

    return tuple(each for each in known if not is_open(each))
