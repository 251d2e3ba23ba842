"""What the commands of ``strongroom workspace`` share: naming a mount and a table, and the documents of answers."""

import json
from typing import Annotated, Any

import typer

from strongroom.cli.channel import Host
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.cli.views import optional_time
from strongroom.pb.strongroom.v1 import workspace_pb2
from strongroom.pb.strongroom.v1.workspace_pb2_grpc import WorkspaceServiceStub

__all__ = ["Name", "Place", "Prefix", "entry_document", "mount_document", "place_of", "workspace_stub"]

Name = Annotated[str, typer.Argument(help="Name of the mount.", metavar="N")]
Place = Annotated[str, typer.Argument(help="Name of the mount; N:TABLE for a table of it.", metavar="N[:TABLE]")]
Prefix = Annotated[str, typer.Option("--prefix", help="Only keys that begin with this.", metavar="TEXT")]


def workspace_stub(host: Host) -> WorkspaceServiceStub:
    """The service on this connection."""
    return host.stub(WorkspaceServiceStub)


def place_of(text: str) -> tuple[str, str]:
    """Mount and table that ``text`` names; no table means the key-values. Raises ``Failure``."""
    name, colon, table = text.partition(":")
    if not name or (colon and not table):
        raise bad_data(
            "SR-CLI-160",
            f"{text or 'an empty word'} names no workspace",
            why="it is written N, or N:TABLE for a table",
            fix="`strongroom workspace list` shows the names",
            exit_code=Exit.USAGE,
        )
    return name, table


def mount_document(item: workspace_pb2.WorkspaceMount) -> dict[str, Any]:  # Any: JSON
    """The document of a mount."""
    return {
        "name": item.name,
        "project_dir": item.project_dir,
        "state": item.state,
        "problem": item.problem,
        "workspace_id": item.workspace_id,
        "owner_id": item.owner_id,
        "provider": item.provider,
        "entries": item.entries,
        "unreadable": item.unreadable,
        "key_version": item.key_version or None,
        "log_bytes": item.log_bytes,
        "compacted_time": optional_time(item, "compacted_time"),
        "sync": item.sync,
        "sync_problem": item.sync_problem,
        "views": list(item.views),
        "keys": item.keys,
    }


def entry_document(entry: workspace_pb2.WorkspaceEntry) -> dict[str, Any]:  # Any: JSON
    """The document of an entry, its value as JSON."""
    readable = entry.WhichOneof("reading") == "json"
    return {
        "key": entry.key,
        "state": "present" if readable else "unreadable",
        "value": json.loads(entry.json) if readable else None,
        "unreadable": entry.unreadable,
        "time_ms": entry.time_ms,
        "key_version": entry.key_version or None,
        "valid": not entry.invalid,
        "faults": list(entry.faults),
    }
