"""``strongroom workspace unlock``, ``lock`` and ``change-password``: workspaces with a password of their own.

A password is typed at a terminal or comes from stdin, never from the command line, which others can read.
"""

import getpass
import sys
from typing import Final

import typer

from strongroom.cli.caller import Caller, limited
from strongroom.cli.channel import connect
from strongroom.cli.exits import Exit
from strongroom.cli.failure import Failure, bad_data
from strongroom.cli.verbs import verb
from strongroom.cli.workspace_calls import Name, mount_document, workspace_stub
from strongroom.pb.strongroom.v1 import workspace_pb2

__all__ = ["NO_PASSWORD", "add_to", "mount_with_password"]

PASSWORD_BYTES_MAX: Final = 4_096
LINES_BYTES_MAX: Final = 2 * PASSWORD_BYTES_MAX + 4
NO_PASSWORD: Final = "SR-WS-115"  # noqa: S105 - a code, no password
"""What a host answers when a workspace has no password yet."""
WARNING: Final = (
    "This sets the password of {name}. Nobody can find it again: a forgotten password means that the data is gone."
)


def mount_with_password(
    caller: Caller, request: workspace_pb2.WorkspaceServiceMountRequest
) -> workspace_pb2.WorkspaceServiceMountResponse:
    """Mount one with a password; the first time it is set, after saying what that means."""
    request.password = _one(caller, f"Password of {request.name}")
    with connect(caller) as host:
        try:
            return host.call(workspace_stub(host).Mount, request)
        except Failure as failure:
            if failure.error.code != NO_PASSWORD:
                raise
    caller.warn(WARNING.format(name=request.name))
    if sys.stdin.isatty() and _typed("The same password again") != request.password:
        raise bad_data("SR-CLI-170", "the two passwords differ", fix="mount it again; nothing was set")
    request.new_password = True
    with connect(caller) as host:
        return host.call(workspace_stub(host).Mount, request)


def unlock(caller: Caller, name: Name) -> None:
    """Open a workspace with its password, which is typed, or read from stdin. Its keys stay in memory only."""
    request = workspace_pb2.WorkspaceServiceUnlockRequest(name=name, password=_one(caller, f"Password of {name}"))
    with connect(caller) as host:
        mount = host.call(workspace_stub(host).Unlock, request).mount
    caller.emit("workspace-unlocked", mount_document(mount), "")
    caller.note(f"{name} is open until it is locked or the host stops")


def lock(caller: Caller, name: Name) -> None:
    """Close a workspace that has a password, and forget its keys."""
    with connect(caller) as host:
        host.call(workspace_stub(host).Lock, workspace_pb2.WorkspaceServiceLockRequest(name=name))
    caller.emit("workspace-locked", {"name": name}, "")
    caller.note(f"{name} is locked")


def change_password(caller: Caller, name: Name) -> None:
    """Seal a workspace under another password. stdin has the old one and the new one, a line each.

    What was interrupted is finished by giving the same two again. Let other devices sync first: what they sealed under
    the old password and send later is not readable.
    """
    if sys.stdin.isatty():
        old, new = _one(caller, f"Password of {name}"), _typed("New password")
        if _typed("The new password again") != new:
            raise bad_data("SR-CLI-170", "the two passwords differ", fix="try again; nothing was changed")
    else:
        lines = _text(caller.read_stdin("the passwords", bytes_max=LINES_BYTES_MAX)).splitlines()
        if len(lines) != 2:
            raise bad_data(
                "SR-CLI-171",
                f"stdin has {len(lines)} lines and not two",
                fix="pipe in the old password and the new one, a line each",
                exit_code=Exit.USAGE,
            )
        old, new = lines
    request = workspace_pb2.WorkspaceServiceChangePasswordRequest(name=name, old_password=old, new_password=new)
    with connect(caller) as host:
        answer = host.call(workspace_stub(host).ChangePassword, request)
    document = {"name": name, "sealed_again": answer.sealed_again, "unreadable": answer.unreadable}
    caller.emit("workspace-password-changed", document, "")
    caller.note(f"{answer.sealed_again} entries are sealed under the new password")
    if answer.unreadable:
        caller.warn(f"{answer.unreadable} entries are opened by neither password and stay as they are")


def _one(caller: Caller, prompt: str) -> str:
    if not sys.stdin.isatty():
        # One line end is of the shell, not of the password.
        password = _text(caller.read_stdin("the password", bytes_max=PASSWORD_BYTES_MAX + 2))
        password = password.removesuffix("\n").removesuffix("\r")
    elif caller.no_input:
        raise bad_data("SR-CLI-172", "the password comes from stdin", fix="pipe it in", exit_code=Exit.USAGE)
    else:
        password = _typed(prompt)
    if not password:
        raise bad_data("SR-CLI-173", "the password is empty", fix="type it, or pipe it in", exit_code=Exit.USAGE)
    return password


def _typed(prompt: str) -> str:
    typed = getpass.getpass(f"{prompt} (not shown): ", stream=sys.stderr)
    return _text(limited("the password", typed.encode("utf-8", "surrogateescape"), PASSWORD_BYTES_MAX))


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise bad_data(
            "SR-CLI-174", "the password is not UTF-8 text", fix="type it, or pipe in text", exit_code=Exit.USAGE
        ) from None


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    verb(app, "unlock", example="strongroom workspace unlock notes")(unlock)
    verb(app, "lock", example="strongroom workspace lock notes")(lock)
    verb(app, "change-password", example="strongroom workspace change-password notes")(change_password)
