"""Where a restore is put together, and how it takes its place: whole, or not at all.

    STATE_DIR/.restoring/           made first; while it is there without a plan, nothing was restored
    STATE_DIR/.restoring/plan.json  made last: from then on everything is restored, and only has to be moved

Rule 1: what is moved was synced before the plan was, and the plan before the first move.
Rule 2: a move that was done is not done again, so whoever finds a plan (a start of the host, another restore) carries
it out to its end.
"""

import json
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.crypto.key_files import write_private_file
from strongroom.errors import Conflict, StorageFault
from strongroom.storage.directories import make_directories

__all__ = [
    "AUDIT_HOST_NAME",
    "Move",
    "Staging",
    "carry_out",
    "check_empty",
    "check_staging",
    "finish_restore",
    "restored_host",
]

NAME: Final = ".restoring"
PLAN: Final = "plan.json"
PLAN_BYTES_MAX: Final = 64_000_000
FILLING: Final = "filling"
AUDIT_HOST_NAME: Final = "audit.host"
"""The file that says whose name the restored audit log goes on under."""
HOST_BYTES_MAX: Final = 256
NOT_STATE: Final = frozenset(
    {"strongroom.lock", "strongroom.db.lock", "lost+found", "backups", "keyring", "keys", "cache", NAME}
)
"""What may be in a state directory that is empty: nothing of it is state."""


@dataclass(frozen=True, slots=True)
class Move:
    """Something that takes its place: a file, or a directory with all that is in it."""

    source: Path
    target: Path


class Staging:
    """The directory of one restore. The lock of the state directory is held as long as this is used."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self.directory = state_dir / NAME
        self.parts = self.directory / "parts"

    def begin(self) -> None:
        """Begin anew, and take away what an earlier restore left, but for what it was filling.

        Raises ``StorageFault`` as ``check_staging`` does.
        """
        check_staging(self._state_dir)
        for left in self.directory.iterdir() if self.directory.exists() else ():
            if left.name != FILLING:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        self.parts.mkdir(mode=0o700, parents=True)
        self.directory.chmod(0o700)

    def give_up(self) -> None:
        """Take away what is not to be used. What another database is being filled with stays, for the next try."""
        if self.directory.exists() and not (self.directory / PLAN).exists() and not self._filling():
            shutil.rmtree(self.directory, ignore_errors=True)

    def fills(self, backup_id: str) -> None:
        """Say that another database is being filled, before it is."""
        (self.directory / FILLING).unlink(missing_ok=True)
        write_private_file(self.directory / FILLING, backup_id.encode())

    def was_filling(self) -> str:
        """Which backup an earlier restore was filling another database with."""
        return self._filling()

    def settle(self, moves: Sequence[Move]) -> None:
        """Sync everything, and write the plan. From here on it is done."""
        for path in _below(self.directory):
            _sync(path)
        plan = json.dumps([[str(move.source), str(move.target)] for move in moves]).encode()
        write_private_file(self.directory / f"{PLAN}.new", plan)
        (self.directory / f"{PLAN}.new").replace(self.directory / PLAN)
        _sync(self.directory)
        _sync(self._state_dir)

    def _filling(self) -> str:
        try:
            return (self.directory / FILLING).read_text("utf-8", "replace")[:64]
        except OSError:
            return ""


def check_staging(state_dir: Path) -> None:
    """Raise ``StorageFault`` where what stands in the place of a restore was not left by one of this user.

    No link there is followed, and no plan carried out that somebody else could have made.
    """
    directory = state_dir / NAME
    try:
        found = directory.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
        return
    raise StorageFault(
        "SR-BACKUP-026",
        f"{directory} was not left by a restore of this user",
        why=f"it is user {found.st_uid}'s" if stat.S_ISDIR(found.st_mode) else "it is no directory",
        fix="start the host, or restore again, as that user; if no restore left it, delete it",
    )


def finish_restore(state_dir: Path) -> bool:
    """Carry out the plan of a restore that was cut off; whether there was one.

    Raises ``StorageFault`` for a restore without a plan: nothing of it may be used, and nothing must begin in its
    place. The lock of the state directory is held.
    """
    directory = state_dir / NAME
    if not os.path.lexists(directory):
        return False
    check_staging(state_dir)
    try:
        raw = (directory / PLAN).read_bytes()
    except FileNotFoundError:
        raise StorageFault(
            "SR-BACKUP-016",
            f"a restore into {state_dir} was cut off before it was complete",
            why="nothing of the backup is in place; a host that starts now would begin with nothing",
            fix=f"run strongroom backup restore again; or, to begin with nothing, delete {directory}",
        ) from None
    try:
        moves = [Move(Path(source), Path(target)) for source, target in json.loads(raw[:PLAN_BYTES_MAX])]
    except (ValueError, TypeError) as error:
        raise _cannot_finish(state_dir, type(error).__name__) from error
    carry_out(state_dir, moves)
    return True


def carry_out(state_dir: Path, moves: Sequence[Move]) -> None:
    """Move what was settled into its place. Raises ``StorageFault``; whoever finds the plan then goes on with it."""
    try:
        for move in moves:
            _carry_out(move)
        shutil.rmtree(state_dir / NAME)
        _sync(state_dir)
    except OSError as error:
        raise _cannot_finish(state_dir, error.strerror or type(error).__name__) from error


def _cannot_finish(state_dir: Path, why: str) -> StorageFault:
    return StorageFault(
        "SR-BACKUP-022",
        f"the restore into {state_dir} cannot be finished",
        why=why,
        fix="see the disk and who may write there; what is missing is moved by the next try",
    )


def restored_host(state_dir: Path) -> str:
    """The name of the audit log that was restored into ``state_dir``; empty where none was."""
    try:
        return (state_dir / AUDIT_HOST_NAME).read_bytes()[:HOST_BYTES_MAX].decode("utf-8", "replace").strip()
    except FileNotFoundError:
        return ""


def check_empty(state_dir: Path, others: Sequence[Path]) -> None:
    """Raise ``Conflict`` when there is anything in the state directory, or any of ``others``, that a restore would
    meet."""
    found = [path for path in sorted(state_dir.iterdir()) if path.name not in NOT_STATE]
    found += [path for path in others if os.path.lexists(path) and not _is_empty_directory(path)]
    if found:
        wanted = "an empty state directory with --state-dir"
        if found[0].parent != state_dir:
            wanted = "another place for it: --workspaces-dir, --audit-file or the settings say where it goes"
        raise Conflict(
            "SR-BACKUP-017",
            f"{found[0]} is there already",
            why="a backup is restored into an empty place only: nothing is ever replaced by an older state",
            fix=f"name {wanted}; nothing was changed",
            path=str(found[0]),
        )


def _is_empty_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not any(path.iterdir())


def _carry_out(move: Move) -> None:
    if not os.path.lexists(move.source):
        # Done before this was cut off.
        return
    make_directories(move.target.parent)
    if move.source.stat().st_dev == move.target.parent.stat().st_dev:
        move.source.replace(move.target)
    else:
        _carry_over(move)
    _sync(move.target.parent)


def _carry_over(move: Move) -> None:
    """To another file system: copied beside its place first, since only a move within one is a single step."""
    beside = move.target.with_name(f".{move.target.name}{NAME}")
    if beside.is_dir():
        shutil.rmtree(beside)
    beside.unlink(missing_ok=True)
    if move.source.is_dir():
        shutil.copytree(move.source, beside)
    else:
        shutil.copy2(move.source, beside)
    for path in _below(beside):
        _sync(path)
    beside.replace(move.target)
    _sync(move.target.parent)
    if move.source.is_dir():
        shutil.rmtree(move.source)
    else:
        move.source.unlink()


def _below(path: Path) -> Iterator[Path]:
    """Everything below ``path``, and itself last."""
    if path.is_dir() and not path.is_symlink():
        for each in sorted(path.iterdir()):
            yield from _below(each)
    yield path


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
