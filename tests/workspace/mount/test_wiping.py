"""Two owners of one project see nothing of each other, and wiping takes what one of them has there and nothing else."""

import pytest

from strongroom.errors import InvalidInput, NotFound, Unavailable, WrongState
from strongroom.workspace.mount.lease import Lease
from strongroom.workspace.mount.project_state import provision
from strongroom.workspace.session.local import LocalSession
from tests.fakes.mount_rig import MountRig, StubServer, remote

SERVER = StubServer.base_url
VIEWS = '[[mounts]]\nname = "notes"\nmaterialize = ["sqlite", "markdown"]\n'


@pytest.fixture
def rig(tmp_path):
    rig = MountRig(tmp_path)
    yield rig
    rig.mounts.close()


def put(rig, value, name="notes"):
    opened = rig.open(name)
    opened.workspace.store("kv").set("key", value)
    opened.flush()
    return opened


def read(rig, name="notes"):
    return rig.open(name).workspace.store("kv").get("key")


def become(rig, session):
    rig.session = session
    rig.restart()


def local(rig, owner):
    return LocalSession(rig.root, owner)


def logs(rig):
    return sorted(str(path.relative_to(rig.project)) for path in rig.project.rglob("*.db") if "log" in path.parts)


def test_two_owners_use_one_project_and_each_finds_only_what_is_theirs(tmp_path, rig):
    put(rig, "of shared")
    become(rig, local(rig, "bob"))
    assert read(rig) is None
    put(rig, "of bob")
    become(rig, remote(tmp_path, "alice"))
    assert read(rig) is None
    put(rig, "of alice at the server")
    become(rig, local(rig, "alice"))
    assert read(rig) is None
    become(rig, local(rig, "shared"))
    assert read(rig) == "of shared"
    become(rig, local(rig, "bob"))
    assert read(rig) == "of bob"
    become(rig, remote(tmp_path, "alice"))
    assert read(rig) == "of alice at the server"


def test_the_keys_of_every_owner_stay_counted(tmp_path, rig):
    put(rig, 1)
    assert rig.mounts.projects() == []
    become(rig, local(rig, "bob"))
    put(rig, 1)
    (left,) = rig.mounts.projects()
    assert (left.name, left.owner_id, set(left.counts)) == ("notes", "shared", {1})
    rig.mounts.unmount("notes")
    assert sorted(each.name for each in rig.mounts.projects()) == [
        f"notes in {rig.project} of bob",
        f"notes in {rig.project} of shared",
    ]
    assert rig.mounts.forget(f"notes in {rig.project} of bob")
    assert [each.owner_id for each in rig.mounts.projects()] == ["shared"]
    become(rig, remote(tmp_path, "alice"))
    put(rig, 1)
    assert [each.owner_id for each in rig.mounts.projects()] == ["shared"], "keys of a server are none of this host"
    become(rig, local(rig, "shared"))
    assert read(rig) == 1
    assert rig.mounts.projects() == []


def test_an_owner_whose_opening_fails_leaves_the_other_as_it_was(rig):
    put(rig, 1)
    become(rig, local(rig, "bob"))
    path = rig.project / ".strongroom" / "log" / "epicenter" / "local" / "owners" / "bob"
    path.symlink_to(rig.project)
    with pytest.raises(Exception, match="was not opened"):
        rig.open()
    become(rig, local(rig, "shared"))
    (opened,) = rig.mounts.reopen_known()
    assert (opened.state, opened.owner_id) == ("open", "shared")


def test_wiping_lists_what_it_takes_and_takes_nothing_of_others(tmp_path, rig):
    put(rig, "of shared")
    become(rig, remote(tmp_path, "bob"))
    put(rig, "of bob at the server")
    become(rig, local(rig, "bob"))
    rig.declare(VIEWS)
    put(rig, "of bob")
    rig.mounts.unmount("notes")
    before = logs(rig)
    looked = rig.mounts.wipe(rig.project, "", "bob", dry_run=True)
    assert logs(rig) == before
    assert sorted(looked.paths) == [
        ".strongroom/log/epicenter/local/owners/bob/notes.db",
        ".strongroom/log/epicenter/local/owners/bob/notes.db.lock",
        ".strongroom/md/notes",
        ".strongroom/sqlite/notes.db",
    ]
    assert looked.size_bytes > 0
    assert rig.mounts.wipe(rig.project, "local", "bob", dry_run=False) == looked
    assert not any((rig.project / path).exists() for path in looked.paths)
    assert [path for path in before if path not in logs(rig)] == [looked.paths[0]]
    assert [each.owner_id for each in rig.mounts.projects()] == ["shared"], "its keys can go"
    assert rig.mounts.wipe(rig.project, "local", "bob", dry_run=False).paths == ()
    assert len(rig.mounts.wipe(rig.project, SERVER, "bob", dry_run=False).paths) == 2
    become(rig, local(rig, "bob"))
    assert read(rig) is None
    become(rig, local(rig, "shared"))
    assert read(rig) == "of shared"


def test_a_project_that_is_mounted_here_or_elsewhere_is_refused(rig):
    put(rig, 1)
    with pytest.raises(WrongState, match="notes is open") as refused:
        rig.mounts.wipe(rig.project, "", "bob", dry_run=False)
    assert refused.value.code == "SR-MOUNT-037"
    rig.mounts.unmount("notes")
    lease = Lease(provision(rig.project))
    with pytest.raises(Unavailable) as refused:
        rig.mounts.wipe(rig.project, "", "shared", dry_run=False)
    assert refused.value.code == "SR-MOUNT-009"
    lease.release()
    assert len(logs(rig)) == 1
    rig.mounts.wipe(rig.project, "", "shared", dry_run=True)
    Lease(provision(rig.project)).release()


def test_signing_out_wipes_nothing(tmp_path):
    rig = MountRig(tmp_path, session=remote(tmp_path, "alice"))
    put(rig, 1)
    before = logs(rig)
    rig.mounts.sign_out()
    assert logs(rig) == before
    rig.mounts.close()


@pytest.mark.parametrize("owner", ["", "o" * 300])
def test_an_owner_that_names_no_file_is_refused(rig, owner):
    put(rig, 1)
    rig.mounts.unmount("notes")
    with pytest.raises(InvalidInput) as refused:
        rig.mounts.wipe(rig.project, "", owner, dry_run=False)
    assert refused.value.code == "SR-WS-075"


def test_a_directory_without_data_is_refused_and_none_is_made_there(rig, tmp_path):
    for path in (rig.project, tmp_path / "missing"):
        with pytest.raises(NotFound) as refused:
            rig.mounts.wipe(path, "", "shared", dry_run=False)
        assert refused.value.code == "SR-MOUNT-036"
    assert list(rig.project.iterdir()) == []
