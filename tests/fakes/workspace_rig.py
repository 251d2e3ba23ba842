"""A small workspace for tests: two tables, key-values, keys by version, and an exchange between two devices."""

import base64
from typing import Literal

from pydantic import BaseModel

from strongroom.crypto.keyring_entry import Keyring, KeyringEntry
from strongroom.plugin import KvDefinition, TableDefinition, WorkspaceDefinition
from strongroom.workspace.document import Document
from strongroom.workspace.workspace import Workspace


class Note(BaseModel):
    """A note with a body, which the markdown view shows as the text of its file."""

    id: str
    title: str
    body: str = ""
    stars: int = 0


class TagV1(BaseModel):
    """A tag before it had a colour."""

    id: str
    name: str


class Tag(BaseModel):
    """A tag."""

    id: str
    name: str
    color: str


def migrate_tag(row, version):
    """A tag of version 1 is grey; one named ``cursed`` cannot be migrated."""
    if row.name == "cursed":
        raise ValueError("cursed")
    return Tag(id=row.id, name=row.name, color="grey")


NOTES = TableDefinition("notes", (Note,))
TAGS = TableDefinition("tags", (TagV1, Tag), migrate_tag)
KV = (
    KvDefinition("theme", Literal["light", "dark"], lambda: "light"),
    KvDefinition("width", int, lambda: 300),
    KvDefinition("recent", list[str], list),
)
FUJI = WorkspaceDefinition("epicenter-fuji", tables=(NOTES, TAGS), kv=KV)


class Clock:
    """Unix time in milliseconds that moves by one with each look."""

    def __init__(self, now_ms=1_767_227_000_000):
        self.now_ms = now_ms

    def __call__(self):
        self.now_ms += 1
        return self.now_ms


def keyring(*versions, promoted=None):
    """Owner keys whose bytes are all their version's number."""
    entries = [KeyringEntry(v, base64.b64encode(bytes([v]) * 32).decode()) for v in versions]
    return Keyring(tuple(entries), promoted)


def fuji(*versions, definition=FUJI, client_id=None, clock=None, **options):
    """The workspace, encrypted under ``versions``, plain without any."""
    return Workspace.create(
        definition,
        document=Document(definition.id, client_id=client_id),
        keyring=(lambda: keyring(*versions)) if versions else None,
        owner_id="alice",
        now_ms=clock or Clock(),
        **options,
    )


def exchange(one, other):
    """Give each of two workspaces what it has not seen of the other, as peers do."""
    for source, target in ((one, other), (other, one)):
        target.document.apply_untrusted(source.document.update_since(target.document.state_vector()), origin="peer")


def push_raw(workspace, array, entries):
    """Write ``entries`` as they are into ``array`` from another device, as a hostile peer does."""
    peer = Document(workspace.document.guid)
    peer.apply(workspace.document.update_since())
    with peer.transaction():
        there = peer.array(array)
        for key, value, ts in entries:
            there.append({"key": key, "val": value, "ts": ts})
    workspace.document.apply_untrusted(peer.update_since(workspace.document.state_vector()), origin="peer")
    peer.close()
