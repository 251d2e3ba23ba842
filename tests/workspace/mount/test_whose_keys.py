"""Which keys a mount writes with, which of them are counted, and when they are gone."""

import pytest

from strongroom.errors import PluginFault, Unavailable
from strongroom.keyring.root import parse_secrets
from strongroom.plugin.mounts import MountProvider
from strongroom.workspace.mount.password_desk import PasswordDesk
from strongroom.workspace.session.cell import Grant
from tests.fakes.mount_rig import MountRig, remote

SECRET = "correct horse"


@pytest.fixture
def start(tmp_path):
    made = []

    def call(**options):
        made.append(MountRig(tmp_path, **options))
        return made[-1]

    yield call
    for rig in made:
        rig.mounts.close()


def promote_2(rig):
    rig.root.become(parse_secrets("2:another-secret,1:a-root-secret").changed(promoted=2))
    rig.session.rotated()


def with_password(rig):
    desk = PasswordDesk(rig.mounts, rig.passwords)
    desk.mount(rig.project, "notes", SECRET, is_new=True, declare=True)
    return desk


def test_a_promotion_of_the_host_leaves_a_workspace_with_a_password_its_own_key(start):
    rig = start()
    desk = with_password(rig)
    store = rig.mounts.get("notes").workspace.store("kv")
    store.set("before", 1)
    promote_2(rig)
    store.set("after", 2)
    assert (dict(store.versions()), store.get("before")) == ({1: 2}, 1)
    desk.lock("notes")
    desk.unlock("notes", SECRET)
    store = rig.mounts.get("notes").workspace.store("kv")
    assert (store.get("before"), store.get("after")) == (1, 2)


def test_signing_out_locks_what_has_a_password_also_for_who_signs_in_next(start, tmp_path):
    rig = start(session=remote(tmp_path))
    with_password(rig)
    rig.mounts.sign_out()
    rig.session.sign_in(Grant(access_token="alice"))
    assert [each.state for each in rig.mounts.all()] == ["locked"]


def test_a_version_that_was_written_by_an_opening_that_failed_counts(start):
    rig = start()
    rig.open()
    rig.mounts.unmount("notes")
    promote_2(rig)

    def breaks(context):
        built = context.open_workspace(None)
        built.workspace.store("kv").set("key", 1)
        built.flush()
        raise RuntimeError("the provider breaks")

    rig.providers.append(MountProvider(name="breaking", description="breaks when it has written", open=breaks))
    rig.declare('[[mounts]]\nname = "notes"\nprovider = "breaking"\n')
    with pytest.raises(PluginFault):
        rig.mounts.mount(rig.project, "notes")
    (project,) = rig.mounts.projects()
    assert set(project.counts) == {1, 2}


def test_a_mount_that_was_closed_gives_no_keys(start):
    opened = start().open()
    opened.dispose()
    with pytest.raises(Unavailable, match="auth signed-out"):
        opened.keys()


def test_a_mount_that_becomes_another_workspace_leaves_the_one_before_counted(start):
    rig = start()
    rig.declare('[[mounts]]\nname = "notes"\nworkspace = "first"\n')
    rig.open().workspace.store("kv").set("key", 1)
    rig.mounts.unmount("notes")
    promote_2(rig)
    rig.declare('[[mounts]]\nname = "notes"\nworkspace = "second"\n')
    rig.open()
    (project,) = rig.mounts.projects()
    assert (project.name, 1 in project.counts) == ("notes", True)
    rig.restart()
    rig.mounts.reopen_known()
    assert [each.workspace_id for each in rig.mounts.projects()] == ["first"]
    assert rig.mounts.forget("notes")
    assert rig.mounts.projects() == []
    assert [each.name for each in rig.mounts.opened()] == ["notes"]
