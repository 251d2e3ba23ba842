"""Registered workflows (``workflow_specs``) and their binaries (``workflow_binaries``), each binary stored once."""

from collections.abc import Collection
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, select, tuple_
from sqlalchemy import delete as delete_rows
from sqlalchemy import update as update_rows

from strongroom.errors import Conflict, NotFound
from strongroom.storage.schema import WORKFLOW_BINARIES, WORKFLOW_SPECS
from strongroom.storage.statements import Statement, insert_new, upsert

__all__ = [
    "SpecRow",
    "count",
    "count_of_owner",
    "delete",
    "delete_binary_if_unused",
    "find",
    "get",
    "get_binary",
    "get_mac",
    "insert",
    "page",
    "put_binary",
    "replace",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecRow:
    """One registered workflow as it is stored.

    ``workflow`` is ``sha256:<hex>``, a reference into the binaries; ``config`` and ``subscriptions`` are sealed; times
    are Unix milliseconds; ``mac`` covers ``columns()``. No attributes and empty ones are the same.
    """

    workflow_id: str
    workflow_owner: str
    workflow_name: str
    workflow_tag: str
    status: str
    workflow: str
    binary_sha256: str
    binary_bytes: int
    encoding: str
    binary_url: str
    config_url: str
    config: bytes = field(repr=False)
    spec_type: str
    attributes: bytes = b""
    subscriptions: bytes
    sdk_label: str
    created_at: int
    updated_at: int
    registered_at: int
    source: str
    key_version: int
    mac: bytes

    def columns(self) -> dict[str, str | bytes | int]:
        """Every column but ``mac``: what the MAC covers."""
        values = dict(zip(_AUTHENTICATED, _authenticated(self), strict=True))
        values["attributes"] = self.attributes or b""
        return values


_NAMES: Final = tuple(SpecRow.__dataclass_fields__)
_AUTHENTICATED: Final = tuple(name for name in _NAMES if name != "mac")
_authenticated: Final = attrgetter(*_AUTHENTICATED)
_COLUMNS: Final = [WORKFLOW_SPECS.c[name] for name in _NAMES]
_BY_ID: Final = WORKFLOW_SPECS.c.workflow_id == bindparam("workflow_id")
_NEWEST_FIRST: Final = (WORKFLOW_SPECS.c.created_at.desc(), WORKFLOW_SPECS.c.workflow_id.desc())

_INSERT: Final = insert_new(WORKFLOW_SPECS)
_GET: Final = Statement(lambda _dialect: select(*_COLUMNS).where(_BY_ID))
_FIND: Final = Statement(
    lambda _dialect: (
        select(*_COLUMNS)
        .where(
            WORKFLOW_SPECS.c.workflow_owner == bindparam("workflow_owner"),
            WORKFLOW_SPECS.c.workflow_name == bindparam("workflow_name"),
        )
        .order_by(*_NEWEST_FIRST)
    )
)
_REPLACE: Final = Statement(
    lambda _dialect: (
        update_rows(WORKFLOW_SPECS)
        .where(WORKFLOW_SPECS.c.workflow_id == bindparam("workflow_id"))
        .values({name: bindparam(name) for name in _NAMES if name != "workflow_id"})
    )
)
_GET_MAC: Final = Statement(lambda _dialect: select(WORKFLOW_SPECS.c.mac).where(_BY_ID))
_PUT_BINARY: Final = upsert(WORKFLOW_BINARIES, keys=("binary_sha256",))
_GET_BINARY: Final = Statement(
    lambda _dialect: select(WORKFLOW_BINARIES.c.workflow).where(
        WORKFLOW_BINARIES.c.binary_sha256 == bindparam("binary_sha256")
    )
)


def insert(conn: Connection, row: SpecRow) -> None:
    """Add a workflow. Raises ``Conflict`` when its id is taken."""
    if _INSERT.run(conn, _values(row)).rowcount == 0:
        raise Conflict(
            "SR-STORE-020",
            f"workflow {row.workflow_id} is registered already",
            fix="read it, or delete it first",
            workflow_id=row.workflow_id,
        )


def get(conn: Connection, workflow_id: str) -> SpecRow | None:
    """The workflow with this id."""
    found = _GET.run(conn, {"workflow_id": workflow_id}).first()
    return None if found is None else _row(found)


def get_mac(conn: Connection, workflow_id: str) -> bytes | None:
    """The MAC of the workflow with this id: whether a record is still the one that was read."""
    found = _GET_MAC.run(conn, {"workflow_id": workflow_id}).first()
    return None if found is None else bytes(found[0])


def find(conn: Connection, owner: str, name: str) -> list[SpecRow]:
    """Every workflow of ``owner`` with this name, the newest first."""
    return [_row(found) for found in _FIND.run(conn, {"workflow_owner": owner, "workflow_name": name})]


def page(
    conn: Connection, *, owners: Collection[str] | None, before: tuple[int, str] | None, limit: int
) -> list[SpecRow]:
    """Up to ``limit`` workflows, the newest first, of ``owners`` or of all.

    ``before`` is ``(created_at, workflow_id)`` of the last row of the page before.
    """
    query = select(*_COLUMNS).order_by(*_NEWEST_FIRST).limit(limit)
    if owners is not None:
        query = query.where(WORKFLOW_SPECS.c.workflow_owner.in_(owners))
    if before is not None:
        query = query.where(tuple_(WORKFLOW_SPECS.c.created_at, WORKFLOW_SPECS.c.workflow_id) < before)
    return [_row(found) for found in conn.execute(query)]


def replace(conn: Connection, row: SpecRow) -> None:
    """Write every column of the workflow with ``row``'s id. Raises ``NotFound``."""
    if _REPLACE.run(conn, _values(row)).rowcount == 0:
        raise _missing(row.workflow_id)


def delete(conn: Connection, workflow_id: str) -> None:
    """Remove a workflow; its binary stays. Raises ``NotFound``."""
    if conn.execute(delete_rows(WORKFLOW_SPECS).where(WORKFLOW_SPECS.c.workflow_id == workflow_id)).rowcount == 0:
        raise _missing(workflow_id)


def count(conn: Connection) -> int:
    """How many workflows are registered."""
    return int(conn.execute(select(func.count()).select_from(WORKFLOW_SPECS)).scalar_one())


def count_of_owner(conn: Connection, owner: str) -> int:
    """How many workflows are registered of ``owner``."""
    query = select(func.count()).select_from(WORKFLOW_SPECS).where(WORKFLOW_SPECS.c.workflow_owner == owner)
    return int(conn.execute(query).scalar_one())


def put_binary(conn: Connection, sha256: str, data: bytes) -> None:
    """Store a binary under its hash (hex). Bytes that are there already are replaced: they may have been damaged."""
    _PUT_BINARY.run(conn, {"binary_sha256": sha256, "workflow": data})


def get_binary(conn: Connection, sha256: str) -> bytes | None:
    """The bytes stored under a hash. The reader hashes them again: storage does not vouch for them."""
    found = _GET_BINARY.run(conn, {"binary_sha256": sha256}).first()
    return None if found is None else bytes(found[0])


def delete_binary_if_unused(conn: Connection, sha256: str) -> bool:
    """Remove a binary that no workflow refers to any more. Whether one was removed."""
    used = select(WORKFLOW_SPECS.c.workflow_id).where(WORKFLOW_SPECS.c.binary_sha256 == sha256).exists()
    gone = delete_rows(WORKFLOW_BINARIES).where(WORKFLOW_BINARIES.c.binary_sha256 == sha256, ~used)
    return conn.execute(gone).rowcount > 0


def _values(row: SpecRow) -> dict[str, Any]:
    values: dict[str, Any] = row.columns()
    values["mac"] = row.mac
    return values


def _row(found: Any) -> SpecRow:  # Any: a row of SQLAlchemy, in the order of _NAMES
    return SpecRow(**dict(zip(_NAMES, found, strict=True)))


def _missing(workflow_id: str) -> NotFound:
    return NotFound("SR-STORE-021", f"there is no workflow {workflow_id}", workflow_id=workflow_id)
