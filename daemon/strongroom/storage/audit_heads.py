"""Sealed ends of audit logs (``audit_heads``), one row for each log that keeps its head in this database."""

from typing import Final

from sqlalchemy import Connection, bindparam, select
from sqlalchemy import update as update_rows

from strongroom.storage.schema import AUDIT_HEADS
from strongroom.storage.statements import Statement, upsert

__all__ = ["all", "get", "replace", "set"]

_GET: Final = Statement(lambda _dialect: select(AUDIT_HEADS.c.sealed).where(AUDIT_HEADS.c.name == bindparam("name")))
_REPLACE: Final = Statement(
    lambda _dialect: (
        update_rows(AUDIT_HEADS)
        .where(AUDIT_HEADS.c.name == bindparam("of_name"), AUDIT_HEADS.c.sealed == bindparam("before"))
        .values(sealed=bindparam("after"))
    )
)
_SET: Final = upsert(AUDIT_HEADS, keys=("name",))


def get(conn: Connection, name: str) -> bytes | None:
    """The head of the log ``name``."""
    found = _GET.run(conn, {"name": name}).first()
    # SQLite keeps a value of any type in any column; what is no bytes opens nowhere.
    return None if found is None else bytes(found[0]) if isinstance(found[0], bytes | memoryview) else b""


def set(conn: Connection, name: str, sealed: bytes) -> None:  # noqa: A001 - read as audit_heads.set
    """Give the log ``name`` a head, new or not."""
    _SET.run(conn, {"name": name, "sealed": sealed})


def replace(conn: Connection, name: str, before: bytes, after: bytes) -> bool:
    """Put ``after`` in the place of the head ``before``, if that is still there. Whether it was."""
    return _REPLACE.run(conn, {"of_name": name, "before": before, "after": after}).rowcount > 0


def all(conn: Connection) -> dict[str, bytes]:  # noqa: A001 - read as audit_heads.all
    """Every head by the name of its log."""
    query = select(AUDIT_HEADS.c.name, AUDIT_HEADS.c.sealed).order_by(AUDIT_HEADS.c.name)
    return {str(name): bytes(sealed) for name, sealed in conn.execute(query)}
