"""Which files an update log opens: its own, for its user alone; all others are refused and stay as they are."""

import os
import sqlite3

import pytest

from strongroom.errors import StorageFault
from strongroom.storage.update_log import UpdateLog
from strongroom.storage.update_log_rows import NewRow

SECRET = b"0123456789abcdef" * 64


@pytest.fixture
def path(tmp_path):
    return tmp_path / "logs" / "notes.db"


def row(data):
    return NewRow("update", 1, data)


def foreign(path):
    with sqlite3.connect(path) as database:
        database.execute("create table other (n)")
    database.close()


def newer(path):
    UpdateLog(path).close()
    with sqlite3.connect(path) as database:
        database.execute("pragma user_version=2")
    database.close()


def changed(statements):
    def make(path):
        log = UpdateLog(path)
        log.append([row(SECRET)])
        log.close()
        with sqlite3.connect(path) as database:
            database.executescript(statements)
        database.close()

    return make


a_trigger = changed("create trigger t after insert on log_rows begin delete from log_rows; end")
a_view = changed("drop table log_rows; create view log_rows as select 1 as id, 'update' as purpose, x'00' as data")
another_table = changed("create table more (n)")
other_columns = changed("drop table log_meta; create table log_meta (name, value)")
an_index = changed("create index i on log_rows (purpose)")


def garbage(path):
    path.write_bytes(b"no database at all, " * 100)


def cut(path):
    log = UpdateLog(path)
    log.append([row(SECRET) for _ in range(50)])
    log.close()
    path.write_bytes(path.read_bytes()[:700])


def a_byte(path):
    path.write_bytes(b"x")


def an_empty_database(path):
    with sqlite3.connect(path) as database:
        database.execute("pragma user_version=0")
        database.execute("create table t (n)")
        database.execute("drop table t")
    database.close()


def a_link(path):
    target = path.with_name("target")
    target.touch(0o600)
    path.symlink_to(target)


def a_directory(path):
    path.mkdir()


def readable_by_others(path):
    path.touch(0o644)


def in_an_open_directory(path):
    path.parent.chmod(0o777)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (foreign, "SR-STORE-040"),
        (newer, "SR-STORE-041"),
        pytest.param(a_trigger, "SR-STORE-042", id="a trigger"),
        pytest.param(a_view, "SR-STORE-042", id="a view"),
        pytest.param(another_table, "SR-STORE-042", id="another table"),
        pytest.param(other_columns, "SR-STORE-042", id="other columns"),
        pytest.param(an_index, "SR-STORE-042", id="an index"),
        (garbage, "SR-STORE-042"),
        (cut, "SR-STORE-042"),
        (a_byte, "SR-STORE-040"),
        (an_empty_database, "SR-STORE-040"),
        (a_link, "SR-STORE-043"),
        (a_directory, "SR-STORE-043"),
        (readable_by_others, "SR-STORE-043"),
        (in_an_open_directory, "SR-STORE-043"),
    ],
    ids=lambda value: value.__name__ if callable(value) else value,
)
def test_a_file_that_is_no_log_of_this_release_is_refused_and_not_changed(path, make, code):
    path.parent.mkdir(mode=0o700)
    old = os.umask(0o077)
    make(path)
    os.umask(old)
    if path.is_file():
        path.chmod(0o644 if make is readable_by_others else 0o600)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StorageFault) as refused:
        UpdateLog(path)
    assert refused.value.code == code
    assert (path.read_bytes() if path.is_file() else None) == before
    with pytest.raises(StorageFault):
        UpdateLog(path)  # the lock of the first try is free again, and the answer the same


def test_damage_inside_the_file_is_found_and_named(path):
    log = UpdateLog(path)
    log.append([row(SECRET) for _ in range(100)])
    log.close()
    with path.open("r+b") as file:
        file.seek(4096 * 20)  # in the middle of the rows
        file.write(os.urandom(4096))
    again = UpdateLog(path)
    found = again.damage()
    again.close()
    assert found
