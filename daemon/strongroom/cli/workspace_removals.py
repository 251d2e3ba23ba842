"""``strongroom workspace discard`` and ``wipe``: what nobody can open, and what an owner has in a project."""

from pathlib import Path
from typing import Annotated

import typer

from strongroom.cli.caller import Caller, table
from strongroom.cli.channel import connect
from strongroom.cli.verbs import DryRun, Yes, a_path, verb
from strongroom.cli.workspace_calls import Name, workspace_stub
from strongroom.pb.strongroom.v1 import workspace_pb2

__all__ = ["add_to"]

_Rows = Annotated[bool, typer.Option("--rows", help="Only rows of the log.")]
_Entries = Annotated[bool, typer.Option("--entries", help="Only entries.")]
_EvenUnheld = Annotated[
    bool, typer.Option("--even-unheld", help="Also what only lacks a key version that is not held now.")
]
_Project = Annotated[Path, typer.Argument(help="Directory of the project.", metavar="DIR", parser=a_path)]
_OwnerId = Annotated[str, typer.Option("--owner-id", help="Owner whose data goes.", metavar="ID")]
_Server = Annotated[
    str, typer.Option("--server", help="Address of the owner's session server; keys of this host if not given.")
]


def discard(
    caller: Caller,
    name: Name,
    rows: _Rows = False,
    entries: _Entries = False,
    even_unheld: _EvenUnheld = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Delete for good what cannot be opened: rows that the log carries along, and entries of the workspace.

    Each keeps the key version in use that it names. What goes is what was listed, or nothing; entries go on every
    device. What only lacks a key that is not here now is refused without --even-unheld.
    """
    request = workspace_pb2.WorkspaceServiceDiscardRequest(
        name=name, rows=rows, entries=entries, even_unheld=even_unheld, validate_only=True
    )
    with connect(caller) as host:
        closed_rows: list[workspace_pb2.WorkspaceClosedRow] = []
        closed_entries: list[workspace_pb2.WorkspaceClosedEntry] = []
        for part in host.stream(workspace_stub(host).Discard, request):
            closed_rows += part.rows
            closed_entries += part.entries
            request.listing = part.listing
        shown = table(
            ["WHAT", "KEY", "BYTES", "REASON"],
            [
                *([f"row {row.id}", f"v{row.key_version}", row.size, row.reason] for row in closed_rows),
                *([f"entry {each.place}", f"v{each.key_version}", "", each.reason] for each in closed_entries),
            ],
        )
        number = len(closed_rows) + len(closed_entries)
        if number and not dry_run:
            caller.note(shown)
            caller.confirm(f"Delete these {number} for good?", yes=yes)
            request.validate_only = False
            for _ in host.stream(workspace_stub(host).Discard, request):
                """The same list again."""
    document = {
        "name": name,
        "discarded": bool(number) and not dry_run,
        "rows": [
            {
                "id": row.id,
                "bytes": row.size,
                "key_version": row.key_version,
                "reason": row.reason,
                "lacks_key": row.lacks_key,
            }
            for row in closed_rows
        ],
        "entries": [
            {
                "place": each.place,
                "key_version": each.key_version,
                "reason": each.reason,
                "lacks_key": each.lacks_key,
            }
            for each in closed_entries
        ],
    }
    caller.emit("workspace-discarded", document, shown if number and dry_run else "")
    lacking = sum(row.lacks_key for row in closed_rows) + sum(each.lacks_key for each in closed_entries)
    if not number:
        caller.note("everything can be opened; there is nothing to discard")
    elif dry_run:
        caller.note(f"{number} would go for good; nothing was changed")
        if lacking and not even_unheld:
            caller.note(f"{lacking} of them only lack a key that is not here now: they go with --even-unheld alone")
    else:
        caller.note(f"{number} are gone for good")


def wipe(
    caller: Caller,
    project: _Project,
    owner_id: _OwnerId,
    server: _Server = "",
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Delete what one owner has in a project: sealed logs, and views that show them. Nothing of others goes.

    The project must not be mounted. Signing out never does this.
    """
    request = workspace_pb2.WorkspaceServiceWipeRequest(
        project_dir=str(project.absolute()), owner_id=owner_id, server=server, validate_only=True
    )
    with connect(caller) as host:
        answer = host.call(workspace_stub(host).Wipe, request)
        if answer.paths and not dry_run:
            for path in answer.paths:
                caller.note(path)
            caller.confirm(f"Delete these {len(answer.paths)} files and folders of {owner_id} for good?", yes=yes)
        if not dry_run:
            # Also where there is nothing: what the host remembers of it goes.
            request.validate_only = False
            answer = host.call(workspace_stub(host).Wipe, request)
    document = {
        "project_dir": request.project_dir,
        "owner_id": owner_id,
        "server": server or "local",
        "wiped": not dry_run,
        "paths": list(answer.paths),
        "bytes": answer.bytes,
    }
    caller.emit("workspace-wiped", document, "\n".join(answer.paths) if dry_run else "")
    if not answer.paths:
        caller.note(f"{owner_id} has nothing in {project}")
    elif dry_run:
        caller.note(f"{answer.bytes} bytes would go; nothing was changed")
    else:
        caller.note(f"{answer.bytes} bytes of {owner_id} are gone for good")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    verb(app, "discard", example="strongroom workspace discard notes --dry-run")(discard)
    verb(app, "wipe", example="strongroom workspace wipe ./project --owner-id alice --dry-run")(wipe)
