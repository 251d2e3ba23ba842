"""``strongroom workspace token``: who may sync with the relay of this host. The file keeps digests, not tokens."""

import hashlib
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote

import typer

from strongroom.cli.caller import Caller
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.cli.verbs import a_path, verb

__all__ = ["add_to"]

TOKEN_BYTES: Final = 32
COMMENT_CHARS_MAX: Final = 200

_File = Annotated[
    Path,
    typer.Option("--tokens-file", help="File of the setting relay.tokens_file.", metavar="FILE", parser=a_path),
]
_OwnerId = Annotated[str, typer.Option("--owner-id", help="Owner whose workspaces it opens.", metavar="ID")]
_ReadOnly = Annotated[bool, typer.Option("--read-only", help="It may read and not write.")]
_Comment = Annotated[str, typer.Option("--comment", help="Whose it is; stands in the file.", metavar="TEXT")]


def token(
    caller: Caller,
    tokens_file: _File,
    owner_id: _OwnerId = "shared",
    read_only: _ReadOnly = False,
    comment: _Comment = "",
) -> None:
    """Make a token for the relay, print it once, and add its digest to the file, which a running host reads again.

    Remove its line to take it back: whoever uses it is put out.
    """
    may = "ro" if read_only else "rw"
    remark = " ".join(comment.split())[:COMMENT_CHARS_MAX]
    made = secrets.token_urlsafe(TOKEN_BYTES)
    if not owner_id:
        raise bad_data("SR-CLI-166", "the owner id is empty", fix="give --owner-id", exit_code=Exit.USAGE)
    line = (
        f"{hashlib.sha256(made.encode()).hexdigest()}  {quote(owner_id, safe='')}  {may}  {_today()} {remark}".rstrip()
    )
    _append(tokens_file, line)
    caller.emit("workspace-token", {"token": made, "owner_id": owner_id, "may_write": not read_only}, made)
    caller.note(f"its digest is in {tokens_file}; the token is not shown again")


def _append(path: Path, line: str) -> None:
    """Add a line, on disk when this returns; a file that others may read is refused rather than used."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise bad_data(
            "SR-CLI-167",
            f"{path} cannot be written",
            why=error.strerror or type(error).__name__,
            fix="give --tokens-file a regular file in a directory that you may write to",
            exit_code=Exit.CANNOT_CREATE,
        ) from error
    with os.fdopen(descriptor, "r+b") as file:
        if os.fstat(descriptor).st_mode & 0o077:
            raise bad_data(
                "SR-CLI-168", f"{path} may be used by others", why="it says who may sync", fix=f"chmod 600 {path}"
            )
        size = file.seek(0, os.SEEK_END)
        unfinished = size > 0 and _last_byte(file.fileno(), size) != b"\n"
        file.write(b"\n" * unfinished + line.encode() + b"\n")
        file.flush()
        os.fsync(descriptor)


def _last_byte(descriptor: int, size: int) -> bytes:
    return os.pread(descriptor, 1, size - 1)


def _today() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    example = "strongroom workspace token --tokens-file /etc/strongroom/relay-tokens --owner-id alice"
    verb(app, "token", example=example, online=False)(token)
