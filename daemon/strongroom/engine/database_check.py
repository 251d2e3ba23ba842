"""Looks at the database of a host, beside it or without it: sound, whose, how much, and does the keyring fit it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from strongroom.engine.probe import Probed, probe_database
from strongroom.errors import Tampered
from strongroom.keyring.root import RootKeyring
from strongroom.storage.database import Database
from strongroom.storage.engines import parse_url
from strongroom.storage.facts import DatabaseFacts, facts_at
from strongroom.storage.filling import is_postgres
from strongroom.storage.integrity import damage_of
from strongroom.storage.schema_version import SCHEMA_VERSION

__all__ = ["DatabaseCheck", "check_database"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseCheck:
    """What was found. ``opened`` counts by kind and key version; it is empty where no keyring was held against it."""

    backend: str
    facts: DatabaseFacts
    is_current: bool
    damage: Sequence[str]
    found: Mapping[str, Mapping[int, int]]
    opened: Mapping[str, Mapping[int, int]]
    problems: Sequence[str]

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.damage and not self.problems


def check_database(place: str | Path, root: RootKeyring | None) -> DatabaseCheck:
    """The database at ``place``, which is only read.

    Raises ``KeyMissing`` naming key ids where ``root`` does not fit, ``StorageFault`` where there is none or its schema
    is newer, ``Unavailable``, ``Misconfigured``.
    """
    on_server = is_postgres(place)
    facts = facts_at(place)
    damage = [] if on_server else damage_of(_file_of(place))
    is_current = facts.schema == SCHEMA_VERSION
    probed = Probed()
    if root is not None and is_current and not damage:
        database = Database.open_to_read(place)
        try:
            probed = probe_database(database, root)
        except Tampered as error:
            probed.cannot(f"{error} ({error.code})")
        finally:
            database.close()
    return DatabaseCheck(
        backend="postgresql" if on_server else "sqlite",
        facts=facts,
        is_current=is_current,
        damage=damage,
        found=probed.found,
        opened=probed.opened,
        problems=probed.problems,
    )


def _file_of(place: str | Path) -> Path:
    return place if isinstance(place, Path) else Path(str(parse_url(place).database))
