"""``strongroom workspace``: mount a project's encrypted workspaces, read and write them, watch them."""

from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.cli import (
    workspace_copies,
    workspace_entries,
    workspace_password,
    workspace_removals,
    workspace_session,
    workspace_state,
    workspace_token,
)
from strongroom.cli.caller import Caller
from strongroom.cli.channel import connect
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.cli.verbs import a_path, group, verb
from strongroom.cli.workspace_calls import Name, mount_document, workspace_stub
from strongroom.pb.strongroom.v1 import workspace_pb2

__all__ = ["app"]

app = group("Mount a project's encrypted workspaces, read and write them, watch them.")

_Project = Annotated[Path, typer.Argument(help="Directory of the project.", metavar="DIR", parser=a_path)]
_MountName = Annotated[
    str, typer.Option("--name", help="Mount to open, added to strongroom.toml if it is not there.", metavar="N")
]
_Password = Annotated[
    bool, typer.Option("--password", help="It has a password of its own, which is typed or read from stdin.")
]
_Declared = Annotated[bool, typer.Option("--declared", help="Open only what strongroom.toml declares already.")]


@verb(app, "mount", example="strongroom workspace mount ./project --name notes")
def mount(
    caller: Caller,
    project: _Project,
    name: _MountName = "",
    declared: _Declared = False,
    password: _Password = False,
) -> None:
    """Open a workspace of a project, and again at every start of the host.

    Without --name every mount that DIR/strongroom.toml declares is opened, or none of them when one fails. The data
    stays in DIR/.strongroom, sealed with keys of the host, or of its own with --password: those are in memory until the
    host stops, and `strongroom workspace unlock N` brings them back. A forgotten password means that the data is gone.
    """
    request = workspace_pb2.WorkspaceServiceMountRequest(
        project_dir=str(project.absolute()), name=name, declared_only=declared
    )
    if password:
        if not name:
            raise bad_data("SR-CLI-175", "--password is for one mount", fix="add --name N", exit_code=Exit.USAGE)
        answer = workspace_password.mount_with_password(caller, request)
    else:
        with connect(caller) as host:
            answer = host.call(workspace_stub(host).Mount, request)
    documents = [mount_document(item) for item in answer.mounts]
    caller.emit_table(
        "workspace-mounted",
        {"mounts": documents, "declared": answer.declared},
        ["NAME", "STATE", "ENTRIES", "PROJECT"],
        [[d["name"], d["state"], d["entries"], d["project_dir"]] for d in documents],
        nothing="strongroom.toml declares no mounts; --name makes one",
    )
    if answer.declared:
        caller.note(f"{name} was added to {project / 'strongroom.toml'}")


@verb(app, "unmount", example="strongroom workspace unmount notes")
def unmount(caller: Caller, name: Name) -> None:
    """Close a workspace, and leave it closed at the next start. Its data stays in the project."""
    with connect(caller) as host:
        host.call(workspace_stub(host).Unmount, workspace_pb2.WorkspaceServiceUnmountRequest(name=name))
    caller.emit("workspace-unmounted", {"name": name}, "")
    caller.note(f"{name} is closed; its data stays in the project")


@verb(app, "list", example="strongroom workspace list")
def list_mounts(caller: Caller) -> None:
    """List the mounts of the host, also those that could not be opened."""
    with connect(caller) as host:
        found = host.call(workspace_stub(host).List, workspace_pb2.WorkspaceServiceListRequest()).mounts
    documents = [mount_document(item) for item in found]
    caller.emit_table(
        "workspaces",
        {"mounts": documents},
        ["NAME", "STATE", "ENTRIES", "UNREADABLE", "KEY", "LOG", "SYNC", "PROJECT"],
        [_row(document) for document in documents],
        nothing="nothing is mounted; `strongroom workspace mount DIR --name N` mounts a workspace",
    )
    for document in documents:
        for problem in (document["problem"], document["sync_problem"]):
            if problem and not caller.json:
                caller.note(f"{document['name']}: {problem}")


def _row(document: dict[str, Any]) -> list[object]:  # Any: JSON
    key = f"v{document['key_version']}" if document["key_version"] else "none"
    size = document["log_bytes"]
    log = f"{size} B" if size < 1_000 else f"{size / 1_000:.1f} KB" if size < 1_000_000 else f"{size / 1e6:.1f} MB"
    return [
        document["name"],
        document["state"],
        document["entries"],
        document["unreadable"],
        key,
        log,
        document["sync"],
        document["project_dir"],
    ]


workspace_entries.add_to(app)
workspace_state.add_to(app)
workspace_removals.add_to(app)
workspace_copies.add_to(app)
workspace_password.add_to(app)
workspace_session.add_to(app)
workspace_token.add_to(app)
