"""Engine tests run on both backends."""

import pytest

from strongroom.engine.run_journal import RunJournal
from tests.fakes.workflow_host import WorkflowHost


@pytest.fixture
def host(database):
    """Everything between the API and the database, with scripted modules."""
    made = WorkflowHost(database)
    yield made
    made.close()


@pytest.fixture
def open_journals(monkeypatch):
    """The runs of which a journal was opened while another one was open."""
    opened, twice, made = {}, [], RunJournal.__init__

    def opening(self, journals, header, owed=()):
        made(self, journals, header, owed)
        if not all(each.closed for each in opened.setdefault(header.run_id, [])):
            twice.append(header.run_id)
        opened[header.run_id].append(self)

    monkeypatch.setattr(RunJournal, "__init__", opening)
    return twice
