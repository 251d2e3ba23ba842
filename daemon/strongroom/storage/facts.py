"""What a database says about itself, whichever its schema: version, deployment, keys, rows, size."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from strongroom.storage import key_checks, meta
from strongroom.storage.copying import row_counts
from strongroom.storage.engines import check_there, file_engine, looking_engine, parse_url, reader_engine, sqlite_url
from strongroom.storage.faults import translated
from strongroom.storage.key_checks import KeyCheckRow
from strongroom.storage.schema import RUNS, UNFINISHED
from strongroom.storage.schema_version import version_of

__all__ = ["DatabaseFacts", "database_bytes", "facts_at", "facts_of", "facts_on"]

_BESIDE = ("", "-wal")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseFacts:
    """None of it is authentic before a keyring has been held against it. ``schema`` is empty for no database yet."""

    schema: str
    deployment_id: str
    keys: tuple[KeyCheckRow, ...]
    rows: Mapping[str, int]
    unfinished: int = 0
    """Runs that go on at the next start."""


def facts_on(connection: Connection) -> DatabaseFacts:
    """The facts of the database of ``connection``. Raises ``StorageFault`` for a newer schema."""
    schema = version_of(connection)
    if not schema:
        return DatabaseFacts(schema="", deployment_id="", keys=(), rows={})
    return DatabaseFacts(
        schema=schema,
        deployment_id=meta.get(connection, "deployment_id") or "",
        keys=tuple(key_checks.all_of_older_schema(connection)),
        rows=row_counts(connection),
        unfinished=_unfinished(connection),
    )


def facts_at(place: str | Path) -> DatabaseFacts:
    """The facts of the database at ``place``, a URL or the path of a SQLite file, which others may be serving.

    Nothing is written. Raises ``StorageFault`` where there is none, or for a newer schema; ``Unavailable``.
    """
    url = sqlite_url(place) if isinstance(place, Path) else parse_url(place)
    check_there(url)
    engine = looking_engine(url)
    try:
        with engine.connect() as connection, connection.begin():
            return facts_on(connection)
    except SQLAlchemyError as error:
        raise translated(error) from error
    finally:
        engine.dispose()


def _unfinished(connection: Connection) -> int:
    query = select(func.count()).select_from(RUNS).where(RUNS.c.status.in_(UNFINISHED))
    return int(connection.execute(query).scalar_one())


def facts_of(file: Path) -> DatabaseFacts:
    """The facts of a SQLite file that nobody else has open. Raises ``StorageFault``."""
    engine = file_engine(file)
    try:
        with engine.connect() as connection, connection.begin():
            return facts_on(connection)
    except SQLAlchemyError as error:
        raise translated(error) from error
    finally:
        engine.dispose()


def database_bytes(place: str | Path) -> int:
    """About how many bytes the database at ``place`` has. Raises ``StorageFault``, ``Unavailable``."""
    url = sqlite_url(place) if isinstance(place, Path) else parse_url(place)
    if url.get_backend_name() == "sqlite":
        files = [Path(f"{url.database}{ending}") for ending in _BESIDE]
        return sum(each.stat().st_size for each in files if each.exists())
    engine = reader_engine(url)
    try:
        with engine.connect() as connection:
            return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    except SQLAlchemyError as error:
        raise translated(error) from error
    finally:
        engine.dispose()
