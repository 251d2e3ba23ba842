"""Restores a backup into an empty place, while no host runs there.

Rule 1: the backup is verified first, all of it; what it is restored from are the bytes that were verified.
Rule 2: it is put together beside its place and takes it at once (``backup.staging``): a crash leaves nothing or all.
Rule 3: nothing that is there is replaced, ever.
"""

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from strongroom.audit.log_place import LogPlace
from strongroom.backup.manifest import STATE, Manifest, Workspace
from strongroom.backup.place import work_in
from strongroom.backup.reading import Backup, Told, opened_file
from strongroom.backup.staging import (
    AUDIT_HOST_NAME,
    Move,
    Staging,
    carry_out,
    check_empty,
    check_staging,
    finish_restore,
)
from strongroom.crypto.key_files import write_private_file
from strongroom.engine.backup_check import Checked, checked_backup
from strongroom.engine.backup_sources import KNOWN, remember
from strongroom.engine.restored import RESTORED
from strongroom.errors import Conflict, StorageFault
from strongroom.keyring.root import RootKeyring
from strongroom.storage import meta
from strongroom.storage.engines import parse_url
from strongroom.storage.facts import facts_of
from strongroom.storage.filling import change_file, fill_postgres, is_postgres, meta_of_postgres
from strongroom.storage.host_lock import lock_database
from strongroom.storage.state_lock import StateLock

__all__ = ["Restored", "Target", "restore"]

LABEL_CHARS_MAX: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to: all absolute. ``audit_file`` is the growing file of the log."""

    state_dir: Path
    database: str | Path
    audit_file: Path
    workspaces_dir: Path

    @property
    def database_file(self) -> Path | None:
        """The file of a SQLite database."""
        if isinstance(self.database, Path):
            return self.database
        return None if is_postgres(self.database) else Path(str(parse_url(self.database).database))

    @property
    def elsewhere(self) -> Sequence[Path]:
        """What need not be below the state directory."""
        file = self.database_file
        return [self.audit_file, self.workspaces_dir, *([] if file is None else [file])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was restored. ``places`` are projects by workspace; ``unfinished`` runs go on when the host starts."""

    manifest: Manifest
    places: Sequence[tuple[Workspace, Path]]
    unfinished: int
    unopened: Sequence[str]


def restore(path: Path, root: RootKeyring, target: Target, told: Told = lambda _what, _done, _total: None) -> Restored:
    """Restore the backup at ``path``. Root becomes the owner of the state directory **for good** (``work_in``).

    Raises what ``checked_backup`` and ``work_in`` raise, ``Conflict`` where something is there already, ``Unavailable``
    while a host runs there, ``StorageFault`` for what the disk refuses.
    """
    # While root still is root: the service need not be able to read it.
    with opened_file(path) as file:
        work_in(target.state_dir, target.elsewhere)
        try:
            return _restored(file, root, target, told)
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            raise StorageFault(
                "SR-BACKUP-030",
                f"the restore into {target.state_dir} came to an end",
                why=f"{error.strerror or type(error).__name__}{where}",
                fix="see the disk, and that nothing else works in that directory, then restore again",
            ) from error


def _restored(file: BinaryIO, root: RootKeyring, target: Target, told: Told) -> Restored:
    with ExitStack() as steps:
        lock = StateLock(target.state_dir)
        steps.callback(lock.release)
        staging = Staging(target.state_dir)
        _refuse_finished(target.state_dir)
        filling = staging.was_filling()
        _check_empty(target, filling)
        steps.callback(lock_database(target.database).release)
        staging.begin()
        # What goes wrong from here on leaves nothing, unless another database was begun to be filled.
        steps.callback(staging.give_up)
        with checked_backup(file, root, staging.parts, told) as checked:
            is_filled = _is_filled(target, filling)
            if is_filled and filling != checked.manifest.backup_id:
                raise _not_empty(f"an earlier restore, which was cut off, filled it with backup {filling}")
            return _placed(checked, staging, target, told, is_filled=is_filled)


def _placed(checked: Checked, staging: Staging, target: Target, told: Told, *, is_filled: bool) -> Restored:
    manifest = checked.manifest
    state = staging.parts / STATE
    note = json.dumps(
        {"backup_id": manifest.backup_id, "begun_ms": manifest.begun_ms, "restored_ms": time.time_ns() // 1_000_000}
    )
    unfinished = facts_of(state).unfinished
    change_file(state, lambda connection: meta.set(connection, RESTORED, note))
    moves, places = _workspace_moves(checked, staging, target)
    moves += _audit_moves(checked, staging, target)
    for part in manifest.parts:
        if part.name.startswith("file/"):
            moves.append(Move(Backup.place_of(staging.parts, part), target.state_dir / part.at))
    database_file = target.database_file
    if database_file is not None:
        # The last of all: a state directory without a database is one that nothing was restored into.
        moves.append(Move(state, database_file))
    elif not is_filled:
        staging.fills(manifest.backup_id)
        told("filling the database", 0, 1)
        fill_postgres(str(target.database), state, lambda done, total: told("filling the database", done, total))
    staging.settle(moves)
    carry_out(target.state_dir, moves)
    return Restored(manifest=manifest, places=places, unfinished=unfinished, unopened=checked.unopened)


def _workspace_moves(
    checked: Checked, staging: Staging, target: Target
) -> tuple[list[Move], list[tuple[Workspace, Path]]]:
    """Each project as a directory of its own, put together below the staging one."""
    manifest = checked.manifest
    labels = _labels(manifest)
    made = staging.directory / "projects"
    for number, workspace in enumerate(manifest.workspaces, 1):
        below = made / labels[workspace.project]
        for name in (workspace.log, f"password/{number}.txt", f"project/{workspace.project}.toml"):
            part = next((each for each in manifest.parts if each.name == name), None)
            if part is None or not Backup.place_of(staging.parts, part).exists():
                continue  # its project was put together with another workspace of it
            place = below / part.at
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            Backup.place_of(staging.parts, part).replace(place)
    for directory in made.rglob("*") if made.exists() else ():
        if directory.is_dir():
            directory.chmod(0o700)
    places = [(each, target.workspaces_dir / labels[each.project]) for each in manifest.workspaces]
    moves = [Move(made / label, target.workspaces_dir / label) for label in labels.values()]
    if places or manifest.left_out:
        remember(staging.directory / "known.json", places, manifest.left_out)
        moves.append(Move(staging.directory / "known.json", target.state_dir / KNOWN))
    return moves, places


def _labels(manifest: Manifest) -> dict[int, str]:
    """A directory name for each project: that of its own, and a number where two have the same."""
    labels: dict[int, str] = {}
    for workspace in manifest.workspaces:
        if workspace.project not in labels:
            name = Path(workspace.project_dir).name
            safe = "".join(each if each.isalnum() or each in "-_" else "-" for each in name)[:LABEL_CHARS_MAX]
            label = safe.strip("-") or "project"
            # Again, since a project may itself be called as another one with its number: two must never share one.
            while label in labels.values():
                label = f"{label}-{workspace.project}"
            labels[workspace.project] = label
    return labels


def _audit_moves(checked: Checked, staging: Staging, target: Target) -> list[Move]:
    place = target.audit_file
    moves = []
    for part in checked.manifest.parts:
        if part.name.startswith("audit/"):
            ending = Path(part.at).stem.removeprefix("audit")
            moves.append(
                Move(Backup.place_of(staging.parts, part), place.with_name(f"{place.stem}{ending}{place.suffix}"))
            )
    host = staging.directory / AUDIT_HOST_NAME
    write_private_file(host, checked.manifest.audit_host.encode())
    return [*moves, Move(host, target.state_dir / AUDIT_HOST_NAME)]


def _refuse_finished(state_dir: Path) -> None:
    """Carry out what an earlier restore left to be done; then there is something here."""
    check_staging(state_dir)
    if (state_dir / ".restoring" / "plan.json").exists():
        finish_restore(state_dir)


def _check_empty(target: Target, filling: str) -> None:
    log = LogPlace(target.audit_file)
    others = [*(log.files() if log.path.parent.exists() else []), target.workspaces_dir]
    file = target.database_file
    check_empty(target.state_dir, [*others, *([file] if file is not None else [])])
    if file is None:
        found = meta_of_postgres(str(target.database), RESTORED)
        if found is not None and not (filling and filling in found):
            raise _not_empty("it has tables already")


def _is_filled(target: Target, filling: str) -> bool:
    return (
        bool(filling) and target.database_file is None and meta_of_postgres(str(target.database), RESTORED) is not None
    )


def _not_empty(why: str) -> Conflict:
    # Without its URL, which may hold a password.
    return Conflict(
        "SR-BACKUP-024",
        "the database of database_url is not empty",
        why=f"{why}; a backup is restored into an empty place only",
        fix="make an empty database and name that; nothing was changed",
    )
