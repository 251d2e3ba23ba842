"""One row per key version that this database was ever written with (``key_checks``)."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, select

from strongroom.errors import Conflict
from strongroom.storage.schema import KEY_CHECKS
from strongroom.storage.statements import insert_new

__all__ = ["KeyCheckRow", "add", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCheckRow:
    """A key version: its id for people, and a value that only the right root gives."""

    version: int
    key_id: str
    check_value: bytes
    created_at: int


_INSERT = insert_new(KEY_CHECKS)


def all(conn: Connection) -> list[KeyCheckRow]:  # noqa: A001 - read as key_checks.all
    """Every row, by version."""
    columns = KEY_CHECKS.c
    query = select(columns.version, columns.key_id, columns.check_value, columns.created_at).order_by(columns.version)
    return [
        KeyCheckRow(version=version, key_id=key_id, check_value=check_value, created_at=created_at)
        for version, key_id, check_value, created_at in conn.execute(query)
    ]


def add(conn: Connection, row: KeyCheckRow) -> None:
    """Add a version. Raises ``Conflict`` when there is a row for it."""
    if _INSERT.run(conn, asdict(row)).rowcount == 0:
        raise Conflict(
            "SR-STORE-025", f"key version {row.version} has a check already", fix="read it", key_version=row.version
        )
