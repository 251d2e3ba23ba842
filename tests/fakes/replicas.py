"""Replicas of one document for tests: stores with a clock that is set by hand, and their exchange."""

import json
from pathlib import Path

from strongroom.crypto.keys import Key
from strongroom.keyring.workspace_keys import WorkspaceKeys
from strongroom.workspace.document import Document
from strongroom.workspace.encrypted import EncryptedStore
from strongroom.workspace.lww import LwwStore

VECTORS = json.loads((Path(__file__).resolve().parent.parent / "vectors" / "epicenter-yjs.json").read_text())
FIXTURES = {fixture["name"]: fixture for fixture in VECTORS["fixtures"]}
KEYS = {version: Key(bytes([version * 0x11]) * 32) for version in (1, 2, 3)}
"""Those of the vectors."""
START_MS = 1_767_225_600_000


def keys(*versions, writing=None):
    """Keys of the vectors; the highest writes unless another is named."""
    return WorkspaceKeys({version: KEYS[version] for version in versions}, writing or max(versions))


class Clock:
    """Unix time that stands still until it is moved."""

    def __init__(self, now_ms=START_MS):
        self.now_ms = now_ms

    def __call__(self):
        return self.now_ms


class Replica:
    """A document with one store, and everything its observers were told."""

    def __init__(self, client_id=1, *, array="kv", guid="test-doc", clock=None, update=None, document=None):
        self.clock = clock or Clock()
        self.document = document or Document(guid, client_id=client_id)
        if update is not None:
            self.document.apply(update)
        self.lww = LwwStore(self.document, array, now_ms=self.clock)
        self.array = array

    def told(self):
        """A list that gets what the store's observers are told from now on: key to (action, value), and the origin."""
        return told_by(self.lww)

    def raw(self):
        """The values of the array, as the library gives them."""
        return [
            {**value, "val": bytes(value["val"])} if isinstance(value["val"], bytearray) else value
            for value in self.document.array(self.array).to_py()
        ]

    def keys(self):
        """The keys in the order of the array."""
        return [value["key"] for value in self.raw()]

    def receive(self, other, origin="remote"):
        """Merge what ``other`` has."""
        self.document.apply(other.document.update_since(self.document.state_vector()), origin=origin)

    def push(self, *entries, origin=None):
        """Entries as a peer writes them, past the store: ``(key, value, ts)``."""
        with self.document.transaction(origin):
            for key, val, ts in entries:
                self.document.array(self.array).append({"key": key, "val": val, "ts": ts})


def told_by(store):
    """A list that gets ``(changes, origin)`` of ``store``; changes are key to (action, value)."""
    told = []
    store.observe(
        lambda changes, origin: told.append(({k: (c.action, c.new_value) for k, c in changes.items()}, origin))
    )
    return told


def exchange(*replicas):
    """Everybody gets everything, until nobody has anything new."""
    for _ in replicas:
        for one in replicas:
            for other in replicas:
                if one is not other:
                    one.receive(other)


def encrypted(replica, *versions, strict=False, write_format=2, owner_id="owner", writing=None):
    """The encrypted store over ``replica``, active with ``versions`` if any."""
    store = EncryptedStore(replica.lww, owner_id=owner_id, strict=strict, write_format=write_format)
    if versions:
        store.activate(keys(*versions, writing=writing))
    return store


def fixture_bytes(value):
    """A value of a fixture with its markers resolved: bytes, and ``None`` for undefined."""
    if isinstance(value, dict):
        if "$bytes" in value:
            return bytes.fromhex(value["$bytes"])
        if "$undefined" in value:
            return None
        return {name: fixture_bytes(each) for name, each in value.items()}
    if isinstance(value, list):
        return [fixture_bytes(each) for each in value]
    return None if value == "$undefined" else value
