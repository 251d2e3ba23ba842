"""Engine tests run on both backends."""

import pytest

from tests.fakes.workflow_host import WorkflowHost
from tests.storage.conftest import backend, database, postgres, url

__all__ = ["backend", "database", "host", "postgres", "url"]


@pytest.fixture
def host(database):
    """Everything between the API and the database, with scripted modules."""
    made = WorkflowHost(database)
    yield made
    made.close()
