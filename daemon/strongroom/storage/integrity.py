"""Whether a database is sound as such, before anybody looks at what it holds. Nothing is written."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from strongroom.storage.engines import looking_uri

__all__ = ["damage_of"]

PROBLEMS_MAX: Final = 20
BUSY_S: Final = 10.0


def damage_of(file: Path) -> list[str]:
    """What SQLite finds wrong with ``file``, at most a few lines of it; nothing where it is sound."""
    try:
        with closing(sqlite3.connect(looking_uri(file), uri=True, timeout=BUSY_S)) as database:
            database.execute("PRAGMA query_only=ON")
            database.text_factory = bytes
            found = database.execute(f"PRAGMA integrity_check({PROBLEMS_MAX})").fetchall()
    except sqlite3.Error as error:
        return [f"{type(error).__name__}: {error}"]
    lines = [line.decode("utf-8", "replace") for (line,) in found]
    return [] if lines == ["ok"] else lines
