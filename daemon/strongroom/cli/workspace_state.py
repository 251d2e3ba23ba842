"""``strongroom workspace verify``, ``compact`` and ``migrate``: the state of what is stored."""

from pathlib import Path
from typing import Annotated, Final

import typer

from strongroom.cli.caller import Caller, facts, read_file
from strongroom.cli.channel import connect
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.cli.verbs import DryRun, a_path, verb
from strongroom.cli.workspace_calls import Name, entry_document, workspace_stub
from strongroom.pb.strongroom.v1 import workspace_pb2

__all__ = ["add_to"]

SECRET_BYTES_MAX: Final = 4_096

_SecretFile = Annotated[
    Path | None,
    typer.Option(
        "--archived-secret-file", help="Secret of the deployment that wrote values.", metavar="F", parser=a_path
    ),
]
_ArchivedPassword = Annotated[
    str, typer.Option("--archived-password", help="Password of archived values: @file, or - for stdin.", metavar="@F")
]
_UserId = Annotated[str, typer.Option("--user-id", help="User whose password it is.", metavar="ID")]


def verify(caller: Caller, name: Name) -> int | None:
    """Open every value and every row of the log, and compare the log with what is in memory.

    The command ends with 1 when something cannot be read or does not agree.
    """
    with connect(caller) as host:
        request = workspace_pb2.WorkspaceServiceVerifyRequest(name=name)
        answer = host.call(workspace_stub(host).Verify, request)
    unreadable = [entry_document(entry) for entry in answer.unreadable]
    holds = answer.log_agrees and not unreadable and not answer.rows_carried and not answer.rows_waiting
    versions = dict(sorted(answer.entries_by_key_version.items()))
    document = {
        "name": name,
        "holds": holds,
        "readable": answer.readable,
        "unreadable": [{"key": entry["key"], "reason": entry["unreadable"]} for entry in unreadable],
        "rows": answer.rows,
        "rows_carried": list(answer.rows_carried),
        "rows_waiting": answer.rows_waiting,
        "log_agrees": answer.log_agrees,
        "entries_by_key_version": {str(version): count for version, count in versions.items()},
    }
    shown = facts(
        [
            ("workspace", name),
            ("readable", f"{answer.readable} entries"),
            ("keys", ", ".join(f"v{v}: {count}" if v else f"plaintext: {count}" for v, count in versions.items())),
            ("unreadable", f"{len(unreadable)} entries" if unreadable else "none"),
            ("log", f"{answer.rows} rows, {'as in memory' if answer.log_agrees else 'NOT as in memory'}"),
            ("carried", f"{len(answer.rows_carried)} rows that cannot be applied" if answer.rows_carried else ""),
            ("waiting", f"{answer.rows_waiting} rows that build on missing ones" if answer.rows_waiting else ""),
        ]
    )
    caller.emit("workspace-verified", document, shown)
    if not caller.json:
        for entry in unreadable:
            caller.note(f"{entry['key']}: {entry['unreadable']}")
        for row in answer.rows_carried:
            caller.note(row)
    return None if holds else Exit.RUN_FAILED


def compact(caller: Caller, name: Name) -> None:
    """Replace the rows of the log by one that holds the same. It is compared before anything is removed."""
    with connect(caller) as host:
        request = workspace_pb2.WorkspaceServiceCompactRequest(name=name)
        answer = host.call(workspace_stub(host).Compact, request)
    document = {
        "name": name,
        "bytes_before": answer.bytes_before,
        "bytes_after": answer.bytes_after,
        "rows_before": answer.rows_before,
        "rows_after": answer.rows_after,
    }
    shown = facts(
        [
            ("rows", f"{answer.rows_before} before, {answer.rows_after} now"),
            ("bytes", f"{answer.bytes_before} before, {answer.bytes_after} now"),
        ]
    )
    caller.emit("workspace-compacted", document, shown)


def migrate(
    caller: Caller,
    name: Name,
    archived_secret_file: _SecretFile = None,
    archived_password: _ArchivedPassword = "",
    user_id: _UserId = "",
    dry_run: DryRun = False,
) -> None:
    """Seal what is plaintext, or in the archived format, under the writing key. Times of entries stay as they are.

    Plaintext that came from elsewhere counts as unreadable until this is done: look at it with --dry-run first. Values
    in the archived format need the secret of the deployment that wrote them, or the password and id of their user.
    """
    if archived_password and archived_password[0] != "@" and archived_password != "-":  # noqa: S105 - stdin, no password
        raise bad_data("SR-CLI-176", "a password is not taken from the command line", fix="give @FILE, or - for stdin")
    request = workspace_pb2.WorkspaceServiceMigrateRequest(name=name, dry_run=dry_run, archived_user_id=user_id)
    if archived_secret_file is not None:
        raw = read_file("--archived-secret-file", archived_secret_file, bytes_max=SECRET_BYTES_MAX)
        request.archived_secret = _without_line_end(raw)
    if archived_password:
        raw = caller.read("--archived-password", archived_password, bytes_max=SECRET_BYTES_MAX)
        request.archived_password = _without_line_end(raw).decode("utf-8", "replace")
    with connect(caller) as host:
        answer = host.call(workspace_stub(host).Migrate, request)
    document = {
        "name": name,
        "dry_run": dry_run,
        "plaintext": answer.plaintext,
        "archived": answer.archived,
        "unreadable": answer.unreadable,
    }
    shown = facts(
        [
            ("plaintext", f"{answer.plaintext} entries"),
            ("archived format", f"{answer.archived} entries"),
            ("unreadable", f"{answer.unreadable} entries, which stay as they are"),
        ]
    )
    caller.emit("workspace-migrated", document, shown)
    caller.note("nothing was changed" if dry_run else "done")


def _without_line_end(raw: bytes) -> bytes:
    """One line end at the end is of the editor, not of the secret."""
    return raw.removesuffix(b"\n").removesuffix(b"\r")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    verb(app, "verify", example="strongroom workspace verify notes")(verify)
    verb(app, "compact", example="strongroom workspace compact notes")(compact)
    verb(app, "migrate", example="strongroom workspace migrate notes --dry-run")(migrate)
