"""Kills the making of views at every step that touches a file, one after the other, and looks at what is left.

It has no threads of its own when it forks: each forked process makes both views, changes them, and dies at its step.
"""

import os
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from strongroom.workspace.materialize.views import ViewKind, Views
from tests.fakes.workspace_rig import Note, fuji

FILE_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.listdir", "sqlite3.connect"}
END = "the end of a body"


def make(folder: Path, number: int) -> None:
    """Make both views, with rows that differ from those of the run before, change them, and close them."""
    workspace = fuji()
    notes = workspace.tables["notes"]
    notes.bulk_set([Note(id=f"n{number % 3}", title=f"run {number}", body=END), Note(id="same", title="x", body=END)])
    views = Views.open(workspace, kinds=list(ViewKind), state_dir=folder, name="v", sealed_log=folder / "log" / "v.log")
    notes.set(Note(id="late", title=f"run {number}", body=END))
    notes.delete("same")
    views.flush()
    views.close()


def make_until(folder: Path, step: int) -> bool:
    """Whether a process that dies at ``step`` came to its end before that."""
    pid = os.fork()
    if pid == 0:
        left = step

        def count(event: str, _arguments: object) -> None:
            nonlocal left
            if event in FILE_EVENTS:
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        make(folder, step)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.WIFEXITED(status) or os.WTERMSIG(status) == signal.SIGKILL
    return os.WIFEXITED(status)


def look(folder: Path) -> None:
    """What is there is whole, whatever was killed."""
    database = folder / "sqlite" / "v.db"
    if database.exists():
        with closing(sqlite3.connect(database)) as reader:
            assert reader.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert reader.execute("SELECT count(*) FROM notes").fetchone()[0] <= 3
    for path in folder.rglob("[!.]*.md"):
        assert path.read_text().endswith(END), path.name


def main(folder: Path) -> None:
    """Prints how many steps there were."""
    step = 1
    while not make_until(folder, step):
        look(folder)
        step += 1
    look(folder)
    print(step)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
