"""What plugins keep (``plugin_values``): sealed values by plugin, owner and key."""

import sys
from typing import Final

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy import delete as delete_rows

from strongroom.storage.schema import PLUGIN_VALUES
from strongroom.storage.statements import Statement, upsert

__all__ = ["delete", "get", "list", "put"]

_KEY: Final = ("plugin", "owner", "key")
_THIS: Final = [PLUGIN_VALUES.c[name] == bindparam(f"of_{name}") for name in _KEY]

_GET: Final = Statement(lambda _dialect: select(PLUGIN_VALUES.c.value).where(*_THIS))
_PUT: Final = upsert(PLUGIN_VALUES, keys=_KEY)
_DELETE: Final = Statement(lambda _dialect: delete_rows(PLUGIN_VALUES).where(*_THIS))


def get(conn: Connection, plugin: str, owner: str, key: str) -> bytes | None:
    """The sealed value under ``key``."""
    found = _GET.run(conn, {"of_plugin": plugin, "of_owner": owner, "of_key": key}).first()
    return None if found is None else bytes(found[0])


def put(conn: Connection, plugin: str, owner: str, key: str, value: bytes, *, updated_at: int) -> None:
    """Store a sealed value, new or not. ``updated_at`` is Unix milliseconds."""
    _PUT.run(conn, {"plugin": plugin, "owner": owner, "key": key, "value": value, "updated_at": updated_at})


def delete(conn: Connection, plugin: str, owner: str, key: str) -> bool:
    """Remove a value. Whether there was one."""
    return _DELETE.run(conn, {"of_plugin": plugin, "of_owner": owner, "of_key": key}).rowcount > 0


def list(conn: Connection, plugin: str, owner: str, prefix: str = "") -> tuple[str, ...]:  # noqa: A001 - read as plugin_store.list
    """The keys that start with ``prefix``, in byte order of their UTF-8."""
    columns = PLUGIN_VALUES.c
    query = select(columns.key).where(columns.plugin == plugin, columns.owner == owner).order_by(columns.key)
    if prefix:
        # Not LIKE, which ignores case on SQLite and gives % and _ a meaning. The bounds let the index find the place.
        query = query.where(columns.key >= prefix, func.substr(columns.key, 1, len(prefix)) == prefix)
        beyond = _beyond(prefix)
        if beyond is not None:
            query = query.where(columns.key < beyond)
    return tuple(str(found[0]) for found in conn.execute(query))


def _beyond(prefix: str) -> str | None:
    """The first text behind all that start with ``prefix``; nothing when there is none."""
    last = ord(prefix[-1]) + 1
    if last > sys.maxunicode:
        return None
    # What lies between is half of a surrogate pair, which no text holds.
    return prefix[:-1] + chr(0xE000 if 0xD800 <= last <= 0xDFFF else last)
