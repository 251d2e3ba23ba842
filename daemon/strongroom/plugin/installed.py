"""What is installed: the digest that pins a distribution, and the program files of a package. It reads files only."""

import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.errors import Misconfigured

if TYPE_CHECKING:
    from importlib.metadata import Distribution

__all__ = ["InstalledDistribution", "installed_distribution", "program_files"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledDistribution:
    """A distribution as an operator pins it: name, version, SHA-256 of its RECORD in hex."""

    name: str
    version: str
    record_sha256: str


def installed_distribution(name: str) -> InstalledDistribution:
    """The installed distribution ``name``. Raises ``Misconfigured`` when there is none, or it has no RECORD.

    The digest is that of the file's bytes, the one that ``sha256sum`` prints.
    """
    from importlib import metadata  # it is large, and a runner reads program files alone

    try:
        found = metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):
        found = None
    record = _record(found) if found is not None else None
    if found is None or record is None:
        raise Misconfigured(
            "SR-PLUG-090",
            f"distribution {name[:100]} is not installed in a way that can be pinned",
            why="it is not there" if found is None else "it has no RECORD",
            fix="install it from a wheel with the interpreter that runs the plugin",
        )
    digest = hashlib.sha256(record).hexdigest()
    return InstalledDistribution(name=name, version=found.version, record_sha256=digest)


def program_files(packages: Iterable[str]) -> dict[str, bytes]:
    """Every ``.py`` file of the import packages, by its path with slashes.

    Raises ``Misconfigured`` for what is no package at the top: a module alone, a part of one, or nothing at all.
    """
    files = {}
    for package in packages:
        spec = importlib.util.find_spec(package) if package.isidentifier() else None
        if spec is None or spec.origin is None or spec.submodule_search_locations is None:
            raise Misconfigured("SR-PLUG-091", f"package {package[:100]} is not installed", fix="install it")
        root = Path(spec.origin).parent
        for path in _sources(root, seen=frozenset()):
            files[f"{package}/{path.relative_to(root).as_posix()}"] = path.read_bytes()
    return files


def _sources(folder: Path, *, seen: frozenset[Path]) -> Iterator[Path]:
    """The ``.py`` files of a folder and below. Links are followed, since a wheel holds files where a checkout has them;
    one that leads back to where it came from is not."""
    real = folder.resolve()
    if real in seen:
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            yield from _sources(path, seen=seen | {real})
        elif path.suffix == ".py" and path.is_file():
            yield path


def _record(distribution: "Distribution") -> bytes | None:
    """The bytes of its RECORD, in which it lists itself. Read as text, another line end would be another digest."""
    for each in distribution.files or ():
        if each.name == "RECORD" and each.parent.name.endswith(".dist-info"):
            path = Path(str(each.locate()))
            return path.read_bytes() if path.is_file() else None
    return None
