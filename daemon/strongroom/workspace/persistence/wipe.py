"""Deleting what one owner keeps here of one server, and nothing else.

Signing out does not do it: local data is sealed and may be wanted again.
Source: contracts/workspace-encryption.md 10.
"""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from strongroom.storage.update_log_file import hold
from strongroom.workspace.persistence.names import DATABASE_SUFFIX, owner_directory

__all__ = ["wipe"]

BESIDE: Final = ("-wal", "-shm", "-journal", "", ".lock")
"""In this order: a database whose WAL is gone is an older one, a WAL without its database is nothing."""


def wipe(root: Path, server: str, owner_id: str) -> int:
    """Delete every local database of ``owner_id`` on ``server`` below ``root``; how many there were.

    Others are untouched, and where there are none nothing happens. Raises ``Unavailable`` while one of them is open:
    then none is deleted. What a crash leaves is deleted by the next call.
    """
    directory = owner_directory(root, server, owner_id)
    if directory.is_symlink() or not directory.is_dir():
        return 0
    names = {_database_of(path) for path in directory.iterdir()} - {None}
    databases = sorted(directory / name for name in names if name)
    with ExitStack() as held:
        for path in databases:
            held.callback(os.close, hold(path))
        for path in databases:
            for suffix in BESIDE:
                Path(f"{path}{suffix}").unlink(missing_ok=True)
    if not any(directory.iterdir()):
        directory.rmdir()
    return len(databases)


def _database_of(path: Path) -> str | None:
    """The database that a file is, or lies beside."""
    for suffix in BESIDE:
        name = path.name.removesuffix(suffix) if suffix else path.name
        if (suffix == "" or name != path.name) and name.endswith(DATABASE_SUFFIX):
            return name
    return None
