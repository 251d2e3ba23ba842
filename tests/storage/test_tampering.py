"""Whatever is changed in a stored row, its MAC finds it; and a damaged row does not hide the others."""

import dataclasses

import pytest
from sqlalchemy import text

from strongroom.errors import KeyMissing, Tampered
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import parse_secrets
from strongroom.storage import runs, specs
from strongroom.storage.database import Database
from strongroom.storage.runs import RunRow
from strongroom.storage.specs import SpecRow
from tests.fakes.rows import run_row, spec_row

KEYS = RecordKeys(parse_secrets("1:secret"))
TABLES = {"runs": (runs, "run_id", run_row), "workflow_specs": (specs, "workflow_id", spec_row)}
COLUMNS = [
    *(("runs", field.name) for field in dataclasses.fields(RunRow)),
    *(("workflow_specs", field.name) for field in dataclasses.fields(SpecRow)),
]


def authentic(table, row):
    return dataclasses.replace(row, mac=KEYS.mac(table, row.columns(), key_version=1))


def check(table, row):
    KEYS.check(table, row.columns(), key_version=row.key_version, mac=row.mac)


def stored(database, table):
    """Two authentic rows in ``table``, the first of which is returned."""
    module, _, make = TABLES[table]
    rows = [authentic(table, make(number)) for number in (1, 2)]
    for row in rows:
        database.write(lambda conn, row=row: module.insert(conn, row)).result()
    return rows[0]


def overwrite(database, table, column, key, sql_value, **values):
    name = TABLES[table][1]
    statement = f'UPDATE {table} SET "{column}" = {sql_value} WHERE {name} = :key'
    database.write(lambda conn: conn.execute(text(statement), {"key": key, **values})).result()


def everything(database, table):
    if table == "runs":
        return database.read(lambda conn: runs.page(conn, limit=10))
    return database.read(lambda conn: specs.page(conn, owners=None, before=None, limit=10))


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=lambda name: name)
def test_a_changed_column_is_found(database, table, column):
    row = stored(database, table)
    key, value = getattr(row, TABLES[table][1]), getattr(row, column)
    another = {int: lambda: value + 1, str: lambda: value + "x", bytes: lambda: value + b"x"}
    changed = 1 if value is None else another[type(value)]()
    overwrite(database, table, column, key, ":value", value=changed)
    found = [each for each in everything(database, table) if each != row]
    results = []
    for each in found:
        try:
            check(table, each)
        except (Tampered, KeyMissing) as error:
            results.append(type(error))
    assert results == [KeyMissing if column == "key_version" else Tampered]
    assert len(found) == 2, "the row beside it is still there"


@pytest.mark.parametrize(
    "sql_value",
    ["1.5", "'text'", "x'00ff'", "CAST(x'ff00fe' AS TEXT)", "'1'"],
    ids=["real", "text", "blob", "bad utf-8", "digits"],
)
@pytest.mark.parametrize("column", [field.name for field in dataclasses.fields(RunRow) if field.name != "run_id"])
def test_a_value_of_another_type_is_found_and_hides_no_other_row(sqlite_url, column, sql_value):
    """SQLite keeps any type in any column."""
    database = Database.open(sqlite_url)
    row = stored(database, "runs")
    overwrite(database, "runs", column, row.run_id, sql_value)
    changed = database.read(lambda conn: runs.get(conn, row.run_id))
    if changed != row:
        with pytest.raises((Tampered, KeyMissing)):
            check("runs", changed)
    else:
        assert (column, sql_value) == ("key_version", "'1'"), "SQLite turns digits into the integer that was there"
    assert len(everything(database, "runs")) == 2
    database.close()
