"""Deleting what one owner keeps here of one server, and nothing else.

Signing out does not do it: local data is sealed and may be wanted again.
Source: contracts/workspace-encryption.md 10.
"""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from strongroom.storage.update_log_file import hold
from strongroom.workspace.persistence.names import DATABASE_SUFFIX, RECORD_SUFFIX, owner_directory

__all__ = ["local_files", "wipe"]

BESIDE: Final = ("-wal", "-shm", "-journal", "", ".lock")
"""In this order: a database whose WAL is gone is an older one, a WAL without its database is nothing."""


def local_files(root: Path, server: str, owner_id: str) -> list[Path]:
    """What ``wipe`` deletes, in order."""
    directory = owner_directory(root, server, owner_id)
    found = [path for path in _in(root, directory) if _database_of(path) or path.name.endswith(RECORD_SUFFIX)]
    return sorted(found)


def wipe(root: Path, server: str, owner_id: str) -> int:
    """Delete every local database of ``owner_id`` on ``server`` below ``root``, and records of passwords beside them;
    how many databases there were.

    Others are untouched, and where there are none nothing happens. Raises ``Unavailable`` while one of them is open:
    then none is deleted. What a crash leaves is deleted by the next call.
    """
    directory = owner_directory(root, server, owner_id)
    files = _in(root, directory)
    databases = sorted({directory / name for path in files if (name := _database_of(path))})
    with ExitStack() as held:
        for path in databases:
            held.callback(os.close, hold(path))
        for path in databases:
            for suffix in BESIDE:
                Path(f"{path}{suffix}").unlink(missing_ok=True)
        # Last: without it what is left of its database could not be opened any more.
        for path in files:
            if path.name.endswith(RECORD_SUFFIX):
                path.unlink(missing_ok=True)
    if directory.is_dir() and not directory.is_symlink() and not any(directory.iterdir()):
        directory.rmdir()
    return len(databases)


def _in(root: Path, directory: Path) -> list[Path]:
    """The files of an owner; none where a link stands in the way."""
    if not directory.is_dir() or directory.resolve() != root.resolve() / directory.relative_to(root):
        return []
    return list(directory.iterdir())


def _database_of(path: Path) -> str:
    """The database that a file is, or lies beside; empty for other files."""
    for suffix in BESIDE:
        name = path.name.removesuffix(suffix) if suffix else path.name
        if (suffix == "" or name != path.name) and name.endswith(DATABASE_SUFFIX):
            return name
    return ""
