"""Wiping deletes what one owner keeps of one server, all of it and nothing else."""

import pytest

from strongroom.errors import Unavailable
from strongroom.workspace.persistence.names import database_file, owner_directory
from strongroom.workspace.persistence.wipe import wipe
from tests.fakes.sealed_logs import filled, opened, put

SERVER = "api.example.com"


def database(root, owner, guid, server=SERVER):
    path = database_file(root, server, owner, guid)
    filled(path, "x", owner=owner, guid=guid)
    return path


def test_wipe_deletes_the_databases_of_one_owner_only(tmp_path):
    gone = [database(tmp_path, "alice", guid) for guid in ("notes", "tasks")]
    others = [
        database(tmp_path, "alice2", "notes"),
        database(tmp_path, "ali", "notes"),
        database(tmp_path, "alice/b", "notes"),
        database(tmp_path, "alice", "notes", server="other.example.com"),
    ]
    assert wipe(tmp_path, SERVER, "alice") == 2
    assert not any(path.exists() for path in gone)
    assert not owner_directory(tmp_path, SERVER, "alice").exists()
    assert all(path.exists() for path in others)


def test_wipe_does_nothing_where_there_is_nothing(tmp_path):
    assert wipe(tmp_path, SERVER, "alice") == 0
    assert wipe(tmp_path / "missing", SERVER, "alice") == 0
    assert list(tmp_path.iterdir()) == []


def test_wipe_takes_what_a_crash_left_beside_a_database(tmp_path):
    path = database(tmp_path, "alice", "notes")
    for suffix in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).write_bytes(b"left")
    path.unlink()
    assert wipe(tmp_path, SERVER, "alice") == 1
    assert not path.parent.exists()


def test_wipe_refuses_while_a_database_is_open_and_deletes_none(tmp_path):
    others = database(tmp_path, "alice", "archive")
    path = database_file(tmp_path, SERVER, "alice", "notes")
    with opened(path) as log:
        put(log, "a")
        with pytest.raises(Unavailable) as refused:
            wipe(tmp_path, SERVER, "alice")
        assert refused.value.code == "SR-STORE-044"
        log.flush()
    assert others.exists()
    assert wipe(tmp_path, SERVER, "alice") == 2


def test_wipe_leaves_files_that_are_no_databases_and_follows_no_link(tmp_path):
    path = database(tmp_path, "alice", "notes")
    note = path.with_name("README")
    note.write_text("mine")
    assert wipe(tmp_path, SERVER, "alice") == 1
    assert note.exists()
    target = database(tmp_path, "bob", "notes")
    owner_directory(tmp_path, SERVER, "carol").symlink_to(target.parent)
    assert wipe(tmp_path, SERVER, "carol") == 0
    assert target.exists()


def test_after_a_wipe_a_workspace_begins_anew(tmp_path):
    path = database(tmp_path, "alice", "notes")
    wipe(tmp_path, SERVER, "alice")
    with opened(path) as log:
        assert log.report.applied == 0
