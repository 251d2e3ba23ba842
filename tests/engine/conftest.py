"""Engine tests run on both backends."""

import pytest

from tests.fakes.workflow_host import WorkflowHost


@pytest.fixture
def host(database):
    """Everything between the API and the database, with scripted modules."""
    made = WorkflowHost(database)
    yield made
    made.close()
