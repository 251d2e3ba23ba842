"""What feeds a view: writers pay for a note and no more, and a view that fails is a view that is behind."""

import pytest

from strongroom.errors import StorageFault
from strongroom.workspace.materialize import feed as feed_module
from strongroom.workspace.materialize.feed import ViewFeed
from strongroom.workspace.materialize.shape import Gone, Shown
from tests.fakes.workspace_rig import Note, fuji


class MemorySink:
    """Shows entries in a dictionary, and fails as it is told."""

    def __init__(self):
        self.shown = {}
        self.rebuilds = 0
        self.closed = False
        self.failing_with = None

    def rebuild(self, batches):
        self.rebuilds += 1
        self.shown = {}
        for batch in batches:
            self.apply(batch)

    def apply(self, batch):
        if self.failing_with is not None:
            raise self.failing_with
        for entry in batch:
            if isinstance(entry, Gone):
                self.shown.pop(entry.key, None)
            else:
                self.shown[entry.key] = entry

    def close(self):
        self.closed = True


@pytest.fixture
def sink():
    return MemorySink()


def titles(sink):
    return {key: entry.value["title"] for key, entry in sink.shown.items() if isinstance(entry, Shown)}


def test_more_changes_than_are_noted_one_by_one_make_the_view_anew(sink, monkeypatch):
    monkeypatch.setattr(feed_module, "DIRTY_KEYS_MAX", 10)
    workspace = fuji(1)
    feed = ViewFeed.open(workspace, sink, name="notes")
    workspace.tables["notes"].bulk_set(Note(id=f"n{n}", title=str(n)) for n in range(50))
    feed.flush()
    assert titles(sink) == {f"n{n}": str(n) for n in range(50)}
    assert sink.rebuilds == 2
    workspace.tables["notes"].delete("n1")
    feed.flush()
    assert "n1" not in sink.shown
    assert sink.rebuilds == 2
    feed.close()


def test_a_bug_of_a_view_leaves_nobody_waiting_and_tells_nothing_of_values(sink, caplog):
    workspace = fuji(1)
    feed = ViewFeed.open(workspace, sink, name="notes")
    sink.failing_with = RuntimeError("SECRET")
    workspace.tables["notes"].set(Note(id="n1", title="one"))
    with pytest.raises(StorageFault) as failed:
        feed.flush()
    assert failed.value.code == "SR-WS-066"
    assert "RuntimeError" in str(failed.value)
    assert "SECRET" not in str(failed.value) + caplog.text
    sink.failing_with = None
    feed.flush()
    assert titles(sink) == {"n1": "one"}
    feed.close()


def test_a_view_that_cannot_be_made_is_closed_and_observes_nothing(sink):
    workspace = fuji(1)
    workspace.tables["notes"].set(Note(id="n1", title="one"))
    sink.failing_with = StorageFault("SR-TEST-000", "no")
    with pytest.raises(StorageFault):
        ViewFeed.open(workspace, sink, name="notes")
    assert sink.closed
    sink.failing_with = RuntimeError("told")
    workspace.tables["notes"].set(Note(id="n1", title="two"))


def test_closing_shows_what_was_written_before_and_nothing_after(sink):
    workspace = fuji(1)
    feed = ViewFeed.open(workspace, sink, name="notes")
    workspace.tables["notes"].set(Note(id="n1", title="before"))
    feed.close()
    workspace.tables["notes"].set(Note(id="n1", title="after"))
    assert titles(sink) == {"n1": "before"}
    assert sink.closed


def test_a_serializer_that_breaks_is_the_reason_of_its_row():
    from pydantic import BaseModel, field_serializer

    from strongroom.plugin import TableDefinition, WorkspaceDefinition

    class Odd(BaseModel):
        id: str

        @field_serializer("id")
        def shown(self, value):
            return {"good": value}[value]

    workspace = fuji(definition=WorkspaceDefinition("w", tables=(TableDefinition("t", (Odd,)),)))
    workspace.store("table:t").bulk_set([("good", {"_v": 1}), ("bad", {"_v": 1})])
    sink = MemorySink()
    ViewFeed.open(workspace, sink, name="odd").close()
    assert sink.shown["good"].value == {"id": "good"}
    assert "cannot be written as JSON" in sink.shown["bad"].reason
