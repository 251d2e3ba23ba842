"""What an installation of the service changes below a root, step by step: planned first, then done, each said.

Nothing is written through a link that leads out of the root, and every file is whole or not there.
"""

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from strongroom.cli.exits import Exit
from strongroom.cli.failure import Failure, bad_data
from strongroom.cli.service_files import DIRECTORIES, ServiceFile

__all__ = ["Deed", "Step", "do", "planned", "planned_removal"]

Deed: TypeAlias = Literal["write", "replace", "unchanged", "keep", "make", "remove"]
FILE_BYTES_MAX: Final = 1_000_000
"""A file of the operator is only compared; one that is larger is none of ours."""
OWN_FOLDERS: Final = frozenset({"strongroom", "drop-ins"})
CHANGES: Final = frozenset({"write", "replace", "make", "remove"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing: ``deed`` at ``path``, and ``why`` where that is not plain. ``content`` is what a file will hold."""

    deed: Deed
    path: Path
    why: str = ""
    content: bytes = b""
    mode: int = 0o644

    @property
    def changes(self) -> bool:
        """Whether it changes anything."""
        return self.deed in CHANGES

    def line(self) -> str:
        """For people."""
        return f"{self.deed:<10}{self.path}{f'  ({self.why})' if self.why else ''}"

    def document(self) -> dict[str, object]:
        """For programs."""
        return {"deed": self.deed, "path": str(self.path), "why": self.why}


def planned(root: Path, files: Sequence[ServiceFile]) -> list[Step]:
    """What an installation would do below ``root``. Raises ``Failure``."""
    steps = []
    for name, mode in DIRECTORIES:
        path = _inside(root, name)
        if path.is_dir():
            steps.append(Step(deed="unchanged", path=path))
        else:
            steps.append(Step(deed="make", path=path, mode=mode, why=f"mode {mode:04o}"))
    for file in files:
        path = _inside(root, file.target)
        there = _content(path)
        if there == file.content:
            steps.append(Step(deed="unchanged", path=path))
        elif there is None:
            steps.append(Step(deed="write", path=path, content=file.content))
        elif not file.reference or there == _content(_inside(root, file.reference)):
            steps.append(Step(deed="replace", path=path, content=file.content, why="as it is shipped now"))
        else:
            steps.append(Step(deed="keep", path=path, why=f"you changed it; the shipped one is /{file.reference}"))
    return steps


def planned_removal(root: Path, files: Sequence[ServiceFile]) -> list[Step]:
    """What taking an installation away would do below ``root``. Raises ``Failure``."""
    steps = []
    for file in files:
        path = _inside(root, file.target)
        there = _content(path)
        if there is None:
            continue
        is_theirs = file.reference and there not in (file.content, _content(_inside(root, file.reference)))
        steps.append(
            Step(deed="keep", path=path, why="you changed it") if is_theirs else Step(deed="remove", path=path)
        )
    return steps


def do(step: Step) -> None:
    """Do it. Raises ``Failure``, naming the path."""
    deeds: dict[Deed, Callable[[Step], None]] = {"write": _write, "replace": _write, "make": _make, "remove": _remove}
    try:
        if step.changes:
            deeds[step.deed](step)
    except OSError as error:
        raise _refused(step.path, error) from error


def _write(step: Step) -> None:
    step.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{step.path.name}.", dir=step.path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(step.content)
            # Whatever the umask of the shell: who runs a service may read its units.
            os.fchmod(file.fileno(), step.mode)
            os.fsync(file.fileno())
        Path(name).rename(step.path)
    except OSError:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _make(step: Step) -> None:
    step.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    step.path.mkdir(mode=0o700)
    step.path.chmod(step.mode)


def _remove(step: Step) -> None:
    step.path.unlink(missing_ok=True)
    for folder in step.path.parents[:2]:
        if folder.name in OWN_FOLDERS:
            with suppress(OSError):
                # Only when nothing else is in there.
                folder.rmdir()


def _inside(root: Path, name: str) -> Path:
    """``name`` below ``root``. Raises ``Failure`` where a link on the way leads out of it, or to a link at its end."""
    path = root / name
    if not path.parent.resolve().is_relative_to(root.resolve()) or path.is_symlink():
        raise bad_data(
            "SR-SVC-006",
            f"{path} is a link, or lies behind one that leads out of {root}",
            why="what is written there would be written somewhere else",
            fix="look at the links on the way, and remove the one that was not meant",
            exit_code=Exit.CANNOT_CREATE,
        )
    return path


def _content(path: Path) -> bytes | None:
    """What a file holds; nothing when there is none. Raises ``Failure`` when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: OSError) -> Failure:
    code = Exit.PERMISSION if isinstance(error, PermissionError) else Exit.CANNOT_CREATE
    return bad_data(
        "SR-SVC-005",
        f"{path} cannot be written or read",
        why=error.strerror or type(error).__name__,
        fix="the same command goes on where it was, once the path, its mode and the disk allow it",
        exit_code=code,
    )
