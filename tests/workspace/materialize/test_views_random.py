"""Random operations and kills: views hold exactly what the workspace holds, and are whole whenever a process ends."""

import os
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom.workspace.materialize.views import ViewKind, Views
from tests.fakes.views_held import assert_views_hold, opened
from tests.fakes.workspace_rig import Note, exchange, fuji, keyring

ROOT = Path(__file__).resolve().parents[3]
KEYS = st.sampled_from(["a", "b", "../c", "D", "d"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), KEYS, st.text(st.characters(exclude_categories=("Cs",)), max_size=10)),
        st.tuples(st.just("delete"), KEYS, st.just("")),
        st.tuples(st.just("kv"), KEYS, st.sampled_from([1, None, "ü", [1.5], {"id": "x"}])),
        st.tuples(st.just("raw"), KEYS, st.sampled_from(["no row", {"_v": 7}, {"title": 5, "_v": 1}])),
        st.tuples(st.sampled_from(["clear", "flush", "lock", "unlock", "sync", "reopen"]), st.just(""), st.just("")),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_after_random_operations_views_hold_exactly_what_the_workspace_holds(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("views")
    workspace, other = fuji(1), fuji(1)
    views = opened(workspace, folder)
    notes = workspace.tables["notes"]
    for step, key, value in steps:
        if step == "sync":
            other.tables["notes"].set(Note(id="theirs", title="synced"))
            exchange(workspace, other)
        elif step == "reopen":
            views.close()
            views = opened(workspace, folder)
        elif step == "flush":
            views.flush()
        elif step == "lock":
            workspace.lock()
        elif step == "unlock" or workspace.is_locked:
            workspace.reactivate(keyring(1))
        elif step == "set":
            notes.set(Note(id=key, title=value, body=value))
        elif step == "raw":
            workspace.store("table:notes").set(key, value)
        elif step == "kv":
            workspace.store("kv").set(key, value)
        elif step == "delete":
            notes.delete(key)
        else:
            notes.clear()
    views.flush()
    assert_views_hold(workspace, folder)
    views.close()


def test_killed_at_any_step_that_touches_a_file_views_are_whole_and_are_made_again(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.workspace.materialize.view_kill_child", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'daemon'}"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    steps = int(done.stdout)
    assert steps > 20, "the steps were seen"
    # The last one was not killed: it left nothing of those before it.
    names = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert names == ["late.md", f"n{steps % 3}.md", "v.db"]
    with closing(sqlite3.connect(tmp_path / "sqlite" / "v.db")) as reader:
        rows = reader.execute("SELECT id, title FROM notes ORDER BY id").fetchall()
    assert rows == [("late", f"run {steps}"), (f"n{steps % 3}", f"run {steps}")]


def test_a_process_that_is_killed_while_it_writes_leaves_whole_views(tmp_path):
    dice = random.Random(7)  # noqa: S311 - chooses when to kill
    for _ in range(4):
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.workspace.materialize.view_child", str(tmp_path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'daemon'}"},
        )
        for _ in range(dice.randrange(1, 8)):
            assert child.stdout.readline()
        child.kill()
        child.wait()
        child.stdout.close()
        with closing(sqlite3.connect(tmp_path / "sqlite" / "notes.db")) as reader:
            assert reader.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            reader.execute("SELECT * FROM notes").fetchall()
        for path in (tmp_path / "md").rglob("[!.]*.md"):
            assert path.read_bytes().endswith(b"x" * 2000), "a file is whole"
    workspace = fuji()
    workspace.tables["notes"].set(Note(id="n1", title="One"))
    views = Views.open(
        workspace, kinds=list(ViewKind), state_dir=tmp_path, name="notes", sealed_log=tmp_path / "log" / "notes.log"
    )
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["n1.md", "notes.db"]
    views.close()
