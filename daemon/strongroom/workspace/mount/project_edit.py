"""Adding a mount to ``strongroom.toml``: text behind the text that is there, so that a person's comments stay.

The result is read before it takes the place of the old one, in one step; what cannot be read never gets there.
"""

import json
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from strongroom.errors import Conflict, Misconfigured, NotFound, StorageFault
from strongroom.workspace.mount.project_file import (
    FILE_NAME,
    PASSWORD_KEYS,
    MountEntry,
    ProjectFile,
    check_names,
    parse_project,
    read_project,
)

__all__ = ["add_mount"]

HEADER: Final = "# Workspaces of this project, which strongroom mounts. docs/workspaces.md says what may stand here.\n"


def add_mount(directory: Path, name: str, *, has_password: bool = False) -> ProjectFile:
    """Declare the mount ``name`` in the project in ``directory``, whose file is made where there is none.

    Raises ``Misconfigured`` for a name that is none and for a file to which nothing can be added (a list that is
    written inline), ``StorageFault`` when it cannot be written. The file is then as it was.
    """
    path = directory / FILE_NAME
    try:
        before, mode = path.read_text(), stat.S_IMODE(path.stat().st_mode)
        known = read_project(directory).mounts
    except (FileNotFoundError, NotFound):
        before, mode, known = HEADER, 0o644, ()
    except OSError as error:
        raise _unwritable(path, error) from error
    check_names((*known, MountEntry(name=name)), path)
    # A JSON text without control characters is a TOML text.
    keys = f"keys = {json.dumps(PASSWORD_KEYS)}\n" if has_password else ""
    after = f"{before}{'' if before.endswith(chr(10)) else chr(10)}\n[[mounts]]\nname = {json.dumps(name)}\n{keys}"
    try:
        mounts = parse_project(after, path)
    except Misconfigured as error:
        raise Misconfigured(
            "SR-MOUNT-004",
            f"{name} cannot be added to {path}",
            why=str(error),
            fix=f'add a [[mounts]] table with name = "{name}" yourself; nothing was changed',
            where=f"{path}:mounts",
        ) from error
    _replace(path, after, mode, before="" if before == HEADER else before)
    return ProjectFile(directory=directory, mounts=mounts)


def _replace(path: Path, text: str, mode: int, *, before: str) -> None:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        if (path.read_text() if path.exists() else "") != before:
            raise Conflict("SR-MOUNT-005", f"{path} was changed meanwhile", fix="mount it again; nothing was changed")
        # A link keeps leading where it leads.
        beside.replace(path.resolve())
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        beside.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> StorageFault:
    return StorageFault(
        "SR-MOUNT-006",
        f"{path} cannot be written",
        why=error.strerror or type(error).__name__,
        fix="let the user of the daemon write there, or declare the mount yourself",
    )
