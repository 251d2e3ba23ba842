"""What the views of a workspace hold, and whether it is what the workspace holds."""

import json
import sqlite3
from contextlib import closing

import yaml
from pydantic import BaseModel

from strongroom.workspace.materialize.names import entry_name, view_name
from strongroom.workspace.materialize.views import ViewKind, Views
from strongroom.workspace.reading import Present


def opened(workspace, folder, *kinds):
    """The views of ``workspace`` below ``folder``, both where no kind is named."""
    return Views.open(
        workspace, kinds=kinds or list(ViewKind), state_dir=folder, name="fuji", sealed_log=folder / "log" / "fuji.log"
    )


def table(folder, name, order="1"):
    """The rows of a table of the SQLite view."""
    with closing(sqlite3.connect(folder / "sqlite" / "fuji.db")) as reader:
        return reader.execute(f'SELECT * FROM "{name}" ORDER BY {order}').fetchall()


def files(folder):
    """The files of the markdown view."""
    base = folder / "md" / "fuji"
    return {str(path.relative_to(base)): path.read_bytes() for path in sorted(base.rglob("*")) if path.is_file()}


def front(text):
    """What stands in a file: its front matter, read by a YAML reader that is not ours, and its body."""
    head, body = text.removeprefix(b"---\n").split(b"---\n", 1)
    return {**yaml.safe_load(head.decode()), **({"body": body.decode()} if body else {})}


def assert_views_hold(workspace, folder):
    """Every entry of the workspace is in both views as it is, and nothing else is."""
    expected_files, problems, values = {}, set(), set()
    for array in workspace.arrays():
        rows, shown = set(), workspace.table_of(array)
        for entry in workspace.raw_store(array).entries():
            name = f"{view_name(array)}/{entry_name(entry.key)}.md"
            if shown is not None:
                row = shown.get(entry.key)
                if isinstance(row, BaseModel):
                    rows.add(tuple(row.model_dump().values()))
                    expected_files[name] = {k: v for k, v in row.model_dump().items() if (k, v) != ("body", "")}
                    continue
                problems.add((array, entry.key, row.message))
                expected_files[name] = {"id": entry.key, "unreadable": row.message}
                continue
            reading = workspace.store(array).read(entry.key)
            if isinstance(reading, Present):
                values.add((view_name(array), entry.key, json.dumps(reading.value, separators=(",", ":"))))
            else:
                problems.add((array, entry.key, reading.reason))
        if shown is not None:
            assert set(table(folder, view_name(array))) == rows
    assert set(table(folder, "_problems")) == problems
    others = [view_name(array) for array in workspace.arrays() if workspace.table_of(array) is None]
    assert {(name, *row) for name in others for row in table(folder, name)} == values
    held = files(folder)
    assert {name: front(held[name]) for name in expected_files} == expected_files
    stored = sum(len(workspace.raw_store(array).entries()) for array in workspace.arrays())
    assert len(held) == stored
