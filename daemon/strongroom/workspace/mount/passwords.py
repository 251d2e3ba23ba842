"""``Passwords``: the keys of workspaces that have a password of their own, while they are unlocked. In memory only.

Rule 1: nothing of them is written anywhere; after a restart such a workspace is locked until somebody types again.
Rule 2: whoever asks for the keys of a locked one is told the command that unlocks it.

Source: contracts/workspace-encryption.md 14.
"""

import threading
from pathlib import Path
from typing import Final

from strongroom.crypto.keyring_entry import Keyring
from strongroom.errors import WrongState

__all__ = ["LOCKED", "Passwords", "locked"]

LOCKED: Final = "SR-MOUNT-035"


def locked(name: str) -> WrongState:
    """The error of whatever needs the keys of a workspace whose password nobody has given yet."""
    return WrongState(
        LOCKED,
        f"the workspace {name} is locked",
        why="its keys come from a password, and are in memory only while it is unlocked",
        fix=f"`strongroom workspace unlock {name}`; where it was never mounted, mount it with --password",
        mount=name,
    )


class Passwords:
    """Keyrings by mount. Safe for any thread."""

    def __init__(self) -> None:
        """All are locked."""
        self._lock = threading.Lock()
        self._keyrings: dict[tuple[Path, str], Keyring] = {}

    def keyring(self, project_dir: Path, name: str) -> Keyring:
        """That of a mount which is unlocked. Raises ``WrongState``."""
        with self._lock:
            found = self._keyrings.get((project_dir, name))
        if found is None:
            raise locked(name)
        return found

    def put(self, project_dir: Path, name: str, keyring: Keyring) -> None:
        """It is unlocked, or its password was changed."""
        with self._lock:
            self._keyrings[project_dir, name] = keyring

    def drop(self, project_dir: Path, name: str) -> None:
        """It is locked."""
        with self._lock:
            self._keyrings.pop((project_dir, name), None)

    def clear(self) -> None:
        """All are locked."""
        with self._lock:
            self._keyrings.clear()
