"""Mounts across restarts: what is remembered, what fails alone, and what happens to a project that goes away."""

import shutil
import threading

import pytest

from strongroom.errors import LimitExceeded, NotFound, StorageFault, Unavailable
from strongroom.settings.workspaces import WorkspaceSettings
from strongroom.workspace.mount.lease import Lease
from strongroom.workspace.mount.project_state import provision
from tests.fakes.mount_rig import MountRig, Watching


@pytest.fixture
def rig(tmp_path):
    made = MountRig(tmp_path)
    yield made
    made.mounts.close()


def put(rig: MountRig, value: object, name: str = "notes") -> None:
    opened = rig.mounts.get(name)
    opened.workspace.store("kv").set("key", value)
    opened.flush()


def value(rig: MountRig, name: str = "notes") -> object:
    return rig.mounts.get(name).workspace.store("kv").get("key")


def states(rig: MountRig) -> dict[str, str]:
    return {info.name: info.state for info in rig.mounts.all()}


# Remembering


def test_what_was_mounted_is_open_again_after_a_restart_with_its_values(rig):
    rig.open()
    put(rig, "kept")
    rig.restart()
    assert rig.mounts.opened() == []
    assert [(info.name, info.state) for info in rig.mounts.reopen_known()] == [("notes", "open")]
    assert value(rig) == "kept"


def test_what_was_unmounted_stays_closed_after_a_restart(rig):
    rig.open()
    put(rig, "kept")
    rig.mounts.unmount("notes")
    rig.restart()
    assert rig.mounts.reopen_known() == []
    with pytest.raises(NotFound, match="no workspace notes is mounted"):
        rig.mounts.get("notes")
    with pytest.raises(NotFound):
        rig.mounts.unmount("notes")
    rig.open()
    assert value(rig) == "kept"


def test_one_broken_project_stops_neither_the_host_nor_its_neighbours(rig, tmp_path):
    rig.open()
    other = tmp_path / "other"
    other.mkdir()
    rig.mounts.mount(other, "plans")
    rig.mounts.close()
    rig.declare("[[mounts]\n")
    rig.restart()
    infos = {info.name: info for info in rig.mounts.reopen_known()}
    assert (infos["plans"].state, infos["notes"].state) == ("open", "failed")
    assert infos["notes"].code == "SR-MOUNT-002"
    assert "it is not TOML" in infos["notes"].problem
    assert infos["notes"].workspace_id == "notes"


def test_a_mount_that_failed_is_tried_again_on_demand_after_a_pause(rig):
    rig.open()
    put(rig, "kept")
    rig.restart()
    good = (rig.project / "strongroom.toml").read_text()
    rig.declare("# declares nothing any more\n")
    rig.mounts.reopen_known()
    with pytest.raises(NotFound, match="declares no mount notes"):
        rig.mounts.get("notes")
    rig.declare(good)
    with pytest.raises(NotFound):
        rig.mounts.get("notes")
    rig.now_s += 2.0
    assert value(rig) == "kept"
    assert states(rig) == {"notes": "open"}


def test_a_project_that_another_daemon_has_is_listed_with_that(rig):
    rig.open()
    rig.restart()
    lease = Lease(provision(rig.project))
    (info,) = rig.mounts.reopen_known()
    assert (info.state, info.code) == ("failed", "SR-MOUNT-009")
    lease.release()
    rig.now_s += 2.0
    assert rig.mounts.get("notes").name == "notes"


def test_reopening_while_something_is_open_changes_nothing_of_it(rig):
    opened = rig.open()
    rig.mounts.reopen_known()
    assert rig.mounts.get("notes") is opened


def test_a_host_that_ends_mounts_nothing_any_more(rig):
    rig.open()
    rig.mounts.close()
    assert rig.mounts.opened() == []
    with pytest.raises(Unavailable, match="this host is ending"):
        rig.mounts.mount(rig.project, "notes")
    rig.mounts.close()


def test_looking_waits_for_nobody_who_opens(rig):
    rig.open()
    begun, go = threading.Event(), threading.Event()
    watching = Watching(before=lambda context: (begun.set(), go.wait(20)))
    rig.providers.append(watching.provider())
    rig.declare("[[mounts]]\nname = 'notes'\n[[mounts]]\nname = 'slow'\nprovider = 'watching'\n")
    thread = threading.Thread(target=rig.mounts.mount, args=(rig.project, "slow"))
    thread.start()
    assert begun.wait(20)
    assert rig.mounts.get("notes").name == "notes"
    assert [opened.name for opened in rig.mounts.opened()] == ["notes"]
    go.set()
    thread.join(20)
    assert rig.mounts.get("slow").name == "slow"


# Room


def test_a_value_and_a_workspace_have_a_size(tmp_path):
    rig = MountRig(tmp_path, settings=WorkspaceSettings(entries_max=1, value_bytes_max=10))
    rig.open()
    rig.mounts.check_room("notes", value_bytes=10)
    with pytest.raises(LimitExceeded, match="11 bytes is too large") as caught:
        rig.mounts.check_room("notes", value_bytes=11)
    assert caught.value.details["setting"] == "workspaces.value_bytes_max"
    put(rig, 1)
    with pytest.raises(LimitExceeded, match="has 1 entries") as caught:
        rig.mounts.check_room("notes", value_bytes=1)
    assert caught.value.details["setting"] == "workspaces.entries_max"
    rig.mounts.check_room("notes", value_bytes=1, is_new=False)
    rig.mounts.close()


# A project that goes away


def test_a_project_that_is_deleted_while_mounted_takes_no_write_silently(rig):
    opened = rig.open()
    shutil.rmtree(rig.project)
    with pytest.raises(Unavailable, match="was moved, deleted or replaced") as caught:
        rig.mounts.get("notes")
    assert caught.value.code == "SR-MOUNT-016"
    with pytest.raises(Unavailable):
        opened.flush()
    rig.mounts.unmount("notes")
    rig.project.mkdir()
    rig.open()
    assert value(rig) is None


def test_a_project_that_is_moved_while_mounted_keeps_its_data_and_is_mounted_where_it_is(rig, tmp_path):
    rig.open()
    put(rig, "before")
    moved = tmp_path / "moved"
    rig.project.rename(moved)
    with pytest.raises(Unavailable):
        rig.mounts.get("notes")
    rig.mounts.unmount("notes")
    rig.mounts.mount(moved, "notes")
    assert value(rig) == "before"


def test_views_are_kept_where_the_project_wants_them_and_go_when_it_does_not(rig):
    rig.declare("[[mounts]]\nname = 'notes'\nmaterialize = ['sqlite']\n")
    opened = rig.open()
    put(rig, "shown")
    opened.built.views.flush()
    view = rig.project / ".strongroom" / "sqlite" / "notes.db"
    assert view.exists()
    assert opened.status().views == ("sqlite",)
    rig.mounts.unmount("notes")
    rig.declare("[[mounts]]\nname = 'notes'\n")
    rig.open()
    assert not view.exists()


def test_a_write_that_cannot_reach_the_disk_is_said_at_the_end_and_everything_is_closed(rig, monkeypatch):
    opened = rig.open()
    opened.workspace.store("kv").set("key", "lost")

    def full(*_: object, **__: object) -> None:
        raise StorageFault("SR-STORE-001", "no space")

    monkeypatch.setattr(opened.log, "_write", full)
    with pytest.raises(StorageFault, match="never written"):
        rig.mounts.unmount("notes")
    monkeypatch.undo()
    assert states(rig) == {}
    rig.open()
