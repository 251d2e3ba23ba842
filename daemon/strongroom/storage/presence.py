"""Whether a database holds anything that was sealed, without touching it."""

from pathlib import Path

from sqlalchemy import func, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from strongroom.storage.engines import parse_url, reader_engine, sqlite_url
from strongroom.storage.faults import translated
from strongroom.storage.schema import KEY_CHECKS

__all__ = ["holds_data"]


def holds_data(place: str | Path) -> bool:
    """Whether there is a database at ``place``, a URL or the path of a SQLite file, that keys were used with.

    A SQLite file counts as soon as it has a byte. Raises ``Misconfigured``, ``StorageFault`` or ``Unavailable``.
    """
    url = sqlite_url(place) if isinstance(place, Path) else parse_url(place)
    if url.get_backend_name() == "sqlite":
        path = Path(str(url.database))
        return path.exists() and path.stat().st_size > 0
    engine = reader_engine(url)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table(KEY_CHECKS.name):
                return False
            return int(connection.execute(select(func.count()).select_from(KEY_CHECKS)).scalar_one()) > 0
    except SQLAlchemyError as error:
        raise translated(error) from error
    finally:
        engine.dispose()
