"""What keeps a mount from being opened or used, and whose fault it is."""

from typing import Final

from strongroom.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    KeyMissing,
    LimitExceeded,
    Misconfigured,
    NotFound,
    PluginFault,
    StorageFault,
    StrongroomError,
    Tampered,
    Unavailable,
    WrongState,
)
from strongroom.workspace.mount.passwords import LOCKED

__all__ = ["gone", "mount_open_failed", "not_declared", "not_mounted", "workspace_signed_out"]

_KINDS: Final[tuple[type[StrongroomError], ...]] = (
    InvalidInput,
    NotFound,
    Conflict,
    WrongState,
    Forbidden,
    LimitExceeded,
    KeyMissing,
    Misconfigured,
    StorageFault,
    PluginFault,
    Unavailable,
)


def mount_open_failed(mount: str, cause: BaseException) -> StrongroomError:
    """MountOpenFailed: ``mount`` was not opened because of ``cause``, and is its fault; nothing stays open.

    A cause that nobody meant is the provider's fault, and its words, which may say anything, are not repeated.
    """
    if isinstance(cause, StrongroomError):
        if cause.code == LOCKED:
            return cause  # nothing failed: somebody has to type
        kind = next((kind for kind in _KINDS if isinstance(cause, kind)), Unavailable)
        kind = StorageFault if isinstance(cause, Tampered) else kind
        why, fix, code = str(cause), cause.fix, cause.code
    else:
        kind, why, fix, code = PluginFault, type(cause).__name__, "", ""
    error = kind(
        "SR-MOUNT-012",
        f"the workspace {mount} was not opened",
        why=f"{code} {why}".lstrip(),
        fix=fix or "see the log of the daemon; nothing stays open",
        mount=mount,
        cause=code or why,
    )
    error.__cause__ = cause
    return error


def workspace_signed_out(project: str) -> Unavailable:
    """WorkspaceAuthSignedOut: there are no keys to open anything with."""
    return Unavailable(
        "SR-MOUNT-013",
        f"the workspaces of {project} are not opened: nobody is signed in",
        why="their keys come from the session's server",
        fix="sign in with `strongroom workspace sign-in`; what is remembered opens then",
    )


def not_mounted(name: str) -> NotFound:
    """Nobody mounted it here."""
    return NotFound(
        "SR-MOUNT-014",
        f"no workspace {name[:64]} is mounted",
        fix="`strongroom workspace list` has those that are; mount it with `strongroom workspace mount DIR`",
        mount=name[:64],
    )


def not_declared(name: str, path: str) -> NotFound:
    """The project's file does not have it."""
    return NotFound(
        "SR-MOUNT-015",
        f"{path} declares no mount {name[:64]}".rstrip(),
        fix="name one that it declares, or mount it without `--declared` to add it",
        mount=name[:64],
    )


def gone(mount: str, project: str) -> Unavailable:
    """Writes would go to files that have no name any more."""
    return Unavailable(
        "SR-MOUNT-016",
        f"the project of workspace {mount} is not at {project} any more",
        why="it was moved, deleted or replaced while it was mounted",
        fix=f"unmount {mount}, and mount the project where it is now",
        mount=mount,
    )
