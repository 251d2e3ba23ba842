"""Facts about this database by name (``meta``), such as its deployment id. None of them is secret."""

from typing import Final

from sqlalchemy import Connection, bindparam, select

from strongroom.storage.schema import META
from strongroom.storage.statements import Statement, upsert

__all__ = ["get", "set"]

_GET: Final = Statement(lambda _dialect: select(META.c.value).where(META.c.name == bindparam("name")))
_SET: Final = upsert(META, keys=("name",))


def get(conn: Connection, name: str) -> str | None:
    """The value of ``name``."""
    found = _GET.run(conn, {"name": name}).first()
    return None if found is None else str(found[0])


def set(conn: Connection, name: str, value: str) -> None:  # noqa: A001 - read as meta.set
    """Give ``name`` a value, new or not."""
    _SET.run(conn, {"name": name, "value": value})
