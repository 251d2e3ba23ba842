"""Hooks of runs (``hooks``): which run a token belongs to. Token and payloads are sealed in the run's journal."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy import delete as delete_rows
from sqlalchemy import update as update_rows

from strongroom.errors import WrongState
from strongroom.storage.schema import HOOKS
from strongroom.storage.statements import Statement, insert_new

__all__ = ["HookRow", "count_live", "delete", "find", "get", "insert", "live", "page", "replace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRow:
    """One hook. Times are Unix milliseconds, 0 = not yet; ``mac`` covers ``columns()``.

    ``token_digest`` is a keyed digest of the token; nothing once the hook is disposed of, so that the token is free.
    """

    hook_id: str
    run_id: str
    token_digest: bytes | None
    created_at: int
    disposed_at: int
    key_version: int
    mac: bytes = b""

    def columns(self) -> dict[str, str | bytes | int | None]:
        """Every column but ``mac``: what the MAC covers."""
        return dict(zip(_AUTHENTICATED, _authenticated(self), strict=True))


_NAMES: Final = tuple(HookRow.__dataclass_fields__)
_AUTHENTICATED: Final = tuple(name for name in _NAMES if name != "mac")
_authenticated: Final = attrgetter(*_AUTHENTICATED)
_COLUMNS: Final = [HOOKS.c[name] for name in _NAMES]
_INSERT: Final = insert_new(HOOKS)
_LIVE: Final = Statement(
    lambda _dialect: (
        select(*_COLUMNS)
        .where(HOOKS.c.run_id == bindparam("of_run"), HOOKS.c.disposed_at == bindparam("never"))
        .order_by(HOOKS.c.hook_id)
    )
)
_REPLACE: Final = Statement(
    lambda _dialect: (
        update_rows(HOOKS)
        .where(HOOKS.c.hook_id == bindparam("of_hook"))
        .values({name: bindparam(name) for name in ("token_digest", "disposed_at", "key_version", "mac")})
    )
)


def insert(conn: Connection, row: HookRow) -> None:
    """Add a hook. Raises ``WrongState`` when its id or its token is taken."""
    values: dict[str, Any] = row.columns()  # Any: values of columns
    if _INSERT.run(conn, values | {"mac": row.mac}).rowcount == 0:
        raise WrongState(
            "SR-HOOK-004",
            f"hook {row.hook_id} cannot be created",
            why="its id or its token belongs to a hook already",
            fix="choose another token",
            hook_id=row.hook_id,
        )


def get(conn: Connection, hook_id: str) -> HookRow | None:
    """The hook with this id."""
    found = conn.execute(select(*_COLUMNS).where(HOOKS.c.hook_id == hook_id)).first()
    return None if found is None else _row(found)


def find(conn: Connection, token_digests: Sequence[bytes]) -> HookRow | None:
    """The hook whose token has one of these digests."""
    found = conn.execute(select(*_COLUMNS).where(HOOKS.c.token_digest.in_(token_digests))).first()
    return None if found is None else _row(found)


def live(conn: Connection, run_id: str) -> list[HookRow]:
    """The hooks of a run that were not disposed of."""
    return [_row(found) for found in _LIVE.run(conn, {"of_run": run_id, "never": 0})]


def count_live(conn: Connection, run_id: str) -> int:
    """How many there are."""
    query = select(func.count()).select_from(HOOKS).where(HOOKS.c.run_id == run_id, HOOKS.c.disposed_at == 0)
    return int(conn.execute(query).scalar_one())


def page(conn: Connection, run_id: str, *, after: str, limit: int) -> list[HookRow]:
    """Up to ``limit`` hooks of a run behind the id ``after``; ids ascend with time."""
    query = select(*_COLUMNS).where(HOOKS.c.run_id == run_id, HOOKS.c.hook_id > after)
    return [_row(found) for found in conn.execute(query.order_by(HOOKS.c.hook_id).limit(limit))]


def replace(conn: Connection, row: HookRow) -> None:
    """Write what of a hook may change."""
    _REPLACE.run(conn, {**row.columns(), "mac": row.mac, "of_hook": row.hook_id})


def delete(conn: Connection, run_id: str) -> int:
    """Remove the hooks of a run that is deleted in the same transaction; how many there were."""
    return conn.execute(delete_rows(HOOKS).where(HOOKS.c.run_id == run_id)).rowcount


def _row(found: Any) -> HookRow:  # Any: a row of SQLAlchemy or of the driver, in the order of _NAMES
    return HookRow(**dict(zip(_NAMES, found, strict=True)))
