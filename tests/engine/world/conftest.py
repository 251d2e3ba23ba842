"""One host for all tests of a module: every test has runs of its own."""

import shutil

import pytest

from strongroom.storage.database import Database
from tests.fakes.world_host import WorldHost


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_url(request, tmp_path_factory):
    """A database with the schema of this release, on either backend."""
    if request.param == "sqlite":
        place = tmp_path_factory.mktemp("world") / "strongroom.db"
        yield f"sqlite:///{shutil.copy(request.getfixturevalue('sqlite_template'), place)}"
        return
    server, pool = request.getfixturevalue("postgres"), request.getfixturevalue("postgres_pool")
    name = pool.take()
    yield server.url(name)
    pool.give_back(name)


@pytest.fixture(scope="module")
def shared(shared_url):
    """The host, whose clock is right."""
    database = Database.open(shared_url)
    made = WorldHost(database)
    yield made
    made.close()
    database.close()
