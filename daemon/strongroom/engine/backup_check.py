"""Verifies a backup with a keyring: bytes, files, keys, and a sample of what is in it. The same before a restore.

The digests say that a backup is what was written; this says that what was written is worth having.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from strongroom.audit.audit_log import Snapshot
from strongroom.audit.log_chain import LogName
from strongroom.audit.verify import Report, verify
from strongroom.backup.faults import damaged
from strongroom.backup.manifest import STATE, Manifest, Workspace
from strongroom.backup.reading import Backup, Told, opened_backup
from strongroom.engine.host_audit import AuditKeys, SealedHeads
from strongroom.engine.probe import Probed, probe_database
from strongroom.errors import KeyMissing, StorageFault, StrongroomError, Tampered
from strongroom.keyring.owner_keyring import derive_keyring
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import RootKeyring
from strongroom.keyring.workspace_keys import WorkspaceKeys, derive_workspace_keys
from strongroom.storage.database import Database
from strongroom.storage.integrity import damage_of
from strongroom.storage.schema_version import SCHEMA_VERSION
from strongroom.storage.snapshot import copied_file
from strongroom.storage.update_log_rows import Row, one_of_each_version
from strongroom.workspace.persistence.row_seal import CannotOpen, RowSeal

__all__ = ["Checked", "checked_backup"]

SHOWN: Final = 3
GROWING: Final = "audit/0.jsonl"
"""The part of the audit log that grew last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A backup that holds. ``directory`` has its parts; they are those of the file, untouched."""

    backup: Backup
    directory: Path
    probed: Probed
    audit: Report
    unopened: Sequence[str]
    """Workspaces that only a password or a session elsewhere opens."""

    @property
    def manifest(self) -> Manifest:
        """What it says of itself."""
        return self.backup.manifest


@contextmanager
def checked_backup(
    source: Path | BinaryIO, root: RootKeyring, directory: Path, told: Told = lambda _what, _done, _total: None
) -> Iterator[Checked]:
    """The backup at ``source``, verified, with its parts in ``directory``, which is empty and the caller's.

    Raises ``InvalidInput`` for all that is wrong with it, ``KeyMissing`` for a keyring that does not fit,
    ``StorageFault`` for one of a newer release or where there is no room, ``OSError``.
    """
    with opened_backup(source, root, told) as backup:
        backup.extract(directory, told)
        for part in backup.manifest.parts:
            if part.name.endswith(".db"):
                told(f"looking at {part.name}", 0, 1)
                _check_sound(Backup.place_of(directory, part), part.name)
        told("opening a sample", 0, 1)
        probed, audit = _probed_state(backup, directory, root)
        unopened = [each for each in backup.manifest.workspaces if not _probe(backup, each, directory, root, probed)]
        if probed.problems:
            raise damaged("SR-BACKUP-009", "something in the backup does not open", "; ".join(probed.problems[:SHOWN]))
        yield Checked(
            backup=backup,
            directory=directory,
            probed=probed,
            audit=audit,
            unopened=[workspace.name for workspace in unopened],
        )


def _check_sound(file: Path, name: str) -> None:
    found = damage_of(file)
    if found:
        raise damaged("SR-BACKUP-008", f"{name} of the backup is no sound database", "; ".join(found[:SHOWN]))


def _probed_state(backup: Backup, directory: Path, root: RootKeyring) -> tuple[Probed, Report]:
    """Look at the database; what an older release made at a copy of it, which is migrated as a start would do it."""
    state, copy = directory / STATE, directory / f"probe-{STATE}"
    try:
        if backup.manifest.schema == SCHEMA_VERSION:
            database = Database.open_to_read(state)
        else:
            copied_file(state, copy)
            database = Database.open(copy)
        try:
            probed = probe_database(database, root)
            return probed, _verified_log(backup, directory, root, database)
        finally:
            database.close()
    except (KeyMissing, StorageFault, Tampered) as error:
        if isinstance(error, KeyMissing):
            raise
        raise damaged("SR-BACKUP-009", "something in the backup does not open", f"{error} ({error.code})") from error
    finally:
        for ending in ("", "-wal", "-shm"):
            copy.with_name(copy.name + ending).unlink(missing_ok=True)


def _verified_log(backup: Backup, directory: Path, root: RootKeyring, database: Database) -> Report:
    manifest = backup.manifest
    name = LogName(manifest.deployment_id, manifest.audit_host)
    files = {part.name: Backup.place_of(directory, part) for part in manifest.parts if part.name.startswith("audit/")}
    last = files.pop(GROWING, None)
    heads = SealedHeads(name, database, RecordKeys(root))
    with ExitStack() as steps:
        snapshot = Snapshot(
            number=0,
            link=None,
            committed=None,
            before=list(files.values()),
            size=last.stat().st_size if last is not None else 0,
            file=steps.enter_context(last.open("rb")) if last is not None else None,
        )
        return verify(snapshot, name, AuditKeys(root), heads.read)


def _probe(backup: Backup, workspace: Workspace, directory: Path, root: RootKeyring, probed: Probed) -> bool:
    """Open one row of each key version of a workspace; whether this keyring could."""
    if workspace.has_password or not workspace.own:
        return False
    file = Backup.place_of(directory, backup.manifest.part(workspace.log))
    keys = derive_workspace_keys(derive_keyring(root, workspace.owner_id), workspace.workspace_id)
    seal = RowSeal(workspace.owner_id, workspace.workspace_id)
    what = f"workspace {workspace.name}"
    try:
        rows = one_of_each_version(file)
    except StrongroomError as error:
        probed.cannot(f"{what}: {error} ({error.code})")
        return True
    for version, count in workspace.counts.items():
        probed.see(what, int(version), count)
    for row in rows:
        probed.try_one(what, row.key_version, what, lambda row=row: _opened(seal, keys, row))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    return True


def _opened(seal: RowSeal, keys: WorkspaceKeys, row: Row) -> None:
    try:
        seal.open(keys, row)
    except CannotOpen as error:
        raise Tampered(f"row {row.id} ({error.reason})") from None
