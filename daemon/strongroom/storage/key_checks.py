"""One row per key version that this database was ever written with (``key_checks``)."""

from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, inspect, select
from sqlalchemy import update as update_rows

from strongroom.errors import Conflict
from strongroom.storage.schema import KEY_CHECKS
from strongroom.storage.statements import Statement, insert_new

__all__ = ["KeyCheckRow", "add", "all", "all_of_older_schema", "retire"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCheckRow:
    """A key version: its id for people, and a value that only the right root gives.

    Times are Unix milliseconds. ``retired_at`` is 0 until the version is retired.
    """

    version: int
    key_id: str
    check_value: bytes
    created_at: int
    retired_at: int = 0


_INSERT: Final = insert_new(KEY_CHECKS)
_NAMES: Final = tuple(KeyCheckRow.__dataclass_fields__)
_RETIRE: Final = Statement(
    lambda _dialect: (
        update_rows(KEY_CHECKS)
        .where(KEY_CHECKS.c.version == bindparam("of_version"), KEY_CHECKS.c.retired_at == 0)
        .values(retired_at=bindparam("at"))
    )
)


def all(conn: Connection) -> list[KeyCheckRow]:  # noqa: A001 - read as key_checks.all
    """Every row, by version."""
    query = select(*(KEY_CHECKS.c[name] for name in _NAMES)).order_by(KEY_CHECKS.c.version)
    return [KeyCheckRow(**dict(zip(_NAMES, found, strict=True))) for found in conn.execute(query)]


def all_of_older_schema(conn: Connection) -> list[KeyCheckRow]:
    """Every row of a database that is not migrated yet; what it has no column for never happened there."""
    known = {column["name"] for column in inspect(conn).get_columns(KEY_CHECKS.name)}
    names = [name for name in _NAMES if name in known]
    found = conn.execute(select(*(KEY_CHECKS.c[name] for name in names)).order_by(KEY_CHECKS.c.version))
    return [KeyCheckRow(**dict(zip(names, row, strict=True))) for row in found]


def add(conn: Connection, row: KeyCheckRow) -> None:
    """Add a version. Raises ``Conflict`` when there is a row for it."""
    if _INSERT.run(conn, asdict(row)).rowcount == 0:
        raise Conflict(
            "SR-STORE-025", f"key version {row.version} has a check already", fix="read it", key_version=row.version
        )


def retire(conn: Connection, version: int, *, at: int) -> bool:
    """Mark a version as retired ``at`` (Unix milliseconds). Whether it was not before."""
    return _RETIRE.run(conn, {"of_version": version, "at": at}).rowcount > 0
