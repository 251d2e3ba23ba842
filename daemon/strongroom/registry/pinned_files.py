"""An installed distribution as its RECORD describes it, and whether the disk still holds exactly that.

Rule 1: every file that RECORD lists with a hash is read and hashed, wherever it is.
Rule 2: in its packages lies nothing that could be imported and is not listed so. Bytecode in ``__pycache__`` is not
looked at, since nobody reads it (``pinned_import``), except for bytecode that claims to need no source.
Rule 3: a folder around its packages, which other distributions have parts in, is no module that is not listed so.
"""

import csv
import hashlib
import importlib.metadata
import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.errors import PluginFault
from strongroom.registry.pinned_import import (
    FILE_BYTES_MAX,
    NATIVE,
    RECORD_BYTES_MAX,
    Listed,
    listed_files,
    read_regular,
)

__all__ = ["InstalledRecord", "check_files", "installed_record", "refused"]

# All files of one distribution together: hashing this takes some seconds, and a start should not take longer.
DISTRIBUTION_BYTES_MAX: Final = 2_000_000_000
# Entries of directories that are looked through for what is not listed.
ENTRIES_MAX: Final = 200_000
IMPORTABLE: Final = (".py", ".pyc", ".so")
BYTECODE_HEADER_BYTES: Final = 8
UNCHECKED: Final = (1).to_bytes(4, "little")
"""PEP 552: the flags of bytecode that Python believes without looking at the source."""
REPAIR: Final = "find out who changed it, and install the distribution again"
REINSTALL: Final = "if the change is meant, look at it and run `strongroom plugin pin NAME`; if not, install it again"


def refused(code: str, what: str, *, why: str = "", expected: str = "", found: str = "", fix: str = "") -> PluginFault:
    """Something is not what its pin says. What was expected and what was found stand in the text and the details."""
    if expected:
        why = f"{why + ': ' if why else ''}expected {expected}, found {found or 'nothing'}"
    details = {"expected": expected, "found": found} if expected else {}
    return PluginFault(code, what, why=why, fix=fix or REINSTALL, **details)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledRecord:
    """The RECORD of an installed distribution: where it is, what it lists, the SHA-256 of its bytes in hex."""

    name: str
    version: str
    path: Path
    sha256: str
    listed: Sequence[Listed]

    @property
    def root(self) -> Path:
        """What the paths in it start from."""
        return self.path.parent.parent


def installed_record(name: str) -> InstalledRecord:
    """What is installed as ``name``. Raises ``PluginFault``: it is not there, has no RECORD, or is editable."""
    try:
        found = importlib.metadata.distribution(name)
        version = found.version
    except (importlib.metadata.PackageNotFoundError, ValueError, KeyError, OSError):
        raise refused(
            "SR-PIN-001", f"the pinned distribution {name[:100]} is not installed", fix="install it, or correct the pin"
        ) from None
    # What is public of it reads all of RECORD before it tells where that is.
    folder: Path | None = getattr(found, "_path", None)
    try:
        path = Path(str(folder)) / "RECORD"
        raw = read_regular(str(path), RECORD_BYTES_MAX)
        listed = listed_files(raw)
    except (OSError, ValueError, csv.Error) as error:
        raise refused(
            "SR-PIN-003",
            f"the RECORD of {name} cannot be read",
            why=str(error),
            fix="install it from a wheel; other ways of installing leave no list of files",
        ) from error
    _refuse_editable(name, path, listed)
    return InstalledRecord(
        name=name, version=str(version), path=path, sha256=hashlib.sha256(raw).hexdigest(), listed=listed
    )


def check_files(record: InstalledRecord) -> int:
    """How many files were compared. Raises ``PluginFault`` for the first that differs, is missing, or is not listed."""
    with_hash = {os.path.normpath(each.path): each for each in record.listed if each.digest}
    left = DISTRIBUTION_BYTES_MAX
    for path, each in with_hash.items():
        left -= _check_file(record, path, each, min(left, FILE_BYTES_MAX))
    for path in itertools.chain(_importable(record, with_hash), _in_place_of_folders(record, with_hash)):
        if path not in with_hash:
            raise refused(
                "SR-PIN-008",
                f"{record.root / path} is in a package of {record.name}, and RECORD has no hash of it",
                why="whoever imports that package can be given that file",
                fix="remove it, or install the distribution again",
            )
    return len(with_hash)


def _check_file(record: InstalledRecord, path: str, listed: Listed, bytes_max: int) -> int:
    place = record.root / path
    try:
        data = read_regular(str(place), bytes_max)
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else "") or str(error)
        raise refused("SR-PIN-006", f"{place} of {record.name} cannot be read", why=why, fix=REPAIR) from error
    if not listed.matches(data):
        raise refused(
            "SR-PIN-007",
            f"{place} was changed after {record.name} was installed",
            expected=f"{listed.algorithm}={listed.digest}",
            found=listed.found(data),
            fix=REPAIR,
        )
    return len(data)


def _importable(record: InstalledRecord, with_hash: Mapping[str, Listed]) -> Iterator[str]:
    """What could be imported from the packages of the distribution, by its path from the root."""
    looked_at = 0
    for package in _packages(with_hash):
        folders = [package]
        while folders:
            folder = folders.pop()
            for entry in _entries(record, folder):
                looked_at += 1
                if looked_at > ENTRIES_MAX:
                    raise refused("SR-PIN-009", f"{record.root / package} has more than {ENTRIES_MAX} entries")
                path = os.path.join(folder, entry.name)  # noqa: PTH118 - thousands of paths, compared as text
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                elif entry.is_dir() or (entry.name.endswith(IMPORTABLE) and not _is_harmless(entry, folder)):
                    yield path


def _in_place_of_folders(record: InstalledRecord, with_hash: Mapping[str, Listed]) -> Iterator[str]:
    """What Python would import in place of a folder that the distribution shares with others."""
    for space in _spaces(with_hash):
        for folder, stem in ((space, "__init__"), (os.path.dirname(space), os.path.basename(space))):  # noqa: PTH119, PTH120 - as above
            for entry in _entries(record, folder):
                if entry.name.startswith(f"{stem}.") and entry.name.removeprefix(stem) in (".py", ".pyc", *NATIVE):
                    yield os.path.join(folder, entry.name)  # noqa: PTH118 - as above


def _entries(record: InstalledRecord, folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(record.root / folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        why = error.strerror or str(error)
        place = record.root / folder
        raise refused("SR-PIN-006", f"{place} of {record.name} cannot be read", why=why, fix=REPAIR) from error


def _is_harmless(entry: os.DirEntry[str], folder: str) -> bool:
    """Bytecode that Python would compare with its source, where nobody reads it but Python itself."""
    if not entry.name.endswith(".pyc") or os.path.basename(folder) != "__pycache__":  # noqa: PTH119 - as above
        return False
    try:
        with open(entry.path, "rb", opener=_without_waiting) as file:
            return file.read(BYTECODE_HEADER_BYTES)[4:] != UNCHECKED
    except OSError:
        return False


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _packages(paths: Mapping[str, Listed]) -> list[str]:
    """The outermost folders with an ``__init__``. A folder without one is shared with other distributions."""
    with_init = {os.path.dirname(p) for p in paths if os.path.basename(p).startswith("__init__.")}  # noqa: PTH119, PTH120 - as above
    inside = {p for p in with_init if p and not p.startswith("..")}
    return sorted(p for p in inside if not any(str(parent) in inside for parent in Path(p).parents))


def _spaces(paths: Mapping[str, Listed]) -> list[str]:
    """The folders around its packages and modules, which have no ``__init__`` of its own."""
    packages = set(_packages(paths))
    around: set[str] = set()
    for path in paths:
        if path.endswith(IMPORTABLE) and not path.startswith(("..", "/")):
            outermost_first = [str(parent) for parent in reversed(Path(path).parents)][1:]
            around.update(itertools.takewhile(lambda folder: folder not in packages, outermost_first))
    return sorted(around)


def _refuse_editable(name: str, record: Path, listed: Sequence[Listed]) -> None:
    try:
        origin = json.loads(read_regular(str(record.parent / "direct_url.json"), RECORD_BYTES_MAX))
        editable = bool(origin["dir_info"]["editable"])
    except (OSError, ValueError, KeyError, TypeError):
        editable = False
    path_file = next((each.path for each in listed if each.path.endswith(".pth")), "")
    if editable or path_file:
        raise refused(
            "SR-PIN-002",
            f"distribution {name} cannot be pinned",
            why="it is installed as editable, so its RECORD does not list its code"
            if editable
            else f"{path_file} runs whenever Python starts, before anything can be checked",
            fix="install it from a wheel, or remove the pin",
        )
