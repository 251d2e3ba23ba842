"""Which mounts of which project somebody means, in the order in which a refusal is due.

1. The project's file is found and read. 2. Who is signed out is refused. 3. Names are checked. 4. Only then an absent
mount is added to the file.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from strongroom.errors import Conflict, InvalidInput, LimitExceeded, NotFound
from strongroom.plugin.workspaces import check_workspace_id
from strongroom.workspace.mount.faults import not_declared
from strongroom.workspace.mount.known import Known
from strongroom.workspace.mount.opened import OpenedMount
from strongroom.workspace.mount.project_edit import add_mount
from strongroom.workspace.mount.project_file import FILE_NAME, MountEntry, ProjectFile, find_project, read_project
from strongroom.workspace.mount.project_state import STATE_NAME

__all__ = ["Chosen", "check_room", "check_unique", "choose"]

PATH_BYTES_MAX: Final = 4_096
"""PATH_MAX of Linux."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A project, those of its mounts that are meant, whose keys open them, and whether its file was written."""

    file: ProjectFile
    entries: tuple[MountEntry, ...]
    owner_id: str
    declared: bool = False

    def with_entries(self, entries: Sequence[MountEntry]) -> "Chosen":
        """The same with fewer mounts."""
        return replace(self, entries=tuple(entries))


def choose(
    project_dir: Path, name: str, *, declare: bool, check: Callable[[ProjectFile], str], has_password: bool = False
) -> Chosen:
    """The mount ``name`` of the project at or above ``project_dir``, or all of them for the empty name.

    ``check`` returns the owner, or refuses. With ``declare`` an absent mount is added to the file in ``project_dir``
    itself, as one with a password where ``has_password`` says so. Raises ``NotFound``,
    ``InvalidInput``, ``Misconfigured``, ``StorageFault``, and what ``check`` raises.
    """
    _check_path(project_dir)
    try:
        file = read_project(find_project(project_dir))
    except NotFound:
        if not (declare and name and project_dir.is_dir()):
            raise
        file = ProjectFile(directory=project_dir.resolve(), mounts=())
    owner_id = check(file)
    if not name:
        if not file.mounts:
            raise not_declared("", str(file.path))
        return Chosen(file=file, entries=file.mounts, owner_id=owner_id)
    entry = file.entry(name)
    if entry is not None:
        return Chosen(file=file, entries=(entry,), owner_id=owner_id)
    if not declare:
        raise not_declared(name, str(file.path))
    # The name becomes the id of the workspace.
    check_workspace_id(name)
    file = add_mount(project_dir.resolve(), name, has_password=has_password)
    return Chosen(file=file, entries=file.mounts[-1:], owner_id=owner_id, declared=True)


def check_unique(
    chosen: Chosen, find: Callable[[str], Known | None], find_open: Callable[[str], OpenedMount | None]
) -> None:
    """Raises ``Conflict`` when another project has one of the names on this host, or one is open as its file no longer
    says: who turned its views off must not be told that all is well."""
    for entry in chosen.entries:
        known = find(entry.name)
        if known is not None and known.project_dir != chosen.file.directory:
            raise Conflict(
                "SR-MOUNT-028",
                f"the name {entry.name} is mounted from {known.project_dir}",
                why="names of mounts are unique on a host",
                fix=f"`strongroom workspace unmount {entry.name}`, or choose another name in {chosen.file.path}",
                mount=entry.name,
            )
        opened = find_open(entry.name)
        if opened is not None and replace(opened.entry, where="") != replace(entry, where=""):
            raise Conflict(
                "SR-MOUNT-038",
                f"{entry.name} is open with other settings than {chosen.file.path} has now",
                why="the file was changed since; what is open stays as it was opened",
                fix=f"`strongroom workspace unmount {entry.name}`, then mount it again",
                mount=entry.name,
            )


def check_room(open_mounts: int, more: int, limit: int) -> None:
    """Raises ``LimitExceeded`` when ``more`` mounts are too many."""
    size = open_mounts + more
    if more and size > limit:
        raise LimitExceeded(
            "SR-MOUNT-029",
            f"{size} workspaces would be mounted",
            why=f"the limit is {limit}: each is a document in memory and a log",
            fix="unmount some, or raise workspaces.mounts_max",
            size=size,
            limit=limit,
            setting="workspaces.mounts_max",
        )


def _check_path(project_dir: Path) -> None:
    text = str(project_dir)
    if not project_dir.is_absolute() or "\0" in text or len(text) > PATH_BYTES_MAX:
        raise InvalidInput(
            "SR-MOUNT-030",
            "the directory of a project is an absolute path",
            why=f"relative ones would count from the daemon's directory; {FILE_NAME} stands in it or above it",
            fix="give the whole path",
            field="project_dir",
        )
    if STATE_NAME in project_dir.parts or STATE_NAME in project_dir.resolve().parts:
        raise InvalidInput(
            "SR-MOUNT-039",
            f"{project_dir} is inside the {STATE_NAME} of a project",
            why="that belongs to the host, which may replace what is in it",
            fix="name the directory of the project",
            field="project_dir",
        )
