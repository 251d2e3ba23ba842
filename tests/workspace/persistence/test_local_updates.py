"""Only what was written here is told to whoever listens for local updates."""

import logging

import pytest

from strongroom.workspace.document import Document
from strongroom.workspace.persistence.local_updates import Elsewhere, on_local_update
from tests.fakes.sealed_logs import filled, opened, put


@pytest.fixture
def document():
    document = Document("notes")
    yield document
    document.close()


def write(document, value=1):
    with document.transaction():
        document.array("kv").append({"key": "k", "val": value, "ts": 1})


def test_a_local_update_is_told_with_its_bytes(document):
    heard = []
    on_local_update(document, heard.append)
    write(document)
    copy = Document("copy")
    copy.apply(heard[0])
    assert copy.array("kv").to_py() == document.array("kv").to_py()
    assert len(heard) == 1


def test_an_update_of_a_peer_is_not_told(document):
    peer = Document("notes")
    write(peer)
    heard = []
    on_local_update(document, heard.append)
    document.apply(peer.update_since(), origin=Elsewhere("peer"))
    assert heard == []
    assert len(document.array("kv").to_py()) == 1


def test_what_is_replayed_from_a_log_is_not_told(tmp_path):
    path = tmp_path / "log" / "notes.db"
    filled(path, "a", "b")
    document = Document("notes")
    heard = []
    on_local_update(document, heard.append)
    with opened(path) as log:
        on_local_update(log.document, heard.append)
        assert heard == []
        put(log, "c")
        assert len(heard) == 1


def test_one_transaction_is_told_once_and_an_empty_one_never(document):
    heard = []
    on_local_update(document, heard.append)
    with document.transaction():
        write(document)
        write(document)
    with document.transaction():
        pass
    assert len(heard) == 1


def test_a_callback_that_throws_hurts_neither_the_writer_nor_the_others(document, caplog):
    heard = []

    def throws(update):
        raise ValueError("the value 4711")

    on_local_update(document, throws)
    on_local_update(document, heard.append)
    with caplog.at_level(logging.ERROR, "strongroom.workspace"):
        write(document)
    assert len(heard) == 1
    assert [(record.getMessage(), record.fault) for record in caplog.records] == [("a callback failed", "ValueError")]
    assert "4711" not in caplog.text


def test_a_callback_that_was_ended_hears_nothing_more(document):
    heard = []
    end = on_local_update(document, heard.append)
    write(document)
    end()
    end()
    write(document)
    assert len(heard) == 1
