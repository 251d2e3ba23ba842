"""Deleting what one owner has in a project: sealed logs, and the views that show them. Nothing of others goes.

Signing out does not do it: local data is sealed and may be wanted again. A project that is open anywhere is refused.
Source: contracts/workspace-encryption.md 10.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from strongroom.errors import NotFound, WrongState
from strongroom.telemetry import logs
from strongroom.workspace.materialize.views import remove_views, view_paths
from strongroom.workspace.mount.leases import Leases
from strongroom.workspace.mount.opened import OpenedMount
from strongroom.workspace.mount.opening import LOCAL
from strongroom.workspace.mount.project_state import STATE_NAME
from strongroom.workspace.mount.register import Register
from strongroom.workspace.persistence.wipe import local_files, wipe

__all__ = ["Wiped", "wipe_project"]

log = logs.get("workspace.mount")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiped:
    """What was deleted, or would be: paths below the project, and their bytes in all."""

    paths: tuple[str, ...]
    size_bytes: int


def wipe_project(
    project_dir: Path,
    server: str,
    owner_id: str,
    opened: Sequence[OpenedMount],
    leases: Leases,
    register: Register,
    *,
    dry_run: bool,
) -> Wiped:
    """Delete the data of ``owner_id`` at ``server`` in a project. The caller lets go of the lease.

    Raises ``NotFound`` where no data is, ``WrongState`` while it is mounted, ``Unavailable`` while another daemon has
    it, ``InvalidInput`` for an owner that names no file, and ``StorageFault``. What a crash leaves goes the next time.
    """
    project, server = project_dir.resolve(), server or LOCAL
    if not (project / STATE_NAME).is_dir():
        raise NotFound(
            "SR-MOUNT-036",
            f"{project} holds no data of workspaces",
            why=f"there is no {STATE_NAME} in it",
            fix="name the directory in which strongroom.toml stands",
        )
    mounted = [each.name for each in opened if each.project_dir == project]
    if mounted:
        raise WrongState(
            "SR-MOUNT-037",
            f"{project} is mounted, so nothing of it is wiped",
            why=f"{', '.join(mounted)} is open",
            fix=f"`strongroom workspace unmount {mounted[0]}`, then wipe",
            mount=mounted[0],
        )
    state, _ = leases.take(project)
    own = server == LOCAL
    names = register.names_of(project, owner_id, own=own)
    files = [
        *local_files(state.log_root, server, owner_id),
        *(path for name in names for path in view_paths(state.directory, name)),
    ]
    found = Wiped(paths=tuple(str(path.relative_to(project)) for path in files), size_bytes=sum(map(_size, files)))
    if not dry_run:
        wipe(state.log_root, server, owner_id)
        for name in names:
            remove_views(state.directory, name)
        register.wiped(project, owner_id, own=own)
        log.warning("the data of an owner was wiped", extra={"project": str(project), "files": len(files)})
    return found


def _size(path: Path) -> int:
    if path.is_dir() and not path.is_symlink():
        return sum(_size(each) for each in path.iterdir())
    return path.lstat().st_size
