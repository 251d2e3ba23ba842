"""How much of the database is sealed under which key version, and which rows are not under the one that writes.

A MAC names its version in a column beside it; a sealed value names it in its header, bytes 4 to 7, big-endian.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, LargeBinary, bindparam, func, literal, or_, select, tuple_
from sqlalchemy import update as update_rows

from strongroom.storage.runs import RunRow
from strongroom.storage.schema import (
    AUDIT_HEADS,
    METADATA,
    PLUGIN_VALUES,
    RUN_EVENTS,
    RUNS,
    STREAM_CHUNKS,
    WORKFLOW_SPECS,
)
from strongroom.storage.specs import SpecRow
from strongroom.storage.statements import Statement

__all__ = [
    "HEADER_BYTES",
    "SEALED",
    "TABLES",
    "ValueRow",
    "by_version",
    "records_above",
    "replace_value",
    "specs_of_other_versions",
    "values_of_other_versions",
    "version_in",
]

HEADER_BYTES: Final = 8
ValueRow = tuple[str, str, str, bytes]
"""Plugin, owner, key and sealed value."""
ValueKey = tuple[str, str, str]

_RUN_NAMES: Final = tuple(RunRow.__dataclass_fields__)
_SPEC_NAMES: Final = tuple(SpecRow.__dataclass_fields__)
SEALED: Final[Mapping[str, Sequence[Any]]] = {
    "workflow_specs": (WORKFLOW_SPECS.c.config, WORKFLOW_SPECS.c.subscriptions),
    "runs": (),
    "run_events": (RUN_EVENTS.c.sealed,),
    "stream_chunks": (STREAM_CHUNKS.c.sealed,),
    "hooks": (),
    "plugin_values": (PLUGIN_VALUES.c.value,),
    "audit_heads": (AUDIT_HEADS.c.sealed,),
}
"""The sealed columns of each table; a MAC names its version in ``key_version``. Any: columns of bytes."""
TABLES: Final = tuple(SEALED)
"""Every table with something that only a root key opens or authenticates."""
_REPLACE_VALUE: Final = Statement(
    lambda _dialect: (
        update_rows(PLUGIN_VALUES)
        .where(
            PLUGIN_VALUES.c.plugin == bindparam("of_plugin"),
            PLUGIN_VALUES.c.owner == bindparam("of_owner"),
            PLUGIN_VALUES.c.key == bindparam("of_key"),
            PLUGIN_VALUES.c.value == bindparam("before"),
        )
        .values(value=bindparam("after"))
    )
)


def by_version(conn: Connection, table: str) -> Counter[int]:
    """MACs and sealed values of ``table`` by key version; what names no version counts as 0."""
    counts: Counter[int] = Counter()
    columns = METADATA.tables[table].c
    if "key_version" in columns:
        versions = select(columns.key_version, func.count()).group_by(columns.key_version)
        for version, count in conn.execute(versions):
            # SQLite keeps a value of any type in any column.
            counts[version if isinstance(version, int) else 0] += int(count)
    for column in SEALED[table]:
        named = func.substr(column, 5, 4)
        # An event without content has an empty value, and needs no key.
        query = select(named, func.count()).where(func.length(column) >= HEADER_BYTES).group_by(named)
        for raw, count in conn.execute(query):
            counts[version_in(raw)] += int(count)
    return counts


def records_above(conn: Connection, version: int, *, limit: int) -> list[RunRow | SpecRow]:
    """Up to ``limit`` runs and as many workflows whose key version is higher than ``version``, the highest first."""
    found: list[RunRow | SpecRow] = []
    for table, kind, names in ((RUNS, RunRow, _RUN_NAMES), (WORKFLOW_SPECS, SpecRow, _SPEC_NAMES)):
        number = table.c.key_version
        query = select(*(table.c[name] for name in names)).where(number > version).order_by(number.desc()).limit(limit)
        found += [kind(**dict(zip(names, row, strict=True))) for row in conn.execute(query)]
    return found


def specs_of_other_versions(conn: Connection, version: int, *, after: str, limit: int) -> list[SpecRow]:
    """Up to ``limit`` workflows behind the id ``after`` that are not wholly under ``version``, by id."""
    columns = WORKFLOW_SPECS.c
    query = (
        select(*(columns[name] for name in _SPEC_NAMES))
        .where(
            columns.workflow_id > after,
            or_(
                columns.key_version != version,
                *(_names_another(column, version) for column in SEALED["workflow_specs"]),
            ),
        )
        .order_by(columns.workflow_id)
        .limit(limit)
    )
    return [SpecRow(**dict(zip(_SPEC_NAMES, row, strict=True))) for row in conn.execute(query)]


def values_of_other_versions(
    conn: Connection, version: int, *, after: ValueKey | None, limit: int
) -> Sequence[ValueRow]:
    """Up to ``limit`` values of plugins behind ``after`` that are not under ``version``, by plugin, owner and key."""
    columns = PLUGIN_VALUES.c
    key = (columns.plugin, columns.owner, columns.key)
    query = (
        select(*key, columns.value)
        .where(_names_another(columns.value, version), func.length(columns.value) >= HEADER_BYTES)
        .order_by(*key)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(*key) > after)
    return [(plugin, owner, name, bytes(value)) for plugin, owner, name, value in conn.execute(query)]


def replace_value(conn: Connection, row: ValueRow, value: bytes) -> bool:
    """Put ``value`` in the place of ``row``'s, if that is still there. Whether it was."""
    plugin, owner, key, before = row
    values = {"of_plugin": plugin, "of_owner": owner, "of_key": key, "before": before, "after": value}
    return _REPLACE_VALUE.run(conn, values).rowcount > 0


def _names_another(column: Any, version: int) -> ColumnElement[bool]:  # Any: a column of bytes
    return func.substr(column, 5, 4) != literal(version.to_bytes(4, "big"), LargeBinary())


def version_in(raw: object) -> int:
    """The version that those four bytes of a header name, 0 for none."""
    return int.from_bytes(raw, "big") if isinstance(raw, bytes) else 0
