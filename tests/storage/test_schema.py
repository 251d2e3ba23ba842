"""Migrations, the committed dump and the tables that statements use are one schema."""

import hashlib
import importlib.metadata
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, text

from strongroom.errors import StorageFault
from strongroom.storage import meta, runs, seen_events, specs
from strongroom.storage.database import Database
from strongroom.storage.engines import parse_url, writer_engine
from strongroom.storage.schema import METADATA
from strongroom.storage.schema_version import MIGRATIONS, SCHEMA_VERSION
from tests.fakes.rows import spec_row

DUMP = Path(__file__).with_name("schema.sql")


def config(connection):
    made = Config()
    made.set_main_option("script_location", str(MIGRATIONS))
    made.attributes["connection"] = connection
    return made


def migrate(url, revision):
    engine = writer_engine(parse_url(url))
    with engine.connect() as connection, connection.begin():
        command.upgrade(config(connection), revision)
    engine.dispose()


def dump(connection):
    query = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC, name"
    return "".join(f"{row[0]};\n\n" for row in connection.exec_driver_sql(query))


def test_fresh_migrations_make_the_committed_schema(tmp_path):
    database = Database.open(f"sqlite:///{tmp_path}/strongroom.db")
    made = database.read(dump)
    database.close()
    assert made == DUMP.read_text(), f"{DUMP.name} should be what fresh migrations make:\n{made}"


def test_the_tables_of_statements_are_the_tables_of_migrations(database):
    def differences(connection):
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return compare_metadata(context, METADATA)

    assert database.read(differences) == []


def shape(connection):
    tables = sorted(METADATA.tables)
    columns = {
        table: sorted(
            tuple(row[1:4]) + tuple(row[5:]) for row in connection.exec_driver_sql(f"PRAGMA table_info({table})")
        )
        for table in tables
    }
    indexes = "SELECT name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL AND type = 'index' ORDER BY name"
    return columns, [tuple(row) for row in connection.exec_driver_sql(indexes)]


def test_the_tables_of_statements_have_the_columns_and_indexes_of_migrations_on_sqlite(tmp_path):
    migrated = Database.open(f"sqlite:///{tmp_path}/migrated.db")
    engine = writer_engine(parse_url(f"sqlite:///{tmp_path}/created.db"))
    with engine.connect() as connection, connection.begin():
        METADATA.create_all(connection)
        created = shape(connection)
    engine.dispose()
    assert migrated.read(shape) == created
    migrated.close()


def test_the_newest_migration_is_the_version_this_code_knows():
    scripts = ScriptDirectory(str(MIGRATIONS))
    assert scripts.get_heads() == [SCHEMA_VERSION]
    assert all(script.revision.isdecimal() and len(script.revision) == 4 for script in scripts.walk_revisions())


def test_workflows_from_before_the_attributes_have_empty_ones(empty_url):
    migrate(empty_url, "0001")
    engine = writer_engine(parse_url(empty_url))
    values = spec_row(1).columns() | {"mac": b"m"}
    del values["attributes"]
    names = ", ".join(values)
    with engine.connect() as connection, connection.begin():
        # The names are this test's own columns.
        statement = f"INSERT INTO workflow_specs ({names}) VALUES ({', '.join(':' + name for name in values)})"
        connection.execute(text(statement), values)
    engine.dispose()
    database = Database.open(empty_url)
    row = database.read(lambda conn: specs.get(conn, spec_row(1).workflow_id))
    assert row.attributes == b""
    assert row == spec_row(1, attributes=b"", mac=b"m")
    database.close()


def test_a_second_start_changes_nothing_and_does_not_import_alembic(tmp_path):
    url = f"sqlite:///{tmp_path}/strongroom.db"
    Database.open(url).close()
    code = f"import sys; from strongroom.storage.database import Database; Database.open({url!r}).close(); "
    code += "sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_release_that_made_the_schema_is_written_down(database):
    release = database.read(lambda conn: meta.get(conn, "schema_release"))
    assert release == importlib.metadata.version("strongroom")


@pytest.mark.parametrize("found", ["0007", "0999", "abc"])
def test_a_newer_schema_is_refused_and_nothing_is_written(url, backend, found, tmp_path):
    database = Database.open(url)

    def age(conn):
        conn.execute(text("UPDATE alembic_version SET version_num = :found"), {"found": found})
        meta.set(conn, "schema_release", "9.8.7")

    database.write(age).result(30)
    database.close()
    before = hashlib.sha256((tmp_path / "strongroom.db").read_bytes()).digest() if backend == "sqlite" else b""
    with pytest.raises(StorageFault) as caught:
        Database.open(url)
    assert caught.value.details == {"found": found, "known": SCHEMA_VERSION}
    assert f"version {found}" in str(caught.value)
    assert "strongroom 9.8.7 or newer" in caught.value.fix
    if backend == "sqlite":
        assert hashlib.sha256((tmp_path / "strongroom.db").read_bytes()).digest() == before


def test_somebody_elses_sqlite_file_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path}/photos.db"
    engine = writer_engine(parse_url(url))
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("CREATE TABLE photos (id INTEGER)")
    engine.dispose()
    with pytest.raises(StorageFault, match="'photos'"):
        Database.open(url)


def test_hosts_that_start_at_once_on_a_new_database_take_turns(empty_url):
    together = threading.Barrier(4)

    def start():
        together.wait(30)
        Database.open(empty_url).close()

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(start) for _ in range(4)]:
            future.result(60)


def test_a_migration_that_fails_leaves_nothing_behind(empty_url, monkeypatch):
    real = command.upgrade

    def failing(made, revision):
        real(made, revision)
        raise RuntimeError("power cut")

    monkeypatch.setattr(command, "upgrade", failing)
    with pytest.raises(RuntimeError):
        Database.open(empty_url)
    monkeypatch.undo()
    database = Database.open(empty_url)
    assert database.read(specs.count) == 0
    database.close()


def test_sqlite_answers_the_frequent_questions_from_an_index(tmp_path):
    database = Database.open(f"sqlite:///{tmp_path}/strongroom.db")
    seen = []
    # As the database itself hears it: the text with its values.
    event.listen(database._reading, "checkout", lambda driver, *_rest: driver.set_trace_callback(seen.append))
    database.read(lambda conn: runs.unfinished_page(conn, after=None, limit=9))
    database.read(lambda conn: runs.unfinished_page(conn, after=(5, "x"), limit=9))
    database.read(lambda conn: runs.finished_before(conn, 5, 3, after=(4, "x")))
    database.read(lambda conn: seen_events.run_of(conn, "w", 0, "e"))
    database.read(lambda conn: runs.page(conn, before=(5, "x"), limit=3))
    database.read(lambda conn: runs.page(conn, workflow_id="w", before=(5, "x"), limit=3))
    database.read(lambda conn: runs.page(conn, owners={"o"}, limit=3))
    database.read(lambda conn: specs.page(conn, owners=None, before=(5, "x"), limit=3))
    database.read(lambda conn: specs.find(conn, "o", "n"))
    asked = [statement for statement in seen if statement.startswith("SELECT")]
    plans = [
        database.read(lambda conn, ask=ask: " ".join(r[3] for r in conn.exec_driver_sql("EXPLAIN QUERY PLAN " + ask)))
        for ask in asked
    ]
    expected = ["runs_unfinished", "runs_unfinished", "runs_by_time", "sqlite_autoindex_seen_events_1"]
    expected += ["runs_by_time", "runs_by_workflow", "runs_by_owner", "_by_time", "_by_name"]
    for found, index in zip(plans, expected, strict=True):
        assert index in found
        assert "TEMP B-TREE" not in found, "sorted by the index, not afterwards"
    database.close()
