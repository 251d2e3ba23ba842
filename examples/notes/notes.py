"""A plugin that provides workspaces of notes: a table whose rows have had two shapes, and one key-value.

A project names it with `provider = "notes"`. What it reads is always a `Note`; rows of the first shape are read as
notes too, and are stored anew when somebody next writes them.
"""

from typing import Literal

from pydantic import BaseModel

from strongroom.plugin import (
    KvDefinition,
    Mount,
    MountContext,
    MountProvider,
    TableDefinition,
    WorkspaceDefinition,
    hookimpl,
)


class NoteV1(BaseModel):
    """A note as it was at first. A released version is never changed."""

    id: str
    name: str


class Note(BaseModel):
    """A note."""

    id: str
    title: str
    body: str = ""
    stars: int = 0


def migrate(row: NoteV1, version: int) -> Note:
    """A row of an older version as a note. There is one older version."""
    del version
    return Note(id=row.id, title=row.name)


NOTES = WorkspaceDefinition(
    "notes",
    tables=(TableDefinition("notes", (NoteV1, Note), migrate),),
    kv=(KvDefinition("theme", Literal["light", "dark"], default=lambda: "light"),),
)


def open_notes(context: MountContext) -> Mount:
    """Open the workspace of one project; its log, its connection and its views are the host's."""
    return context.open_workspace(NOTES)


class Notes:
    """The plugin."""

    @hookimpl
    def mounts(self) -> list[MountProvider]:
        """The kinds of workspaces that it opens for projects."""
        return [MountProvider(name="notes", open=open_notes, description="notes with a title and a body")]
