"""The plaintext file: one step to the new view, nobody else's file touched, and nothing of what was deleted."""

import sqlite3
import stat
from contextlib import closing

import pytest

from strongroom.errors import Misconfigured, StorageFault
from strongroom.storage.plain_view import APPLICATION_ID, PlainTable, PlainView

NOTES = PlainTable("notes", ("id", "title"))
PAIRS = PlainTable("_pairs", ("array", "id", "reason"), key_columns=2)


def rows(path, table="notes"):
    with closing(sqlite3.connect(path)) as reader:
        return reader.execute(f'SELECT * FROM "{table}" ORDER BY 1, 2').fetchall()


def test_a_view_holds_what_it_was_built_from_and_what_was_applied(tmp_path):
    path = tmp_path / "v.db"
    view = PlainView.build(path, [NOTES, PAIRS], [[(NOTES, ["n1", "One"])], [(NOTES, ["n2", 2])]])
    assert rows(path) == [("n1", "One"), ("n2", 2)]
    view.apply([(NOTES, ["n1"])], [(NOTES, ["n2", 2.5]), (PAIRS, ["a", "b", "why"])])
    assert rows(path) == [("n2", 2.5)]
    assert rows(path, "_pairs") == [("a", "b", "why")]
    view.close()


def test_a_table_that_comes_later_is_made_with_its_first_row(tmp_path):
    view = PlainView.build(tmp_path / "v.db", [], [])
    view.apply([], [(PlainTable('odd "name"', ("id", 'a"b')), ["k", None])])
    assert rows(tmp_path / "v.db", 'odd ""name""') == [("k", None)]
    view.close()


def test_it_is_for_its_user_alone_and_carries_our_mark(tmp_path):
    view = PlainView.build(tmp_path / "v.db", [NOTES], [])
    view.apply([], [(NOTES, ["n1", "One"])])
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
    view.close()
    with closing(sqlite3.connect(tmp_path / "v.db")) as reader:
        assert reader.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)


def test_what_was_deleted_is_not_in_the_file_any_more(tmp_path):
    path = tmp_path / "v.db"
    view = PlainView.build(path, [NOTES], [[(NOTES, ["n1", "MARKER" * 100])]])
    view.apply([(NOTES, ["n1"])], [])
    view.close()
    assert b"MARKER" not in b"".join(each.read_bytes() for each in tmp_path.iterdir())


def test_a_batch_is_applied_whole_or_not_at_all(tmp_path):
    view = PlainView.build(tmp_path / "v.db", [NOTES], [[(NOTES, ["n1", "One"])]])
    with pytest.raises(StorageFault) as failed:
        view.apply([(NOTES, ["n1"])], [(NOTES, ["n2", "Two"]), (NOTES, ["too", "many", "cells"])])
    assert failed.value.code == "SR-WS-066"
    assert "Two" not in str(failed.value)
    assert rows(tmp_path / "v.db") == [("n1", "One")]
    view.apply([], [(NOTES, ["n3", "Three"])])
    view.close()


def test_a_build_that_fails_leaves_the_old_view_and_nothing_else(tmp_path):
    path = tmp_path / "v.db"
    PlainView.build(path, [NOTES], [[(NOTES, ["n1", "One"])]]).close()

    def batches():
        yield [(NOTES, ["n2", "Two"])]
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        PlainView.build(path, [NOTES], batches())
    assert rows(path) == [("n1", "One")]
    assert [each.name for each in tmp_path.iterdir()] == ["v.db"]


def test_a_reader_that_has_the_old_view_open_keeps_it_whole(tmp_path):
    path = tmp_path / "v.db"
    PlainView.build(path, [NOTES], [[(NOTES, ["n1", "One"])]]).close()
    with closing(sqlite3.connect(path)) as reader:
        assert reader.execute("SELECT count(*) FROM notes").fetchone() == (1,)
        PlainView.build(path, [NOTES], []).close()
        assert reader.execute("SELECT * FROM notes").fetchall() == [("n1", "One")]
    assert rows(path) == []


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda path: path.write_bytes(b""), id="an empty file"),
        pytest.param(lambda path: path.write_text("my notes"), id="a text"),
        pytest.param(lambda path: sqlite3.connect(path).execute("CREATE TABLE t (a)"), id="somebody's database"),
        pytest.param(lambda path: path.mkdir(), id="a folder"),
        pytest.param(lambda path: path.symlink_to(path.parent / "elsewhere"), id="a link to nothing"),
    ],
)
def test_what_is_not_ours_is_refused_and_stays(tmp_path, make):
    path = tmp_path / "v.db"
    make(path)
    with pytest.raises(Misconfigured) as refused:
        PlainView.build(path, [NOTES], [])
    assert refused.value.code == "SR-WS-067"
    assert not PlainView.remove(path)
    assert path.is_symlink() or path.exists()
    assert not (tmp_path / "elsewhere").exists()


def test_a_link_to_a_view_of_ours_is_refused_too(tmp_path):
    PlainView.build(tmp_path / "real.db", [NOTES], []).close()
    (tmp_path / "v.db").symlink_to(tmp_path / "real.db")
    with pytest.raises(Misconfigured):
        PlainView.build(tmp_path / "v.db", [NOTES], [])


def test_removing_takes_every_file_of_the_view(tmp_path):
    path = tmp_path / "v.db"
    view = PlainView.build(path, [NOTES], [])
    view.apply([], [(NOTES, ["n1", "One"])])
    (tmp_path / ".v.db.building").write_bytes(b"left by a killed process")
    assert PlainView.remove(path)
    view.close()
    assert list(tmp_path.iterdir()) == []
    assert PlainView.remove(path)


def test_half_a_surrogate_pair_becomes_the_sign_for_what_cannot_be_shown(tmp_path):
    view = PlainView.build(tmp_path / "v.db", [NOTES], [[(NOTES, ["a\ud800", "ü😀\udfffb\0c"])]])
    assert rows(tmp_path / "v.db") == [("a\ufffd", "ü😀\ufffdb\0c")]
    view.close()


def test_a_view_where_no_folder_is_cannot_be_written(tmp_path):
    with pytest.raises(StorageFault) as failed:
        PlainView.build(tmp_path / "missing" / "v.db", [NOTES], [])
    assert failed.value.code == "SR-WS-066"
