"""What is installed: the digest that pins a distribution, and the program files of a package. It reads files only."""

import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from strongroom.errors import Misconfigured

__all__ = ["InstalledDistribution", "installed_distribution", "program_files"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledDistribution:
    """A distribution as an operator pins it: name, version, SHA-256 of its RECORD in hex."""

    name: str
    version: str
    record_sha256: str


def installed_distribution(name: str) -> InstalledDistribution:
    """The installed distribution ``name``. Raises ``Misconfigured`` when there is none, or it has no RECORD."""
    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        found = None
    record = found.read_text("RECORD") if found is not None else None
    if found is None or record is None:
        raise Misconfigured(
            "SR-PLUG-090",
            f"distribution {name[:100]} is not installed in a way that can be pinned",
            why="it is not there" if found is None else "it has no RECORD",
            fix="install it from a wheel with the interpreter that runs the plugin",
        )
    digest = hashlib.sha256(record.encode()).hexdigest()
    return InstalledDistribution(name=name, version=found.version, record_sha256=digest)


def program_files(packages: Iterable[str]) -> dict[str, bytes]:
    """Every ``.py`` file of the import packages, by its path with slashes. Raises ``Misconfigured``."""
    files = {}
    for package in packages:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise Misconfigured("SR-PLUG-091", f"package {package[:100]} is not installed", fix="install it")
        root = Path(spec.origin).parent
        for path in root.rglob("*.py"):
            files[f"{package}/{path.relative_to(root).as_posix()}"] = path.read_bytes()
    return files
