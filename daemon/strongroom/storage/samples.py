"""Some rows of a table that are under a key version, for whoever holds a keyring against a database."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, LargeBinary, func, literal, select

from strongroom.storage.key_counts import SEALED
from strongroom.storage.schema import METADATA

__all__ = ["rows_of_version"]

HEADER_PLACE: Final = 5
VERSION_BYTES: Final = 4


def rows_of_version(
    connection: Connection, table: str, version: int, *, limit: int
) -> list[Mapping[str, Any]]:  # Any: what the columns hold
    """Up to ``limit`` rows of ``table`` that name ``version``, each by the names of its columns."""
    known = METADATA.tables[table]
    if "key_version" in known.c:
        condition = known.c.key_version == version
    else:
        (sealed,) = SEALED[table]
        named = literal(version.to_bytes(VERSION_BYTES, "big"), LargeBinary())
        condition = func.substr(sealed, HEADER_PLACE, VERSION_BYTES) == named
    found = connection.execute(select(known).where(condition).limit(limit)).mappings()
    return [dict(row) for row in found]
