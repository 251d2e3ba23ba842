"""A version that a workspace still needs is not retired: for rows of its log, or because it could not take the next."""

import pytest

from strongroom.app.keys import key_desk
from strongroom.engine.rotation_mounts import HostWorkspaces
from strongroom.errors import StorageFault, WrongState
from strongroom.storage.database import Database
from strongroom.workspace.mount.copies import Copies
from strongroom.workspace.mount.known import KnownFile
from strongroom.workspace.mount.mounts import Mounts
from strongroom.workspace.session.local import LocalSession
from tests.fakes.key_rig import KeyRig


class Host:
    """The keys and one mount of a host, under version 1."""

    def __init__(self, url, directory):
        self.database = Database.open(url)
        self.rig = KeyRig(self.database, directory, 1)
        session = LocalSession(self.rig.root, "shared")
        self.rig.life.on_change.append(session.rotated)
        self.mounts = Mounts(directory / "state", session=session, providers=dict, open_web_socket=None)
        workspaces = HostWorkspaces(self.mounts, Copies(directory / "state" / "copies.json"))
        self.desk = key_desk(self.rig.life, self.database, self.rig.keys, workspaces)
        (directory / "project").mkdir()
        self.mounts.mount(directory / "project", "notes")

    def write(self, numbers):
        mount = self.mounts.get("notes")
        for number in numbers:
            mount.workspace.store("kv").set(f"key {number}", number)
        mount.flush()

    def versions(self):
        return self.mounts.get("notes").workspace.versions()["kv"]

    def promote_2(self):
        self.rig.write(2, 1)
        self.rig.life.reload()
        self.desk.promote(2)

    def rewrap(self):
        self.desk.rotation.start()
        return list(self.desk.rotation.follow(0.01, is_wanted=lambda: True))[-1]


@pytest.fixture
def host(sqlite_url, tmp_path):
    made = Host(sqlite_url, tmp_path)
    yield made
    made.desk.rotation.close()
    made.mounts.close()
    made.database.close()


def test_a_log_whose_rows_are_older_than_every_value_counts(host):
    host.write(range(5))
    host.promote_2()
    host.write(range(5))
    assert set(host.versions()) == {2}
    with pytest.raises(WrongState, match="blobs of workspace notes"):
        host.desk.retire(1)
    host.rewrap()
    assert host.desk.retire(1)


def test_a_workspace_that_could_not_take_a_new_key_takes_it_before_it_is_used_again(host, monkeypatch):
    host.write(range(5))
    store = KnownFile.store

    def full(_self, _known):
        raise StorageFault("SR-MOUNT-026", "the disk is full")

    monkeypatch.setattr(KnownFile, "store", full)
    host.promote_2()
    with pytest.raises(StorageFault, match="the disk is full"):
        host.mounts.get("notes")
    monkeypatch.setattr(KnownFile, "store", store)
    host.write(range(5, 6))
    assert host.versions() == {1: 5, 2: 1}
    assert host.rewrap().problems == ()
    assert host.desk.retire(1)
