"""``strongroom workspace get``, ``entries``, ``set``, ``delete`` and ``watch``: what is in a workspace."""

import json
from typing import Annotated, Any, Final

import typer

from strongroom.cli.caller import Caller
from strongroom.cli.channel import connect
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.cli.verbs import DryRun, Yes, verb
from strongroom.cli.workspace_calls import Place, Prefix, entry_document, place_of, workspace_stub
from strongroom.pb.strongroom.v1 import workspace_pb2

__all__ = ["add_to"]

PAGE: Final = 1_000
"""Entries that are asked for at once, which is what a host gives at most."""
KEY_CHARACTERS_MAX: Final = 512
"""No key that a host writes is longer. Peers can write longer ones, of which people are shown the beginning."""
KEY_BEGINNING: Final = 64
WATCH_S: Final = 30 * 24 * 3_600.0
"""How long a watch goes on when nobody ends it."""

_Key = Annotated[str, typer.Argument(help="Key of the entry; in a table, id of the row.", metavar="KEY")]
_Value = Annotated[str, typer.Argument(help="JSON, @file or - for stdin.", metavar="JSON")]
_Limit = Annotated[int, typer.Option("--limit", help="How many at most.", min=1, max=1_000_000, metavar="N")]


def get(caller: Caller, place: Place, key: _Key) -> int | None:
    """Print the value of an entry, as JSON.

    An entry that cannot be read with the keys of the host is reported with its reason; the command then ends with 65.
    """
    name, table = place_of(place)
    request = workspace_pb2.WorkspaceServiceGetRequest(name=name, table=table, key=key)
    with connect(caller) as host:
        answer = host.call(workspace_stub(host).Get, request)
    if not answer.HasField("entry"):
        raise bad_data("SR-CLI-161", f"{place} has no entry {key}", fix=f"`strongroom workspace entries {place}` lists")
    document = entry_document(answer.entry)
    if document["state"] == "unreadable":
        raise bad_data(
            "SR-CLI-162",
            f"{key} in {place} cannot be read",
            why=document["unreadable"],
            fix="`strongroom keys status` shows the key versions of this host",
        )
    caller.emit("workspace-entry", document, json.dumps(document["value"], indent=2, ensure_ascii=False))
    for fault in document["faults"]:
        caller.note(f"the row does not fit its table: {fault}")
    return None


def entries(caller: Caller, place: Place, prefix: Prefix = "", limit: _Limit = PAGE) -> None:
    """List entries with their values, by key; those that cannot be read with their reasons."""
    name, table = place_of(place)
    found: list[dict[str, Any]] = []  # Any: JSON
    token = ""
    tables: list[str] = []
    with connect(caller) as host:
        while len(found) < limit:
            request = workspace_pb2.WorkspaceServiceEntriesRequest(
                name=name, table=table, key_prefix=prefix, page_size=min(PAGE, limit - len(found)), page_token=token
            )
            answer = host.call(workspace_stub(host).Entries, request)
            found += [entry_document(entry) for entry in answer.entries]
            tables, token = list(answer.tables), answer.next_page_token
            if not token:
                break
    more = bool(token)
    caller.emit_table(
        "workspace-entries",
        {"entries": found, "tables": tables, "more": more},
        ["KEY", "VALUE"],
        [[_key_shown(document["key"]), _shown(document)] for document in found],
        nothing="no entries" + (f"; its tables: {', '.join(tables)}" if tables and not table else ""),
    )
    if more:
        caller.note(f"there are more than {limit}: raise --limit")


def put(caller: Caller, place: Place, key: _Key, value: _Value) -> None:
    """Write one entry. When the command ends well, the entry is sealed and on disk."""
    name, table = place_of(place)
    request = workspace_pb2.WorkspaceServiceSetRequest(
        name=name, table=table, key=key, json=caller.read_json("the value", value)
    )
    with connect(caller) as host:
        answer = host.call(workspace_stub(host).Set, request)
    document = {"key": key, "time_ms": answer.time_ms, "key_version": answer.key_version or None}
    caller.emit("workspace-set", document, "")
    caller.note(f"sealed with key v{answer.key_version}" if answer.key_version else "written as plaintext")


def delete(caller: Caller, place: Place, key: _Key, yes: Yes = False, dry_run: DryRun = False) -> None:
    """Remove one entry, here and, once they have synced, everywhere."""
    name, table = place_of(place)
    if not dry_run:
        caller.confirm(f"Delete {key} in {place}?", yes=yes)
    with connect(caller) as host:
        stub = workspace_stub(host)
        if dry_run:
            look = workspace_pb2.WorkspaceServiceGetRequest(name=name, table=table, key=key)
            existed = host.call(stub.Get, look).HasField("entry")
        else:
            request = workspace_pb2.WorkspaceServiceDeleteRequest(name=name, table=table, key=key)
            existed = host.call(stub.Delete, request).existed
    if not existed:
        raise bad_data("SR-CLI-161", f"{place} has no entry {key}", fix=f"`strongroom workspace entries {place}` lists")
    caller.emit("workspace-deleted", {"key": key, "dry_run": dry_run}, "")
    caller.note("it could be deleted; nothing was changed" if dry_run else "deleted")


def watch(caller: Caller, place: Place, prefix: Prefix = "") -> None:
    """Print changes as they come, one line each, until Ctrl-C. With --json each line is one document."""
    name, table = place_of(place)
    request = workspace_pb2.WorkspaceServiceWatchRequest(name=name, table=table, key_prefix=prefix)
    with connect(caller) as host:
        for change in host.stream(workspace_stub(host).Watch, request, timeout_s=WATCH_S):
            if change.action == "ready":
                caller.note(f"watching {place}; Ctrl-C ends it")
                continue
            document = {
                "action": change.action,
                "key": change.key,
                "value": json.loads(change.json) if change.json else None,
                "unreadable": change.unreadable,
                "remote": change.remote,
            }
            shown = change.unreadable or (json.dumps(document["value"], ensure_ascii=False) if change.json else "")
            origin = "from elsewhere" if change.remote else "here"
            caller.emit_line("workspace-change", document, f"{change.action:<10}  {change.key}  {shown}  ({origin})")
    raise bad_data(
        "SR-CLI-163",
        f"{place} is not watched any more",
        why="the workspace was closed, or the host stops",
        fix="`strongroom workspace list` shows whether it is open",
        exit_code=Exit.UNAVAILABLE,
    )


def _key_shown(key: str) -> str:
    """A key that no host has written would make every line of the table as wide as it is."""
    return key if len(key) <= KEY_CHARACTERS_MAX else f"{key[:KEY_BEGINNING]}… ({len(key)} characters)"


def _shown(document: dict[str, Any]) -> str:  # Any: JSON
    if document["state"] == "unreadable":
        return f"[unreadable · {document['unreadable']}]"
    text = json.dumps(document["value"], ensure_ascii=False)
    return text if document["valid"] else f"{text}  [does not fit its table: {'; '.join(document['faults'])}]"


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    verb(app, "get", example="strongroom workspace get notes greeting")(get)
    verb(app, "entries", example="strongroom workspace entries notes:tasks")(entries)
    verb(app, "set", example="""strongroom workspace set notes greeting '"hello"'""")(put)
    verb(app, "delete", example="strongroom workspace delete notes greeting --yes")(delete)
    verb(app, "watch", example="strongroom workspace watch notes")(watch)
