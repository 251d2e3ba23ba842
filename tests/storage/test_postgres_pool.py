"""The databases that tests share one after the other: a test finds nothing of the one before it."""

import pytest

from strongroom.storage.database import Database
from tests.fakes.postgres_pool import TABLES, DatabasePool


@pytest.fixture
def pool(postgres):
    return DatabasePool(postgres, "strongroom")


def everything(postgres, name):
    """What every table holds."""
    with postgres.connect(name) as connection:
        tables = connection.execute(TABLES).fetchall()
        return {table: connection.execute(f"SELECT * FROM {table}".encode()).fetchall() for (table,) in tables}


def test_what_a_test_wrote_changed_and_deleted_is_undone_before_the_next(postgres, pool):
    name = pool.take()
    before = everything(postgres, name)
    assert any(before.values())
    with postgres.connect(name) as connection:
        connection.execute("DELETE FROM alembic_version")
        connection.execute("INSERT INTO alembic_version VALUES ('other'), ('more')")
        connection.execute("DELETE FROM meta")
        connection.execute("INSERT INTO plugin_values VALUES ('kvstore', 'owner', 'name', 'bytes', 1)")
    assert everything(postgres, name) != before
    assert pool.give_back(name)
    assert pool.take() == name
    assert everything(postgres, name) == before


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE meta ADD COLUMN more TEXT",
        "DROP TABLE plugin_values CASCADE",
        "CREATE TABLE photos (id INTEGER)",
        "CREATE RULE never AS ON INSERT TO meta DO INSTEAD NOTHING",
        "CREATE FUNCTION one() RETURNS INTEGER LANGUAGE SQL AS 'SELECT 1'",
        "ALTER TABLE meta ADD CONSTRAINT never CHECK (true)",
        "CREATE SCHEMA other",
    ],
)
def test_a_database_whose_schema_a_test_changed_is_lent_to_nobody(postgres, pool, statement):
    name = pool.take()
    with postgres.connect(name) as connection:
        connection.execute(statement.encode())
    assert not pool.give_back(name)
    assert pool.take() != name


def test_a_database_that_somebody_is_still_connected_to_is_lent_to_nobody(postgres, pool):
    name = pool.take()
    left = Database.open(postgres.url(name))
    try:
        assert not pool.give_back(name)
    finally:
        left.close()
    assert pool.take() != name
