"""``DIR/.strongroom``: what the host keeps in a project. For its user alone, and out of version control.

    log/       one sealed log for each workspace of each owner, and the salt of its password if it has one
    sqlite/    plaintext views that the project asked for
    md/        the same as folders of markdown
    lease.sqlite, lease.pid

Every step goes through a descriptor of the directory before it, so that nobody can put a link in its way.
Source: contracts/workspace-encryption.md 13.
"""

import contextlib
import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.errors import Misconfigured, StorageFault
from strongroom.workspace.persistence.names import RECORD_SUFFIX, database_file

__all__ = ["STATE_NAME", "ProjectState", "provision"]

STATE_NAME: Final = ".strongroom"
FOLDERS: Final = ("log", "sqlite", "md")
IGNORE: Final = b"# Sealed data and views of strongroom; none of it belongs into version control.\n*\n"
_LINK: Final = frozenset({errno.ELOOP, errno.ENOTDIR})
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class ProjectState:
    """The provisioned directory of one project."""

    directory: Path

    @property
    def log_root(self) -> Path:
        """Where the logs are, by server and owner."""
        return self.directory / "log"

    def log_path(self, server: str, owner_id: str, workspace_id: str) -> Path:
        """Where the log of a workspace of an owner stands. Raises ``InvalidInput`` for an id that names no file."""
        return database_file(self.log_root, server, owner_id, workspace_id)

    def password_path(self, server: str, owner_id: str, workspace_id: str) -> Path:
        """Where the record of its password stands: beside the log, with which it is copied and restored."""
        return self.log_path(server, owner_id, workspace_id).with_suffix(RECORD_SUFFIX)

    def make_log_path(self, server: str, owner_id: str, workspace_id: str) -> Path:
        """``log_path``, with its directories. Raises as ``provision`` does."""
        path = self.log_path(server, owner_id, workspace_id)
        place = self.log_root
        parent = os.open(place, _FOLDER)
        try:
            for name in path.parent.relative_to(place).parts:
                place /= name
                below = _private(parent, name, place)
                os.close(parent)
                parent = below
        finally:
            os.close(parent)
        return path


def provision(project_dir: Path) -> ProjectState:
    """Make what is missing, with mode 0700. Raises ``Misconfigured`` for links, for what is no directory, and for what
    belongs to another user, and ``StorageFault`` where nothing can be made."""
    try:
        project = os.open(project_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _unusable(project_dir, error) from error
    try:
        _check_owner(project, project_dir)
        state = _private(project, STATE_NAME, project_dir / STATE_NAME)
        try:
            for name in FOLDERS:
                os.close(_private(state, name, project_dir / STATE_NAME / name))
            _ignore(state, project_dir / STATE_NAME)
        finally:
            os.close(state)
    finally:
        os.close(project)
    return ProjectState(project_dir / STATE_NAME)


def _private(parent: int, name: str, path: Path) -> int:
    """A descriptor of the directory ``name`` in ``parent``, which is ours alone now."""
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=parent)
        descriptor = os.open(name, _FOLDER, dir_fd=parent)
    except (NotADirectoryError, FileNotFoundError):
        raise _refused(path, "it is a link, or no directory") from None
    except OSError as error:
        if error.errno in _LINK:
            raise _refused(path, "it is a link, or no directory") from None
        raise _unusable(path, error) from error
    try:
        _check_owner(descriptor, path)
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != 0o700:
            os.fchmod(descriptor, 0o700)
    except OSError as error:
        os.close(descriptor)
        raise _unusable(path, error) from error
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_owner(descriptor: int, path: Path) -> None:
    owner = os.fstat(descriptor).st_uid
    if owner != os.geteuid():
        raise _refused(path, f"it belongs to user {owner}")


def _ignore(state: int, path: Path) -> None:
    try:
        descriptor = os.open(".gitignore", _CREATE, 0o600, dir_fd=state)
    except FileExistsError:
        return
    except OSError as error:
        raise _unusable(path, error) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(IGNORE)


def _refused(path: Path, why: str) -> Misconfigured:
    return Misconfigured(
        "SR-MOUNT-007",
        f"{path} cannot hold the state of a project",
        why=why,
        fix="move it away, or mount a directory that belongs to the user of the daemon",
        where=str(path),
    )


def _unusable(path: Path, error: OSError) -> StorageFault:
    return StorageFault(
        "SR-MOUNT-008",
        f"{path} cannot be used for the state of a project",
        why=error.strerror or type(error).__name__,
        fix="let the user of the daemon write there, and make room; nothing was opened",
    )
