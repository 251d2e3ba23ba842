"""A state directory whose database is gone is no new host: whoever begins anew there must say so."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from strongroom.errors import Misconfigured
from strongroom.settings.model import Settings
from strongroom.storage.engines import parse_url

__all__ = ["refuse_lost_database"]

SIGNS: Final = ("audit.host", "vault/vault.db", "recovery-verified.json")
"""What a host leaves in its state directory beside its database."""


def refuse_lost_database(settings: Settings, audit_file: Path) -> None:
    """Raise ``Misconfigured`` where a host was before and its SQLite file is missing or empty.

    It would start as a new one, without a run or a workflow, and say that it is well.
    """
    path = _sqlite_file(settings)
    if path is None or _holds(path):
        return
    sign = next((each for each in _signs(settings.state_dir, audit_file) if _holds(each)), None)
    if sign is not None:
        raise Misconfigured(
            "SR-APP-011",
            f"the database {path} is gone, or empty",
            why=f"a host was here before: {sign} is of it",
            fix="put the database back, or restore a backup into an empty directory; to begin anew, choose another"
            " --state-dir, or move everything away that the old host left",
            where="state_dir",
        )


def _sqlite_file(settings: Settings) -> Path | None:
    place = settings.database
    if isinstance(place, Path):
        return place
    url = parse_url(place)
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def _signs(state_dir: Path, audit_file: Path) -> Iterator[Path]:
    yield audit_file
    for name in SIGNS:
        yield state_dir / name


def _holds(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
