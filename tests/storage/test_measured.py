"""What a database says of itself: how large its log is, and how often another program had it locked."""

import sqlite3

import pytest
from sqlalchemy import text

from strongroom.errors import Unavailable
from strongroom.storage import engines
from strongroom.storage.database import Database


def test_the_log_has_a_size_and_a_lock_of_another_program_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "_SQLITE_WRITER", ("PRAGMA busy_timeout=1", *engines._SQLITE_WRITER[1:]))
    path = tmp_path / "s.db"
    database = Database.open(path)
    try:
        database.write(lambda c: c.execute(text("INSERT INTO meta VALUES ('a', 'b')"))).result()
        assert database.wal_bytes() > 0
        assert database.busy == 0
        with sqlite3.connect(path, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Unavailable) as locked:
                database.write(lambda c: c.execute(text("DELETE FROM meta"))).result()
            other.execute("ROLLBACK")
        assert locked.value.code == "SR-STORE-004"
        assert database.busy == 1
    finally:
        database.close()


def test_a_database_without_writes_has_neither(database):
    assert (database.wal_bytes(), database.busy) == (0, 0)
