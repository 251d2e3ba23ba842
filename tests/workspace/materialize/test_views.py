"""Both views hold what the workspace holds: at open, after changes, after kills, and for no longer than they are on."""

import errno
import sqlite3
import stat
import threading
from contextlib import closing

import pytest

from strongroom.errors import Misconfigured, StorageFault, TimedOut
from strongroom.workspace.materialize import owned_folder
from strongroom.workspace.materialize.feed import BATCH_ENTRIES, ViewFeed
from strongroom.workspace.materialize.markdown import MarkdownView
from strongroom.workspace.materialize.markdown_text import MARK
from strongroom.workspace.materialize.names import view_name
from strongroom.workspace.materialize.views import ViewKind, Views, remove_views
from tests.fakes.views_held import assert_views_hold, files, opened, table
from tests.fakes.workspace_rig import Note, Tag, exchange, fuji, keyring, push_raw


def test_views_show_what_was_there_and_what_comes(tmp_path):
    workspace = fuji(1)
    workspace.tables["notes"].set(Note(id="n1", title="One", body="# One\n"))
    workspace.kv.set("theme", "dark")
    views = opened(workspace, tmp_path)
    assert table(tmp_path, "notes") == [("n1", "One", "# One\n", 0)]
    assert table(tmp_path, "kv") == [("theme", '"dark"')]
    assert files(tmp_path)["notes/n1.md"] == MARK + b'id: "n1"\ntitle: "One"\nstars: 0\n---\n# One\n'
    workspace.tables["notes"].update("n1", {"stars": 5})
    workspace.tables["tags"].set(Tag(id="t1", name="work", color="red"))
    workspace.kv.delete("theme")
    views.flush()
    assert table(tmp_path, "notes") == [("n1", "One", "# One\n", 5)]
    assert table(tmp_path, "tags") == [("t1", "work", "red")]
    assert table(tmp_path, "kv") == []
    assert sorted(files(tmp_path)) == ["notes/n1.md", "tags/t1.md"]
    assert_views_hold(workspace, tmp_path)
    views.close()


def test_views_are_for_their_user_alone(tmp_path):
    views = opened(fuji(1), tmp_path)
    for path in tmp_path.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path.name
    views.close()


def test_an_array_without_schema_has_ids_and_json(tmp_path):
    workspace = fuji(1)
    views = opened(workspace, tmp_path)
    workspace.store("table:later").set("k", {"any": [1, None], "body": "text"})
    workspace.store("odd/../name").set("k", 2)
    views.flush()
    assert table(tmp_path, "later") == [("k", '{"any":[1,null],"body":"text"}')]
    assert table(tmp_path, view_name("odd/../name")) == [("k", "2")]
    assert files(tmp_path)["later/k.md"] == MARK + b'id: "k"\nany: [1, null]\n---\ntext'
    views.close()


def test_a_view_hears_of_other_devices_and_of_their_new_arrays(tmp_path):
    here, there = fuji(1), fuji(1)
    views = opened(here, tmp_path)
    there.tables["notes"].set(Note(id="n1", title="One"))
    there.store("table:new").set("k", 1)
    exchange(there, here)
    views.flush()
    assert table(tmp_path, "notes") == [("n1", "One", "", 0)]
    assert table(tmp_path, "new") == [("k", "1")]
    there.store("table:new").set("k", 2)
    exchange(there, here)
    views.flush()
    assert table(tmp_path, "new") == [("k", "2")]
    views.close()


def test_a_value_that_becomes_unreadable_does_not_live_on_in_a_view(tmp_path):
    here, there = fuji(1), fuji(1, 2)
    here.tables["notes"].set(Note(id="n1", title="MARKER"))
    views = opened(here, tmp_path)
    exchange(here, there)
    there.tables["notes"].set(Note(id="n1", title="newer"))
    exchange(there, here)
    views.flush()
    assert table(tmp_path, "notes") == []
    ((array, row_id, reason),) = table(tmp_path, "_problems")
    assert (array, row_id) == ("table:notes", "n1")
    assert "keyVersion=2 not in keyring [1]" in reason
    assert b"MARKER" not in files(tmp_path)["notes/n1.md"]
    here.reactivate(keyring(1, 2))
    views.flush()
    assert table(tmp_path, "notes") == [("n1", "newer", "", 0)]
    assert table(tmp_path, "_problems") == []
    views.close()


def test_locking_empties_the_views(tmp_path):
    workspace = fuji(1)
    workspace.tables["notes"].set(Note(id="n1", title="MARKER"))
    views = opened(workspace, tmp_path)
    workspace.lock()
    views.flush()
    assert table(tmp_path, "notes") == []
    views.close()
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"MARKER" in path.read_bytes()]


def test_a_view_that_is_turned_off_is_deleted_and_the_others_files_stay(tmp_path):
    workspace = fuji()
    workspace.tables["notes"].set(Note(id="n1", title="One"))
    opened(workspace, tmp_path).close()
    theirs = tmp_path / "md" / "fuji" / "notes" / "theirs.md"
    theirs.write_text("mine")
    opened(workspace, tmp_path, ViewKind.SQLITE).close()
    assert [path.name for path in (tmp_path / "md").rglob("*.md")] == ["theirs.md"]
    theirs.unlink()
    remove_views(tmp_path, "fuji")
    assert not (tmp_path / "sqlite" / "fuji.db").exists()


def test_rows_of_hostile_peers_get_safe_names_or_a_reason(tmp_path):
    workspace = fuji()
    good = {"title": "Good", "_v": 1.0}
    now = 1_767_227_000_000.0
    ids = ["../../x", "..", "a\0b", "con", "N1", "n1", "x" * 4000, "'; DROP TABLE notes; --"]
    push_raw(workspace, "table:notes", [(each, good, now) for each in ids] + [("bad", {"_v": 1e30}, now)])
    push_raw(workspace, "../../../etc/cron.d", [("a", 1.0, now)])
    inside = tmp_path / "above" / "project"
    inside.mkdir(parents=True)
    views = opened(workspace, inside)
    assert_views_hold(workspace, inside)
    assert len(table(inside, "notes")) == len(ids) - 1
    assert [path for path in tmp_path.rglob("*.md") if inside not in path.parents] == []
    views.close()


def test_a_file_of_somebody_else_is_kept_and_counted_until_it_is_gone(tmp_path):
    workspace = fuji()
    place = tmp_path / "md" / "fuji" / "notes" / "n1.md"
    place.parent.mkdir(parents=True)
    place.write_text("their notes")
    views = opened(workspace, tmp_path, ViewKind.MARKDOWN)
    workspace.tables["notes"].set(Note(id="n1", title="One"))
    views.flush()
    assert place.read_text() == "their notes"
    assert [each.left_out for each in views.status()] == [1]
    place.unlink()
    workspace.tables["notes"].set(Note(id="n1", title="Two"))
    views.flush()
    assert b"Two" in place.read_bytes()
    assert [each.left_out for each in views.status()] == [0]
    views.close()


def test_a_folder_that_is_a_link_is_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    state = tmp_path / "state"
    (state / "md" / "fuji").mkdir(parents=True)
    (state / "md" / "fuji" / "notes").symlink_to(elsewhere)
    workspace = fuji()
    workspace.tables["notes"].set(Note(id="n1", title="One"))
    opened(workspace, state, ViewKind.MARKDOWN).close()
    assert list(elsewhere.iterdir()) == []
    (state / "sqlite").symlink_to(elsewhere)
    with pytest.raises(Misconfigured) as refused:
        opened(workspace, state)
    assert refused.value.code == "SR-WS-067"
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("log", ["sqlite/fuji.log", "fuji.log", "md/fuji.log"])
def test_a_view_where_the_sealed_log_is_is_refused(tmp_path, log):
    with pytest.raises(Misconfigured) as refused:
        Views.open(fuji(1), kinds=list(ViewKind), state_dir=tmp_path, name="fuji", sealed_log=tmp_path / log)
    assert refused.value.code == "SR-WS-068"


def test_a_view_that_cannot_be_written_says_why_and_is_made_anew_once_it_can(tmp_path):
    workspace = fuji()
    views = opened(workspace, tmp_path, ViewKind.SQLITE)
    with closing(sqlite3.connect(tmp_path / "sqlite" / "fuji.db")) as other:
        other.execute("DROP TABLE notes")
    workspace.tables["notes"].set(Note(id="n1", title="One"))
    with pytest.raises(StorageFault) as failed:
        views.flush()
    assert failed.value.code == "SR-WS-066"
    (status,) = views.status()
    assert status.fault is failed.value
    workspace.tables["notes"].set(Note(id="n2", title="Two"))
    views.flush()
    assert table(tmp_path, "notes") == [("n1", "One", "", 0), ("n2", "Two", "", 0)]
    assert views.status()[0].fault is None
    views.close()


def test_many_rows_are_shown_in_batches(tmp_path):
    workspace = fuji(1)
    workspace.tables["notes"].bulk_set(Note(id=f"n{n}", title="x") for n in range(2 * BATCH_ENTRIES + 1))
    views = opened(workspace, tmp_path, ViewKind.SQLITE)
    assert len(table(tmp_path, "notes")) == 2 * BATCH_ENTRIES + 1
    workspace.tables["notes"].clear()
    views.flush()
    assert table(tmp_path, "notes") == []
    views.close()
    views.close()


def test_writers_in_several_threads_are_all_shown(tmp_path):
    workspace = fuji(1)
    views = opened(workspace, tmp_path)
    notes = workspace.tables["notes"]

    def write(name):
        for number in range(60):
            notes.set(Note(id=f"{name}{number % 20}", title=str(number)))
            notes.delete(f"{name}{(number * 7) % 20}")

    writers = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    views.flush()
    assert_views_hold(workspace, tmp_path)
    views.close()


def test_a_view_that_stays_behind_says_so_and_one_of_a_closed_workspace_stops(tmp_path):
    workspace = fuji(1)
    sink = MarkdownView(tmp_path / "md", sealed_log=tmp_path / "log" / "log")
    feed = ViewFeed.open(workspace, sink, name="notes")
    with workspace.document.lock:  # which the view waits for
        workspace.kv.set("theme", "dark")
        with pytest.raises(TimedOut) as late:
            feed.flush(timeout_s=0.05)
    assert late.value.code == "SR-WS-069"
    feed.flush()
    workspace.dispose()
    feed.close()
    assert (tmp_path / "md" / "kv" / "theme.md").exists()


def test_a_full_disk_leaves_the_old_file_and_no_other_and_is_made_good_later(tmp_path, monkeypatch):
    workspace = fuji(1)
    workspace.tables["notes"].set(Note(id="n1", title="old"))
    views = opened(workspace, tmp_path, ViewKind.MARKDOWN)

    def full(*_places, **_folders):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(owned_folder.os, "replace", full)
        workspace.tables["notes"].set(Note(id="n1", title="new"))
        with pytest.raises(StorageFault, match="No space left") as failed:
            views.flush()
    assert failed.value.code == "SR-WS-066"
    assert list(files(tmp_path)) == ["notes/n1.md"]
    assert b"old" in files(tmp_path)["notes/n1.md"]
    views.flush()
    assert b"new" in files(tmp_path)["notes/n1.md"]
    views.close()


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "/etc/x", "a\0"], ids=repr)
def test_a_name_that_is_no_mounts_leads_nowhere(tmp_path, name):
    for step in (
        lambda: remove_views(tmp_path, name),
        lambda: Views.open(fuji(), kinds=[], state_dir=tmp_path, name=name, sealed_log=tmp_path / "log" / "l"),
    ):
        (tmp_path / "sqlite").mkdir(exist_ok=True)
        with pytest.raises(ValueError, match="not the name of a mount"):
            step()
