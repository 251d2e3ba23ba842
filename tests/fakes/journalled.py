"""Runs whose journals a test writes itself, event by event."""

from strongroom.engine.journal import Journals
from strongroom.engine.lifecycle import RunEvent
from strongroom.engine.run_journal import RunJournal
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.storage import specs
from tests.fakes.rows import run_row


def new_run(journals: Journals, number=0, content=b"", **changes) -> RunJournal:
    """A run that is accepted, of a workflow with or without a record."""
    changes = {"created_at": 1_700_000_000_000 + number, "mac": b"", **changes}
    journal = RunJournal(journals, run_row(number, **changes))
    mac = journals.database.read(lambda c: specs.get_mac(c, journal.header.workflow_id))
    journal.begin(content or journal_pb2.RunCreated(node_seed=1).SerializeToString(), mac).result()
    return journal


def logged(journal, *lines, name=""):
    """Append an event of lines that a guest wrote."""
    written = journal_pb2.LogWritten(
        lines=[journal_pb2.LogLine(mode=1, line=line, unix_ns=5) for line in lines]
    ).SerializeToString()
    journal.note("log_written", name, written).result()


def ended(journal, event=RunEvent.COMPLETED, content=b""):
    """Bring the run to its end."""
    if journal.header.status == "pending":
        journal.move(RunEvent.STARTED)
    journal.move(event, content).result()
    return journal.header
