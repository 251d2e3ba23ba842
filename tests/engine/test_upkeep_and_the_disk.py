"""Copies name every key that they need, and what changes a workspace as a whole is on disk when it is answered."""

import json

import pytest

from strongroom.errors import StorageFault
from strongroom.keyring.root import parse_secrets
from tests.fakes.workspace_host import WorkspaceHost


@pytest.fixture
def host(tmp_path):
    made = WorkspaceHost(tmp_path)
    made.open()
    yield made
    made.mounts.close()


def put(host, key):
    host.desk.put("notes", "", key, json.dumps(key).encode())


def test_a_copy_that_is_made_between_promoting_and_sealing_again_needs_both_keys(host, tmp_path):
    put(host, "before")
    host.root.become(parse_secrets("2:another-secret,1:a-root-secret").changed(promoted=2))
    host.session.rotated()
    put(host, "after")
    path = tmp_path / "notes.sealed"
    path.write_bytes(host.upkeep.export("notes", str(path)))
    for array in host.mounts.get("notes").workspace.arrays():
        host.mounts.get("notes").workspace.store(array).upgrade(100)
    assert host.copies.by_version() == {1: 1, 2: 1}


@pytest.mark.parametrize(
    "change",
    [lambda host, copy: host.upkeep.merge("notes", copy), lambda host, _: host.upkeep.migrate("notes", dry_run=False)],
    ids=["merge", "migrate"],
)
def test_what_did_not_reach_the_disk_is_not_called_done(host, monkeypatch, change):
    put(host, "key")
    copy = host.upkeep.export("notes", "")

    def full():
        raise StorageFault("SR-STORE-046", "the disk is full", fix="make room")

    monkeypatch.setattr(host.mounts.get("notes").built.log, "flush", full)
    with pytest.raises(StorageFault, match="the disk is full"):
        change(host, copy)
