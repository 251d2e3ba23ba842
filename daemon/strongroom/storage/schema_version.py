"""Which version of the schema a database has, and bringing it up to this release's.

Rule 1: a database that is newer than this code is not touched.
Rule 2: Alembic, which is slow to import, is imported only when there is something to migrate.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version as release_of
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, text

from strongroom.errors import StorageFault

__all__ = ["SCHEMA_VERSION", "Step", "bring_up_to_date", "check_current", "create_at", "steps_from", "version_of"]

SCHEMA_VERSION: Final = "0006"
MIGRATIONS: Final = Path(__file__).resolve().parent.parent / "migrations"

# Two hosts that start on one new PostgreSQL take turns. Any constant will do, as long as it never changes.
_ADVISORY_LOCK: Final = 0x5354_524F_4E47


@dataclass(frozen=True, slots=True)
class Step:
    """One migration, and what it does in a line."""

    revision: str
    what: str


def bring_up_to_date(engine: Engine, before_migration: Callable[[Connection], object] | None = None) -> None:
    """Migrate the database of ``engine`` when it is behind. ``before_migration`` sees it as it was, and may raise.

    Raises ``StorageFault`` naming both versions when it is ahead, or when it belongs to another program.
    """
    with engine.connect() as connection, connection.begin():
        if _version(connection) == SCHEMA_VERSION:
            return
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
        found = _version(connection)
        if found != SCHEMA_VERSION:
            _refuse_foreign(connection, found)
            if before_migration is not None and found:
                before_migration(connection)
            _migrate(connection)


def check_current(engine: Engine) -> None:
    """Raise ``StorageFault`` unless the database of ``engine`` has this release's schema. Nothing is written."""
    with engine.connect() as connection, connection.begin():
        found = _version(connection)
        if found != SCHEMA_VERSION:
            _refuse_foreign(connection, found)
            raise StorageFault(
                "SR-STORE-062",
                f"the database has schema version {found or 'none'}, this release works with {SCHEMA_VERSION}",
                why="it was not migrated yet",
                fix="strongroom db migrate --dry-run says what that does; a host that starts does it by itself",
                found=found,
                known=SCHEMA_VERSION,
            )


def version_of(connection: Connection) -> str:
    """The schema version of a database, empty where there is none.

    Raises ``StorageFault`` naming both versions when it is newer than this code.
    """
    return _version(connection)


def create_at(connection: Connection, revision: str) -> None:
    """Make the tables of ``revision``, with no row in them, in an empty database."""
    _upgrade(connection, revision)


def steps_from(found: str) -> list[Step]:
    """What would be done to bring a database of version ``found`` to this release's, in its order."""
    from alembic.script import ScriptDirectory

    scripts = [each for each in ScriptDirectory(str(MIGRATIONS)).walk_revisions() if each.revision > found]
    return [Step(each.revision, (each.doc or "").split("\n")[0]) for each in reversed(scripts)]


def _version(connection: Connection) -> str:
    """The version row, or an empty text where there is none."""
    if not _has_table(connection, "alembic_version"):
        return ""
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    found = str(row[0]) if row else ""
    if found > SCHEMA_VERSION or (found and not found.isdecimal()):
        wrote = _release(connection)
        raise StorageFault(
            "SR-STORE-009",
            f"the database has schema version {found}, this release knows versions up to {SCHEMA_VERSION}",
            why=f"it was written by {wrote}",
            fix=f"install {wrote} or newer; nothing was changed",
            found=found,
            known=SCHEMA_VERSION,
        )
    return found


def _has_table(connection: Connection, name: str) -> bool:
    query = (
        "SELECT to_regclass(:name) IS NOT NULL"
        if connection.dialect.name == "postgresql"
        else "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = :name"
    )
    return bool(connection.execute(text(query), {"name": name}).scalar())


def _release(connection: Connection) -> str:
    row = None
    if _has_table(connection, "meta"):
        row = connection.execute(text("SELECT value FROM meta WHERE name = 'schema_release'")).first()
    return f"strongroom {row[0]}" if row else "a newer release of strongroom"


def _refuse_foreign(connection: Connection, found: str) -> None:
    """A SQLite file that has tables but no version of ours is somebody else's."""
    if found or connection.dialect.name != "sqlite":
        return
    name = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalar()
    if name is not None:
        raise StorageFault(
            "SR-STORE-010",
            "the database was not made by strongroom",
            why=f"it has a table {name!r} and no schema version",
            fix="give the path of a new file in database_url; nothing was changed",
        )


def _migrate(connection: Connection) -> None:
    _upgrade(connection, SCHEMA_VERSION)
    release = {"name": "schema_release", "value": release_of("strongroom")}
    connection.execute(text("DELETE FROM meta WHERE name = :name"), release)
    connection.execute(text("INSERT INTO meta (name, value) VALUES (:name, :value)"), release)


def _upgrade(connection: Connection, revision: str) -> None:
    # Imported here: only a first start and an upgrade should pay for it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    # ConfigParser reads % as the start of an interpolation.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
