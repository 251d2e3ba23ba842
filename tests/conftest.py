"""Databases for tests: SQLite, and a real PostgreSQL, with the same fixtures for both; and who is tested first."""

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from strongroom.storage.database import Database
from tests.fakes.postgres import PostgresServer, running_postgres, wheel
from tests.fakes.postgres_pool import DatabasePool
from tests.fakes.program import save_starts
from tests.faults import figures

# A server that runs as another user is started by a plain fork, whose handlers of gRPC crash now and then.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
# Benchmarks, which measure starts, have none of this.
save_starts()

FIGURES = pytest.StashKey[Path]()
"""Where the figures of this run are."""
GARBAGE_LOOKED_FOR_EVERY = (20_000, 20, 50)
"""Objects made, and so on as for ``gc.set_threshold``: tests make and drop much, and looking after each 700 costs a
twentieth of their time."""
LONG_FIRST = (
    *("tests/faults/", "tests/scenarios/", "tests/guests/", "tests/registry/", "tests/testing/"),
    *("plugins/", "tests/engine/", "tests/storage/", "tests/guest/", "tests/packaging/"),
)
"""Folders whose files take long. What is begun last must be short, or one worker ends long after the others."""


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Look for no garbage while tests are collected: all of it stays, and looking costs a third of the work."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(*GARBAGE_LOOKED_FOR_EVERY)
        gc.enable()


def pytest_configure(config):
    """Have one file for the figures of all workers. And let each of them begin to collect elsewhere: what one has
    compiled, the others only load."""
    worker = getattr(config, "workerinput", None)
    if worker is None:
        place, is_ours = figures.where()
        config.stash[FIGURES] = place
        if is_ours:
            config.add_cleanup(lambda: place.unlink(missing_ok=True))
    if worker is not None and config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        root = config.rootpath
        places = [path for place in config.args for path in sorted((root / place).iterdir()) if holds_tests(path)]
        number = int(worker["workerid"].removeprefix("gw"))
        first = len(places) * number // worker["workercount"] % len(places)
        config.args = [str(path) for path in places[first:] + places[:first]]


def holds_tests(path):
    """Whether pytest finds tests at ``path``: a file of them, or a folder that is no cache."""
    return path.match("test_*.py") or (path.is_dir() and path.name[0] not in "._")


@pytest.hookimpl(tryfirst=True, wrapper=True)
def pytest_collection_modifyitems(config, items):
    """Put what takes long first where workers share the tests; alone, they stay in the order of their files."""
    if not hasattr(config, "workerinput"):
        return (yield)
    items.sort(key=lambda item: item.path)  # The same order in every worker, wherever it began.
    result = yield
    rank = {folder: number for number, folder in enumerate(LONG_FIRST)}
    items.sort(key=lambda item: rank.get(folder_of(item.nodeid), len(rank)))
    return result


def folder_of(test):
    """The folder of ``LONG_FIRST`` that a test id is in, or nothing."""
    return next((folder for folder in LONG_FIRST if test.startswith(folder)), "")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server that holds a migrated database ``strongroom`` to copy from."""
    with running_postgres(wheel()) as server:
        server.execute("CREATE DATABASE strongroom")
        Database.open(server.url("strongroom")).close()
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request) -> str:
    """Which database the test runs on."""
    return request.param


@pytest.fixture
def empty_url(backend, request, tmp_path) -> str:
    """The URL of a database without tables on the backend that the test is run for."""
    if backend == "sqlite":
        return f"sqlite:///{tmp_path}/strongroom.db"
    return request.getfixturevalue("postgres").create_database()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory) -> Path:
    """A SQLite file with the schema of this release; copying it is faster than migrating anew."""
    path = tmp_path_factory.mktemp("template") / "strongroom.db"
    Database.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def sqlite_url(sqlite_template, tmp_path) -> str:
    """The URL of a SQLite database with the schema of this release."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'strongroom.db')}"


@pytest.fixture(scope="session")
def postgres_pool(postgres) -> DatabasePool:
    """Databases with the schema of this release that are lent to one test after the other."""
    return DatabasePool(postgres, "strongroom")


@pytest.fixture
def url(backend, request) -> Iterator[str]:
    """The URL of a database with the schema of this release."""
    if backend == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    server, pool = request.getfixturevalue("postgres"), request.getfixturevalue("postgres_pool")
    name = pool.take()
    yield server.url(name)
    pool.give_back(name)


@pytest.fixture
def database(url) -> Iterator[Database]:
    """An open database, empty but for its schema."""
    opened = Database.open(url)
    yield opened
    opened.close()


def pytest_terminal_summary(terminalreporter, config):
    """Print the figures of the promises.

    It stands here because the process that prints collects nothing, and so loads no file of a deeper folder.
    """
    lines = figures.table(figures.read(config.stash[FIGURES]))
    if lines:
        terminalreporter.section("promises")
        for line in lines:
            terminalreporter.write_line(line)
