"""Fills an empty PostgreSQL database with the rows of a SQLite file, in one transaction; and says what fills one.

The tables are made at the version that the file has, so an older one is migrated by the next start, as it would be
where it came from.
"""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from strongroom.storage import meta
from strongroom.storage.copying import Told, copy_rows
from strongroom.storage.engines import file_engine, parse_url, reader_engine, writer_engine
from strongroom.storage.faults import translated
from strongroom.storage.schema_version import create_at, version_of

__all__ = ["change_file", "fill_postgres", "is_postgres", "meta_of_postgres"]


def is_postgres(place: str | Path) -> bool:
    """Whether ``place`` names a PostgreSQL database. Raises ``Misconfigured``."""
    return not isinstance(place, Path) and parse_url(place).get_backend_name() == "postgresql"


def meta_of_postgres(url: str, name: str) -> str | None:
    """What the database at ``url`` says under ``name``, empty where it says nothing, ``None`` where it has no tables.

    Raises ``StorageFault``, ``Unavailable``, ``Misconfigured``.
    """
    engine = reader_engine(parse_url(url))
    try:
        with engine.connect() as connection, connection.begin():
            return (meta.get(connection, name) or "") if version_of(connection) else None
    except SQLAlchemyError as error:
        raise translated(error) from error
    finally:
        engine.dispose()


def fill_postgres(url: str, file: Path, told: Told) -> None:
    """Put everything of the SQLite ``file`` into the empty database at ``url``: all of it or nothing.

    Raises ``StorageFault``, ``Unavailable``, ``Misconfigured``.
    """
    source, target = file_engine(file), writer_engine(parse_url(url))
    try:
        with source.connect() as rows, rows.begin(), target.begin() as connection:
            create_at(connection, version_of(rows))
            copy_rows(rows, connection, told)
    except SQLAlchemyError as error:
        raise translated(error) from error
    finally:
        source.dispose()
        target.dispose()


def change_file(file: Path, change: Callable[[Connection], object]) -> None:
    """Change a SQLite file that nobody else has open. Raises ``StorageFault``."""
    engine = file_engine(file)
    try:
        with engine.begin() as connection:
            change(connection)
    except SQLAlchemyError as error:
        raise translated(error) from error
    finally:
        engine.dispose()
