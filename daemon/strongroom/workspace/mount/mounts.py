"""``Mounts``: every mounted workspace of this host, across restarts.

Rule 1: a project that cannot be opened stops neither the host nor its neighbours; it is listed with its reason.
Rule 2: signing out closes every workspace before it returns, and drops its keys.
Rule 3: what was unmounted leaves behind which key versions it still needs.

Source: contracts/workspace-encryption.md 13.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from strongroom.plugin.mounts import Collaboration, MountProvider, WebSocket
from strongroom.workspace.mount.info import MountInfo, MountStatus
from strongroom.workspace.session.session import Session

__all__ = ["Mounts", "OpenMount"]


class OpenMount(Protocol):
    """One mount that is open.

    ``workspace`` is a ``Workspace``, ``log`` a ``SealedLog``; write, then ``flush()``, then answer.
    """

    @property
    def name(self) -> str:
        """Unique on this host."""

    @property
    def project_dir(self) -> Path:
        """The project's directory, without symbolic links."""

    @property
    def collaboration(self) -> Collaboration | None:
        """The connection with others."""

    def flush(self) -> None:
        """Return once all that was written before is on disk. Raises ``StorageFault``."""

    def status(self) -> MountStatus:
        """How it stands now. Counting reads every entry."""


class Mounts:
    """The mounts of one host. Safe for any thread."""

    def __init__(
        self,
        state_dir: Path,
        *,
        session: Session,
        providers: Callable[[], Mapping[str, MountProvider]],
        open_web_socket: Callable[[str, Sequence[str]], WebSocket],
    ) -> None:
        """Nothing is opened yet. ``providers()`` is asked at every opening: plugins come and go."""
        raise NotImplementedError

    def mount(self, project_dir: Path, name: str = "", *, declare: bool = True) -> tuple[list[MountInfo], bool]:
        """Open one mount of a project, or all that its file declares. Returns them, and whether the file was written.

        ``declare`` adds an absent one to ``strongroom.toml``, which is made in ``project_dir`` where there is none.
        What is open already stays as it is. All are opened or none. Raises ``NotFound``, ``Conflict``,
        ``Misconfigured``, ``Unavailable`` (signed out, or another daemon has the project) and ``MountOpenFailed``.
        """
        raise NotImplementedError

    def unmount(self, name: str) -> None:
        """Close one and do not open it at the next start. Raises ``NotFound`` and, nothing lost, ``StorageFault``."""
        raise NotImplementedError

    def get(self, name: str) -> OpenMount:
        """One that is open. One that failed is tried again first. Raises ``NotFound``, or why it is not open."""
        raise NotImplementedError

    def all(self) -> list[MountInfo]:
        """Every mount that is to be open, by name, also those that failed."""
        raise NotImplementedError

    def reopen_known(self) -> list[MountInfo]:
        """Open what was open at the last end. Whatever fails is in the answer with its reason; nothing is raised."""
        raise NotImplementedError

    def sign_out(self) -> None:
        """Sign the session out. When it returns every workspace is closed. Raises ``WrongState`` for a local one."""
        raise NotImplementedError

    def rekey(self) -> None:
        """Hand the keyring of now to every open workspace, after a rotation. Nothing is sealed again by it."""
        raise NotImplementedError

    def close(self) -> None:
        """Close all of them, and open them again at the next start."""
        raise NotImplementedError
