"""Engine tests run on both backends."""

import pytest

from strongroom.engine.run_journal import RunJournal
from strongroom.errors import StorageFault, Unavailable
from strongroom.storage.writer import Writer
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


@pytest.fixture
def disk(monkeypatch):
    """Break the disk for a while: every write fails, or is refused at once."""
    submit = Writer.submit

    def fails(self, job, *, may_wait=False):
        def fault(connection):
            raise StorageFault("SR-STORE-001", "the disk is full")

        return submit(self, fault, may_wait=may_wait)

    def refuses(self, job, *, may_wait=False):
        raise Unavailable("SR-STORE-007", "the database cannot keep up")

    def broken(function, how="fails"):
        with monkeypatch.context() as patched:
            patched.setattr(Writer, "submit", {"fails": fails, "refuses": refuses}[how])
            with pytest.raises(StorageFault) as caught:
                function()
        return caught.value

    return broken
