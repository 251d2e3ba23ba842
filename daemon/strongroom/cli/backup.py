"""``strongroom backup``: take a backup of a running host, verify it anywhere, restore it where nothing is."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from strongroom.cli.caller import Caller
from strongroom.cli.channel import Host, connect
from strongroom.cli.db import offline_audit_file
from strongroom.cli.keys_host import KeyFile, host_settings, local_root
from strongroom.cli.progress import Progress
from strongroom.cli.replaced_file import replaced_file
from strongroom.cli.verbs import Yes, a_path, group, verb
from strongroom.errors import StorageFault
from strongroom.pb.strongroom.v1 import backup_pb2, backup_pb2_grpc

if TYPE_CHECKING:
    from strongroom.backup.manifest import LeftOut, Manifest
    from strongroom.engine.backup_check import Checked
    from strongroom.engine.backup_restore import Restored, Target
    from strongroom.settings.model import Settings

__all__ = ["app"]

CREATE_S: Final = 86_400.0
"""A database of some hundred gigabytes on a slow disk."""
RESTORED_WORKSPACES: Final = "restored-workspaces"
VAULT: Final = "vault/"
"""What parts of the vault begin with, where they stood."""
_Path = Annotated[Path, typer.Argument(help="File of the backup.", metavar="PATH", parser=a_path)]
_ScratchDir = Annotated[
    Path | None,
    typer.Option("--scratch-dir", help="Where its parts are looked at; beside PATH.", metavar="DIR", parser=a_path),
]

app = group("Take backups of a host, verify them anywhere, restore them where nothing is.")


def _stub(host: Host) -> backup_pb2_grpc.BackupServiceStub:
    return host.stub(backup_pb2_grpc.BackupServiceStub)


@verb(app, "create", example="strongroom backup create /backups/monday.tar")
def create(
    caller: Caller,
    path: _Path,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an older backup at PATH, once the new one is whole.")
    ] = False,
) -> None:
    """Take a backup of a running host: database, audit log, mounted workspaces. No key is in it.

    Every run that was accepted before is in it, and nothing stands still meanwhile. PATH is there once it is whole
    and on the disk. To be of any use it needs the keyring, which is kept elsewhere: strongroom keys export-recovery.
    """
    from strongroom.backup.reading import begins_as_a_backup, given_left_out

    progress, backup_id, size = Progress(caller), "", 0
    request = backup_pb2.BackupServiceCreateRequest(path=str(path.absolute()))
    with connect(caller) as host:
        with replaced_file(path, begins_as_a_backup if force else None) as write:
            for answer in host.stream(_stub(host).Create, request, timeout_s=CREATE_S):
                backup_id = backup_id or answer.backup_id
                whole = whole_size(answer, size)
                size += len(answer.part)
                write(answer.part)
                progress(answer.doing or "receiving", answer.done or size, answer.total or whole)
            progress.end()
        confirmed = backup_pb2.BackupServiceConfirmRequest(backup_id=backup_id, path=str(path.absolute()))
        host.call(_stub(host).Confirm, confirmed)
    document: dict[str, Any] = {"file": str(path), "backup_id": backup_id, "bytes": size}
    left_out = given_left_out(path)
    document["not_included"] = _names(left_out)
    caller.emit("backup-created", document, str(path))
    _say_left_out(caller, left_out)
    caller.note(f"{size} bytes; see that it brings everything back: strongroom backup verify {path}")


def whole_size(answer: Any, so_far: int) -> int:  # Any: a message, which types do not know
    """How many bytes are to come in all, as far as it is known."""
    return max(int(answer.size), so_far + len(answer.part), 1)


@verb(app, "verify", example="strongroom backup verify /backups/monday.tar --key-file keyring")
def verify(caller: Caller, path: _Path, key_file: KeyFile = None, scratch_dir: _ScratchDir = None) -> None:
    """Read every byte of a backup and see that this keyring brings it back; offline.

    Manifest, digests and databases are checked, and records of each kind and key version are opened. It ends with 65
    where the backup is not as it was made, and with 78 where the keyring does not fit.
    """
    from strongroom.engine.backup_check import checked_backup

    root, progress = local_root(caller, key_file), Progress(caller)
    try:
        with _scratch(scratch_dir, path) as directory, checked_backup(path, root, directory, progress) as checked:
            progress.end()
            caller.emit("backup-verified", _document(path, checked), _text(checked))
            _say_what_is_left(caller, checked)
    finally:
        progress.end()


@verb(app, "restore", example="strongroom backup restore /backups/monday.tar --state-dir /var/lib/strongroom --yes")
def restore(
    caller: Caller,
    path: _Path,
    key_file: KeyFile = None,
    workspaces_dir: Annotated[
        Path | None,
        typer.Option("--workspaces-dir", help="Where projects are put.", metavar="DIR", parser=a_path),
    ] = None,
    audit_file: Annotated[
        Path | None,
        typer.Option("--audit-file", help="The audit log; that of the settings.", metavar="FILE", parser=a_path),
    ] = None,
    yes: Yes = False,
) -> None:
    """Bring a host back from a backup, into an empty state directory, or an empty PostgreSQL database too.

    The host is not running. The backup is verified first. Nothing is ever replaced, and a crash leaves nothing or all.
    Stop the host that the backup is of for good: runs that were under way go on here, and would go on there as well.
    """
    from strongroom.engine.backup_restore import restore as restored

    settings, root = host_settings(caller), local_root(caller, key_file)
    target = _target(settings, workspaces_dir, audit_file)
    caller.confirm("Is the host that this backup is of stopped for good?", yes=yes)
    progress = Progress(caller)
    try:
        done = restored(path, root, target, progress)
    finally:
        progress.end()
    _say_restored(caller, target, done)


def _target(settings: "Settings", workspaces_dir: Path | None, audit_file: Path | None) -> "Target":
    from strongroom.engine.backup_restore import Target

    return Target(
        state_dir=settings.state_dir,
        database=settings.database,
        audit_file=audit_file.absolute() if audit_file is not None else offline_audit_file(settings),
        workspaces_dir=(workspaces_dir or settings.state_dir / RESTORED_WORKSPACES).absolute(),
    )


@contextmanager
def _scratch(chosen: Path | None, path: Path) -> Iterator[Path]:
    """A directory of our own, beside the backup where that can be: it has the room, and /tmp may be memory.

    Root has none where somebody else could put another directory in its place. Raises ``StorageFault``.
    """
    from strongroom.backup.place import check_only_root_leads_to

    place, beside = chosen, path.absolute().parent
    if chosen is not None:
        check_only_root_leads_to(chosen.absolute() / "below")
    elif os.access(beside, os.W_OK):
        with suppress(StorageFault):
            check_only_root_leads_to(beside / "below")
            place = beside
    with tempfile.TemporaryDirectory(prefix=".strongroom-", dir=place) as directory:
        yield Path(directory)


def time_text(unix_ms: int) -> str:
    """As the other commands write times."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _document(path: Path, checked: "Checked") -> dict[str, Any]:
    return {
        "file": str(path),
        **_of_manifest(checked.manifest),
        "blobs": {kind: {str(k): n for k, n in found.items()} for kind, found in checked.probed.found.items()},
        "opened": {kind: {str(k): n for k, n in found.items()} for kind, found in checked.probed.opened.items()},
        "not_opened": list(checked.unopened),
        "audit_records": checked.audit.records,
        "audit_holds": not checked.audit.breaks_seen,
    }


def _of_manifest(manifest: "Manifest") -> dict[str, Any]:
    return {
        "backup_id": manifest.backup_id,
        "begin_time": time_text(manifest.begun_ms),
        "release": manifest.release,
        "schema_version": manifest.schema,
        "database": manifest.database,
        "key_ids": [key.key_id for key in manifest.keys if not key.retired],
        "rows": dict(manifest.rows),
        "workspaces": [workspace.name for workspace in manifest.workspaces],
        "not_included": _names(manifest.left_out),
        "bytes": manifest.size,
    }


def _text(checked: "Checked") -> str:
    manifest = checked.manifest
    opened = sum(sum(each.values()) for each in checked.probed.opened.values())
    keys = ", ".join(key.key_id for key in manifest.keys if not key.retired) or "none"
    return (
        f"holds: {manifest.rows.get('runs', 0)} runs, {len(manifest.workspaces)} workspaces and"
        f" {checked.audit.records} audit records of {time_text(manifest.begun_ms)};"
        f" {opened} values opened, with {keys}"
    )


def _names(left_out: "Sequence[LeftOut]") -> list[dict[str, str]]:
    return [{"name": each.name, "directory": each.project_dir} for each in left_out]


def _say_left_out(caller: Caller, left_out: "Sequence[LeftOut]") -> None:
    for each in left_out:
        caller.warn(f"workspace {each.name} of {each.project_dir} is NOT in it, since it was not open")
        if each.is_to_be_open:
            caller.note("  strongroom workspace list says why; then back up again")
        else:
            caller.note(
                f"  strongroom workspace mount {quote(each.project_dir)} --name {each.name}, then back up again"
            )


def _say_what_is_left(caller: Caller, checked: "Checked") -> None:
    _say_left_out(caller, checked.manifest.left_out)
    _say_of_the_vault(caller, checked.manifest)
    if checked.unopened:
        names = ", ".join(checked.unopened)
        caller.note(f"not opened, since other keys than those of the keyring open them: {names}")
    for each in checked.audit.breaks:
        caller.warn(f"the audit log in it has a break at record {each.number}: {each.kind}: {each.why}")


def _say_of_the_vault(caller: Caller, manifest: "Manifest") -> None:
    # Its secrets are sealed to a key of its own: who kept the keyring alone would learn of it when they are gone.
    if any(part.at.startswith(VAULT) for part in manifest.parts):
        caller.note("secrets of the vault in it open with its vault.key alone: keep the files of keys_dir as well")


def _say_restored(caller: Caller, target: "Target", done: "Restored") -> None:
    document = {
        **_of_manifest(done.manifest),
        "state_dir": str(target.state_dir),
        "audit_file": str(target.audit_file),
        "unfinished_runs": done.unfinished,
        "workspaces": [{"name": each.name, "directory": str(place)} for each, place in done.places],
    }
    caller.emit("backup-restored", document, str(target.state_dir))
    caller.note(f"restored what was there at {time_text(done.manifest.begun_ms)}; later runs are not known here")
    _say_of_the_vault(caller, done.manifest)
    if done.unfinished:
        caller.note(f"{done.unfinished} runs were under way; they go on when the host starts")
    for each in done.manifest.left_out:
        caller.warn(f"workspace {each.name} was not in it; if its project is still at {each.project_dir}, then")
        caller.note(f"  strongroom workspace mount {quote(each.project_dir)} --name {each.name}")
    for workspace, place in done.places:
        caller.note(f"workspace {workspace.name}: move {place} where it belongs, then")
        caller.note(f"  strongroom workspace mount {quote(str(place))} --name {workspace.name}")
