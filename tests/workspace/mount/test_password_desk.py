"""Passwords of mounts where no daemon has to run: what fails on the way leaves nothing behind."""

import pytest

from strongroom.errors import Forbidden, InvalidInput, KeyMissing, Misconfigured, NotFound, StorageFault, WrongState
from strongroom.workspace import password
from strongroom.workspace.mount.password_desk import PasswordDesk
from strongroom.workspace.mount.project_file import parse_project
from tests.fakes.mount_rig import MountRig

SECRET, OTHER = "correct horse", "another one"


@pytest.fixture
def rig(tmp_path):
    made = MountRig(tmp_path)
    yield made
    made.mounts.close()


@pytest.fixture
def desk(rig):
    return PasswordDesk(rig.mounts, rig.passwords)


def first(desk, rig):
    return desk.mount(rig.project, "notes", SECRET, is_new=True, declare=True)


def test_no_password_is_set_unless_it_is_said_to_be_new(rig, desk):
    with pytest.raises(NotFound, match="no password here"):
        desk.mount(rig.project, "notes", SECRET, is_new=False, declare=True)
    assert not list(rig.project.rglob("*.password"))
    assert first(desk, rig)[1] is False, "the first attempt declared it"
    assert rig.mounts.get("notes").needed() == {}, "no key of the host is needed"


@pytest.mark.parametrize("mounts", [0, 1, 2])
def test_a_password_for_no_mount_in_particular_is_refused_however_many_there_are(rig, desk, mounts):
    rig.declare("".join(f'[[mounts]]\nname = "notes{n}"\nkeys = "password"\n' for n in range(mounts)))
    with pytest.raises(InvalidInput, match="no mount named") as caught:
        desk.mount(rig.project, "", SECRET, is_new=True, declare=True)
    assert (caught.value.code, caught.value.details["field"]) == ("SR-MOUNT-062", "name")
    assert not list(rig.project.rglob("*.password"))


def test_mounting_it_again_with_another_password_is_refused_and_sets_none(rig, desk):
    first(desk, rig)
    with pytest.raises(Forbidden):
        desk.mount(rig.project, "notes", OTHER, is_new=True, declare=True)
    desk.lock("notes")
    with pytest.raises(Forbidden):
        desk.unlock("notes", OTHER)
    with pytest.raises(WrongState, match="is locked"):
        rig.mounts.get("notes")
    assert desk.unlock("notes", SECRET).state == "open"


def test_a_project_that_cannot_be_opened_stays_locked(rig, desk):
    first(desk, rig)
    desk.lock("notes")
    rig.declare('[[mounts]]\nname = "notes"\nkeys = "password"\nprovider = "away"\nworkspace = "notes"\n')
    with pytest.raises(Exception, match="was not opened"):
        desk.unlock("notes", SECRET)
    with pytest.raises(WrongState):
        rig.passwords.keyring(rig.project, "notes")


@pytest.mark.parametrize("close", ["lock", "unmount", "end of the host"])
def test_what_waits_for_the_disk_gets_there_before_the_keys_go(rig, desk, close):
    first(desk, rig)
    rig.mounts.get("notes").workspace.store("kv").set("a", "not flushed")
    if close == "lock":
        desk.lock("notes")
    elif close == "unmount":
        rig.mounts.unmount("notes")
    else:
        rig.mounts.close()
    with pytest.raises(WrongState, match="is locked"):
        rig.passwords.keyring(rig.project, "notes")
    again = PasswordDesk(rig.restart(), rig.passwords)
    again.mount(rig.project, "notes", SECRET, is_new=False, declare=True)
    assert rig.mounts.get("notes").workspace.store("kv").get("a") == "not flushed"


def test_a_rotation_of_the_host_leaves_its_keys_alone(rig, desk):
    first(desk, rig)
    before = rig.mounts.get("notes").keys()
    rig.mounts.rekey()
    assert rig.mounts.get("notes").keys() is before


def test_a_change_that_fails_in_the_middle_is_finished_with_the_same_two_passwords(rig, desk, monkeypatch):
    first(desk, rig)
    opened = rig.mounts.get("notes")
    opened.workspace.store("kv").set("a", 1)
    opened.flush()

    def full():
        raise StorageFault("SR-TEST-001", "the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(type(opened.log), "compact", lambda _self: full())
        with pytest.raises(StorageFault):
            desk.change("notes", SECRET, OTHER)
    assert opened.workspace.store("kv").get("a") == 1
    assert desk.change("notes", SECRET, OTHER).unreadable == 0
    desk.lock("notes")
    with pytest.raises(Forbidden):
        desk.unlock("notes", SECRET)
    desk.unlock("notes", OTHER)
    assert rig.mounts.get("notes").workspace.store("kv").get("a") == 1


@pytest.mark.parametrize(
    ("text", "place"),
    [('keys = "yes"', "keys"), ("keys = 1", "keys"), ('keys = "password"\nprovider = "p"', "workspace")],
)
def test_keys_of_a_mount_are_of_the_session_or_a_password_and_nothing_else(tmp_path, text, place):
    with pytest.raises(Misconfigured) as refused:
        parse_project(f'[[mounts]]\nname = "notes"\n{text}\n', tmp_path / "strongroom.toml")
    assert place in str(refused.value)


def test_a_host_that_ends_before_the_old_password_is_forgotten_opens_with_the_new_one_and_finishes(
    rig, desk, monkeypatch
):
    first(desk, rig)
    opened = rig.mounts.get("notes")
    opened.workspace.store("kv").set("a", 1)
    opened.flush()
    saved = password.save_record

    def once(path, record):
        if len(record.checks) == 1:
            raise StorageFault("SR-TEST-002", "the host ended here")
        saved(path, record)

    with monkeypatch.context() as broken:
        broken.setattr(password, "save_record", once)
        with pytest.raises(StorageFault):
            desk.change("notes", SECRET, OTHER)
    again = PasswordDesk(rig.restart(), rig.passwords)
    rig.mounts.reopen_known()
    with pytest.raises(KeyMissing):
        again.unlock("notes", SECRET)
    again.unlock("notes", OTHER)
    assert rig.mounts.get("notes").workspace.store("kv").get("a") == 1
    again.change("notes", SECRET, OTHER)
    again.lock("notes")
    with pytest.raises(Forbidden):
        again.unlock("notes", SECRET)
