"""Sealed ends of audit logs (``audit_heads``), one row for each log that keeps its head in this database."""

from typing import Final

from sqlalchemy import Connection, bindparam, select

from strongroom.storage.schema import AUDIT_HEADS
from strongroom.storage.statements import Statement, upsert

__all__ = ["all", "get", "set"]

_GET: Final = Statement(lambda _dialect: select(AUDIT_HEADS.c.sealed).where(AUDIT_HEADS.c.name == bindparam("name")))
_SET: Final = upsert(AUDIT_HEADS, keys=("name",))


def get(conn: Connection, name: str) -> bytes | None:
    """The head of the log ``name``."""
    found = _GET.run(conn, {"name": name}).first()
    # SQLite keeps a value of any type in any column; what is no bytes opens nowhere.
    return None if found is None else bytes(found[0]) if isinstance(found[0], bytes | memoryview) else b""


def set(conn: Connection, name: str, sealed: bytes) -> None:  # noqa: A001 - read as audit_heads.set
    """Give the log ``name`` a head, new or not."""
    _SET.run(conn, {"name": name, "sealed": sealed})


def all(conn: Connection) -> dict[str, bytes]:  # noqa: A001 - read as audit_heads.all
    """Every head by the name of its log."""
    query = select(AUDIT_HEADS.c.name, AUDIT_HEADS.c.sealed).order_by(AUDIT_HEADS.c.name)
    return {str(name): bytes(sealed) for name, sealed in conn.execute(query)}
