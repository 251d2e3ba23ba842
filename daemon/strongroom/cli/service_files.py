"""The files of a service: what is shipped, where each goes, and who may change it there.

Files below ``usr`` are ours: an installation replaces them. Files below ``etc`` are the operator's from the moment that
they are there: one that was changed is never written to, and what is shipped lies beside our own for comparison.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data

__all__ = ["DIRECTORIES", "DROP_INS", "STAYS", "UNITS", "ServiceFile", "files"]

UNITS: Final = ("strongroom.service", "strongroom-runner.service", "strongroom-runner.socket")
PLACEHOLDER: Final = "@BIN@"
LIB: Final = "usr/lib/strongroom"
ETC: Final = "etc/strongroom"
DROP_INS: Final = f"{LIB}/drop-ins"
DIRECTORIES: Final = ((f"{ETC}/conf.d", 0o755), (f"{ETC}/credentials", 0o700))
"""Directories of the operator and their modes."""
STAYS: Final = ("/var/lib/strongroom", "/var/log/strongroom", "/var/cache/strongroom", f"/{ETC}/credentials")
"""What no command here removes: state, records, compiled workflows, keys."""
OWN: Final = {
    **{f"usr/lib/systemd/system/{unit}": unit for unit in UNITS},
    "usr/lib/sysusers.d/strongroom.conf": "sysusers.d/strongroom.conf",
    "usr/lib/tmpfiles.d/strongroom.conf": "tmpfiles.d/strongroom.conf",
    f"{LIB}/strongroom.yaml": "lib/strongroom.yaml",
    f"{LIB}/strongroom.yaml.example": "etc/strongroom.yaml",
    f"{LIB}/plugins.yaml": "etc/plugins.yaml",
}
OPERATORS: Final = {
    f"{ETC}/strongroom.yaml": ("etc/strongroom.yaml", f"{LIB}/strongroom.yaml.example"),
    f"{ETC}/plugins.yaml": ("etc/plugins.yaml", f"{LIB}/plugins.yaml"),
}
"""Target -> what is shipped, and where the last installation left a copy of what it shipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFile:
    """One file. ``target`` is below the root; ``reference`` is set for one of the operator's."""

    target: str
    content: bytes
    reference: str = ""


def files(bin_dir: Path) -> list[ServiceFile]:
    """Every file of an installation whose programs are in ``bin_dir``."""
    # The operator's first: whether one was changed is told from what the last installation left.
    return [
        *(
            ServiceFile(target=target, content=_shipped(name), reference=reference)
            for target, (name, reference) in OPERATORS.items()
        ),
        *(
            ServiceFile(target=target, content=_shipped(name).replace(PLACEHOLDER.encode(), str(bin_dir).encode()))
            for target, name in (*OWN.items(), *_drop_ins())
        ),
    ]


def _drop_ins() -> Iterator[tuple[str, str]]:
    for path in sorted((_folder() / "drop-ins").glob("*.conf")):
        yield f"{DROP_INS}/{path.name}", f"drop-ins/{path.name}"


def _shipped(name: str) -> bytes:
    return (_folder() / name).read_bytes()


@cache
def _folder() -> Path:
    """Where they are: in the package as it is installed, beside it in the source tree."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "service", package.parent / "service"):
        if (folder / UNITS[0]).is_file():
            return folder
    raise bad_data(
        "SR-SVC-009",
        "the files of the service are missing from this installation",
        why=f"there is no {package / 'service'}",
        fix="install strongroom again, from its wheel",
        exit_code=Exit.CONFIGURATION,
    )
