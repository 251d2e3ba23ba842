"""``strongroom workspace export`` and ``import``: sealed copies of a workspace, which only its keys open."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from strongroom.cli.caller import Caller, read_file
from strongroom.cli.channel import connect
from strongroom.cli.new_file import new_file
from strongroom.cli.verbs import a_path, verb
from strongroom.cli.workspace_calls import Name, workspace_stub
from strongroom.pb.strongroom.v1 import workspace_pb2

__all__ = ["add_to"]

COPY_BYTES_MAX: Final = 1_000_000_000
"""Largest copy that is read; a document of that size no longer fits in memory twice."""
PART_BYTES: Final = 1_000_000

_File = Annotated[Path, typer.Argument(help="File of the copy.", metavar="FILE", parser=a_path)]


def export(caller: Caller, name: Name, file: _File) -> None:
    """Write a sealed copy of a workspace to a new file.

    `strongroom keys status` counts it among the backups for as long as it lies there, so that no key is retired that it
    needs.
    """
    size = 0
    request = workspace_pb2.WorkspaceServiceExportRequest(name=name, path=str(file.absolute()))
    with connect(caller) as host, new_file(file, "FILE") as write:
        for answer in host.stream(workspace_stub(host).Export, request):
            write(answer.part)
            size += len(answer.part)
    caller.emit("workspace-exported", {"name": name, "file": str(file), "bytes": size}, "")
    caller.note(f"{size} bytes in {file}; only the keys of this host open it")


def import_copy(caller: Caller, name: Name, file: _File) -> None:
    """Merge a sealed copy into a mounted workspace: of two values of one key the newer one stays.

    What was deleted after the copy was made stays deleted. To go back to a copy, import it into a project that has
    nothing yet, under a mount with the same workspace.
    """
    copy = read_file("FILE", file, bytes_max=COPY_BYTES_MAX)
    with connect(caller) as host:
        answer = host.call(workspace_stub(host).Import, _parts(name, copy))
    document = {"name": name, "entries_changed": answer.entries_changed, "unreadable": answer.unreadable}
    caller.emit("workspace-imported", document, "")
    if answer.entries_changed:
        caller.note(f"{answer.entries_changed} entries are new or changed")
    else:
        caller.note("nothing in it is newer than what is here; what was deleted since it was made stays deleted")
    if answer.unreadable:
        caller.warn(f"{answer.unreadable} entries of the copy cannot be read with the keys of this host")


def _parts(name: str, copy: bytes) -> Iterator[workspace_pb2.WorkspaceServiceImportRequest]:
    for start in range(0, max(len(copy), 1), PART_BYTES):
        yield workspace_pb2.WorkspaceServiceImportRequest(
            name=name if start == 0 else "", part=copy[start : start + PART_BYTES]
        )


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    verb(app, "export", example="strongroom workspace export notes notes.sealed")(export)
    verb(app, "import", example="strongroom workspace import notes notes.sealed")(import_copy)
