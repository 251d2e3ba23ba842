"""The directory of plugins' sockets, emptied of what a killed daemon left there.

A plugin's directory goes with its plugin; only a daemon that is killed has no time for that. Two daemons with states of
their own may share a runtime directory, so each holds a lock on it that others share, and whoever can have it alone
knows that nothing in it is in use.
"""

import fcntl
import os
import re
import shutil
import stat
from pathlib import Path
from typing import Final

from strongroom.telemetry import logs

__all__ = ["PluginDirectories"]

OURS: Final = re.compile(r"[a-z0-9-]{1,16}-[a-z0-9_]{8}")
"""The beginning of a plugin's name, and what ``mkdtemp`` adds."""
log = logs.get("app")


class PluginDirectories:
    """In use from construction to ``release``, or to the end of the process."""

    def __init__(self, directory: Path) -> None:
        """Empty ``directory`` unless another daemon uses it too."""
        self._descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("another daemon uses the same runtime directory, so nothing in it is removed")
        else:
            self._sweep()
        # Another daemon sweeps for a moment at most.
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def release(self) -> None:
        """Let another daemon clean up."""
        os.close(self._descriptor)

    def _sweep(self) -> None:
        with os.scandir(self._descriptor) as entries:
            names = [entry.name for entry in entries if OURS.fullmatch(entry.name) and _is_private(entry)]
        for name in names:
            # A directory that cannot be removed is in nobody's way: names of new ones differ.
            shutil.rmtree(name, ignore_errors=True, dir_fd=self._descriptor)


def _is_private(entry: "os.DirEntry[str]") -> bool:
    """Whether it is a directory, and no link to one, that is ours alone."""
    found = entry.stat(follow_symlinks=False)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
