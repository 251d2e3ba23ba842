"""Opening, reading beside writing, and a server that goes away."""

import signal
import stat
import threading
from pathlib import Path

import pytest

from strongroom.errors import Misconfigured, StorageFault, Unavailable
from strongroom.storage import meta, runs
from strongroom.storage.database import Database
from strongroom.storage.engines import parse_url
from tests.fakes.postgres import running_postgres, wheel
from tests.fakes.rows import event_row, run_row


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "mysql://user:hunter2@host/db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:////tmp/a?b.db",
        "postgresql+psycopg2://h/d",
        "postgresql://user:hunter2@host:port/db",
    ],
    ids=["empty", "no url", "another database", "no file", "memory", "options", "another driver", "bad port"],
)
def test_a_url_of_anything_else_is_refused_without_repeating_it(url):
    with pytest.raises(Misconfigured) as caught:
        Database.open(url)
    assert caught.value.details["where"] == "database_url"
    assert "hunter2" not in f"{caught.value} {caught.value.fix}"


@pytest.mark.parametrize("short", ["postgresql", "postgres"])
def test_the_driver_may_be_left_out(short):
    assert parse_url(f"{short}://u@h/d").drivername == "postgresql+psycopg"


def test_a_file_that_cannot_be_made_is_named(tmp_path):
    with pytest.raises(StorageFault, match="nowhere") as caught:
        Database.open(f"sqlite:///{tmp_path}/nowhere/strongroom.db")
    assert caught.value.code == "SR-STORE-011"


@pytest.mark.parametrize("name", ["x sp%41?ü#", "a?b=c", "e%C3%A9", "b\udcff"], ids=ascii)
def test_a_path_is_the_file_that_it_names(tmp_path, name):
    path = tmp_path / name / "strongroom.db"
    path.parent.mkdir()
    database = Database.open(path)
    database.write(lambda conn: meta.set(conn, "a", "b")).result(30)
    database.close()
    assert path.stat().st_size > 0
    assert list(tmp_path.iterdir()) == [path.parent]
    again = Database.open(path)
    assert again.read(lambda conn: meta.get(conn, "a")) == "b"
    again.close()


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "strongroom.db"
    path.write_bytes(b"not a database at all, just text\n" * 100)
    with pytest.raises(StorageFault):
        Database.open(f"sqlite:///{path}")
    assert path.read_bytes().startswith(b"not a database")


def test_the_files_of_a_database_are_its_owners_alone(tmp_path):
    database = Database.open(f"sqlite:///{tmp_path}/strongroom.db")
    database.write(lambda conn: meta.set(conn, "a", "b")).result(30)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    database.close()


def test_sqlite_is_as_durable_as_promised(tmp_path):
    database = Database.open(f"sqlite:///{tmp_path}/strongroom.db")
    pragmas = ("journal_mode", "synchronous", "foreign_keys", "trusted_schema")
    found = database.write(lambda conn: [conn.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas])
    assert found.result(30) == ["wal", 2, 1, 0]
    database.close()


def test_a_reader_cannot_write(database):
    with pytest.raises(StorageFault):
        database.read(lambda conn: meta.set(conn, "a", "b"))
    assert database.read(lambda conn: meta.get(conn, "a")) is None


def test_an_error_of_the_query_itself_comes_through(database):
    with pytest.raises(ZeroDivisionError):
        database.read(lambda _conn: 1 / 0)


def test_an_error_names_no_values(database):
    statement = "INSERT INTO meta (name, nothing) VALUES ('a', 'hunter2')"
    with pytest.raises(StorageFault) as caught:
        database.write(lambda conn: conn.exec_driver_sql(statement)).result(30)
    assert "hunter2" not in str(caught.value)


def test_readers_never_wait_for_the_writer(database):
    entered, go = threading.Event(), threading.Event()

    def slow(conn):
        meta.set(conn, "a", "new")
        entered.set()
        go.wait(30)

    database.write(lambda conn: meta.set(conn, "a", "old")).result(30)
    future = database.write(slow)
    assert entered.wait(30)
    assert database.read(lambda conn: meta.get(conn, "a")) == "old"
    go.set()
    future.result(30)
    assert database.read(lambda conn: meta.get(conn, "a")) == "new"


def test_readers_beside_a_busy_writer_see_whole_jobs_and_no_errors(database):
    done = threading.Event()
    problems = []

    def count(conn):
        one = conn.exec_driver_sql("SELECT count(*) FROM runs").scalar()
        return one, conn.exec_driver_sql("SELECT count(*) FROM run_events").scalar()

    def reader():
        try:
            while not done.is_set():
                headers, events = database.read(count)
                if headers != events:
                    problems.append(f"{headers} runs and {events} events")
        except Exception as error:
            problems.append(repr(error))

    def job(number):
        def write(conn):
            runs.insert(conn, run_row(number))
            runs.append(conn, event_row(run_row(number)))

        return write

    threads = [threading.Thread(target=reader) for _ in range(4)]
    for thread in threads:
        thread.start()
    futures = [database.write(job(number)) for number in range(400)]
    for future in futures:
        future.result(60)
    done.set()
    for thread in threads:
        thread.join(30)
    assert problems == []
    assert database.read(count) == (400, 400)


def test_two_processes_worth_of_databases_write_to_one_file(tmp_path):
    first, second = (Database.open(f"sqlite:///{tmp_path}/strongroom.db") for _ in range(2))
    futures = [
        database.write(lambda conn, name=f"{number}{database is first}": meta.set(conn, name, "v"))
        for number in range(50)
        for database in (first, second)
    ]
    for future in futures:
        future.result(60)
    first.close()
    second.close()


@pytest.fixture
def own_postgres():
    with running_postgres(wheel()) as server:
        yield server


def test_a_server_that_restarts_is_used_again_without_a_restart_of_ours(own_postgres):
    database = Database.open(own_postgres.create_database())
    database.write(lambda conn: meta.set(conn, "before", "v")).result(30)
    assert database.read(lambda conn: meta.get(conn, "before")) == "v"
    own_postgres.stop(signal.SIGQUIT)
    with pytest.raises(Unavailable):
        database.write(lambda conn: meta.set(conn, "lost", "v")).result(30)
    with pytest.raises(Unavailable) as caught:
        database.read(lambda conn: meta.get(conn, "before"))
    assert caught.value.code == "SR-STORE-002"
    own_postgres.start()
    database.write(lambda conn: meta.set(conn, "after", "v")).result(30)
    found = database.read(lambda conn: [meta.get(conn, name) for name in ("before", "lost", "after")])
    assert found == ["v", None, "v"]
    database.close()


def test_a_server_that_crashes_under_a_batch_fails_all_of_it_and_the_next_works(own_postgres):
    database = Database.open(own_postgres.create_database())
    entered, go = threading.Event(), threading.Event()
    held = database.write(lambda conn: (meta.set(conn, "held", "v"), entered.set(), go.wait(30)))
    assert entered.wait(30)
    batch = [database.write(lambda conn, number=number: meta.set(conn, f"n{number}", "v")) for number in range(5)]
    own_postgres.stop(signal.SIGQUIT)
    go.set()
    for future in [held, *batch]:
        with pytest.raises(Unavailable):
            future.result(30)
    own_postgres.start()
    database.write(lambda conn: meta.set(conn, "after", "v")).result(30)
    found = database.read(lambda conn: [meta.get(conn, name) for name in ("held", "n0", "n4", "after")])
    assert found == [None, None, None, "v"]
    database.close()


def test_two_hosts_that_start_one_event_get_one_run_and_one_conflict(url):
    hosts = [Database.open(url) for _ in range(2)]
    futures = [
        host.write(lambda conn, number=number: runs.insert(conn, run_row(number, event_id="the event")))
        for number, host in enumerate(hosts)
    ]
    outcomes = sorted(type(future.exception(30)).__name__ for future in futures)
    assert outcomes == ["Conflict", "NoneType"]
    for host in hosts:
        host.close()


def test_a_reader_whose_connection_was_closed_asks_again(own_postgres):
    database = Database.open(own_postgres.create_database())
    database.read(lambda conn: meta.get(conn, "a"))
    own_postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'test%'")
    assert database.read(lambda conn: meta.get(conn, "a")) is None
    database.close()


def test_a_server_that_is_not_there_is_unavailable(tmp_path):
    with pytest.raises(Unavailable) as caught:
        Database.open(f"postgresql+psycopg://postgres@/db?host={tmp_path}")
    assert caught.value.code == "SR-STORE-002"


def test_the_module_of_migrations_is_part_of_the_package():
    from strongroom.storage.schema_version import MIGRATIONS

    assert (MIGRATIONS / "env.py").is_file()
    assert MIGRATIONS.parent == Path(runs.__file__).parent.parent
