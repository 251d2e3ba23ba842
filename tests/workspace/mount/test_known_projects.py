"""What is remembered of mounts: enough for the next start, and never fewer key versions than are on disk."""

import json
import stat
from pathlib import Path

import pytest

from strongroom.errors import LimitExceeded, Misconfigured, StorageFault
from strongroom.keyring.root import parse_secrets
from strongroom.workspace.mount.known import KNOWN_MAX, Known, KnownFile
from tests.fakes.mount_rig import MountRig, remote

KNOWN = Known(
    name="notes",
    project_dir=Path("/srv/pro\udcffject"),
    mounted=True,
    own=False,
    owner_id="alice",
    workspace_id="team-notes",
    provider="workspace",
    counts={0: 3, 2: 7},
    seen_at=1_780_000_000_000,
)


@pytest.fixture
def rig(tmp_path):
    made = MountRig(tmp_path)
    yield made
    made.mounts.close()


def noted(rig: MountRig) -> dict[str, dict[int, int]]:
    """As the next process would read it."""
    return {known.name: dict(known.counts) for known in KnownFile(rig.state_dir / "workspaces" / "known.json").load()}


def put(rig: MountRig, name: str = "notes", key: str = "key") -> None:
    opened = rig.mounts.get(name)
    opened.workspace.store("kv").set(key, "value")
    opened.flush()


def test_the_list_is_the_same_after_it_was_written(tmp_path):
    file = KnownFile(tmp_path / "workspaces" / "known.json")
    assert file.load() == []
    file.store([KNOWN])
    assert file.load() == [KNOWN]
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert [path.name for path in file.path.parent.iterdir()] == ["known.json"]


def test_a_list_that_others_can_read_is_refused(tmp_path):
    file = KnownFile(tmp_path / "known.json")
    file.store([KNOWN])
    file.path.chmod(0o644)
    with pytest.raises(Misconfigured, match="others can read it"):
        file.load()


GOOD = {"version": 1, "mounts": []}
MOUNT = {
    "name": "a",
    "project_dir": "/a",
    "mounted": True,
    "own": True,
    "owner_id": "",
    "workspace_id": "",
    "provider": "",
    "counts": {},
    "seen_at": 0,
}


@pytest.mark.parametrize(
    "members",
    [
        None,
        [],
        {},
        {**GOOD, "version": 2},
        {**GOOD, "mounts": {}, "extra": 1} | {"mounts": [7]},
        {**GOOD, "mounts": [{**MOUNT, "name": 7}]},
        {**GOOD, "mounts": [{**MOUNT, "mounted": 1}]},
        {**GOOD, "mounts": [{**MOUNT, "own": "yes"}]},
        {**GOOD, "mounts": [{**MOUNT, "counts": {"x": 1}}]},
        {**GOOD, "mounts": [{**MOUNT, "counts": {"256": 1}}]},
        {**GOOD, "mounts": [{**MOUNT, "counts": {"1": "many"}}]},
        {**GOOD, "mounts": [{**MOUNT, "seen_at": "today"}]},
        {**GOOD, "mounts": [{key: value for key, value in MOUNT.items() if key != "counts"}]},
        {**GOOD, "mounts": [MOUNT] * (KNOWN_MAX + 1)},
    ],
)
def test_a_damaged_list_is_not_taken_for_an_empty_one(tmp_path, members):
    file = KnownFile(tmp_path / "known.json")
    file.store([])
    file.path.write_text(json.dumps(members))
    with pytest.raises(StorageFault, match="is damaged") as caught:
        file.load()
    assert "before any key is retired" in caught.value.fix


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_list_that_is_no_json_is_damaged(tmp_path, content):
    file = KnownFile(tmp_path / "known.json")
    file.store([])
    file.path.write_bytes(content)
    with pytest.raises(StorageFault, match="is damaged"):
        file.load()


def test_a_host_remembers_a_number_of_projects(tmp_path):
    with pytest.raises(LimitExceeded, match=f"the limit is {KNOWN_MAX}"):
        KnownFile(tmp_path / "known.json").store([KNOWN] * (KNOWN_MAX + 1))


def test_an_unmounted_project_keeps_the_counts_of_its_key_versions(rig):
    rig.open()
    put(rig)
    rig.mounts.unmount("notes")
    (project,) = rig.mounts.projects()
    assert (project.name, project.kind, project.project_dir) == ("notes", "project", rig.project)
    assert project.counts.keys() == {1}
    assert project.seen_at > 0
    rig.restart()
    assert rig.mounts.projects() == [project]


def test_a_project_whose_keys_came_from_a_server_needs_none_of_this_host(tmp_path):
    rig = MountRig(tmp_path, session=remote(tmp_path))
    rig.open()
    put(rig)
    rig.mounts.unmount("notes")
    assert noted(rig)["notes"].keys() == {1}
    assert rig.mounts.projects() == []
    rig.mounts.close()


def test_an_open_mount_is_no_project_on_a_shelf(rig):
    rig.open()
    assert rig.mounts.projects() == []
    assert [opened.name for opened in rig.mounts.opened()] == ["notes"]


def test_a_project_that_could_not_be_opened_counts_with_what_it_needed(rig):
    rig.open()
    put(rig)
    rig.mounts.close()
    rig.project.rename(rig.project.with_name("elsewhere"))
    rig.restart()
    rig.mounts.reopen_known()
    (project,) = rig.mounts.projects()
    assert project.counts.keys() == {1}


def test_a_version_is_written_down_before_anything_is_sealed_under_it(rig):
    rig.open()
    put(rig)
    assert noted(rig)["notes"].keys() == {1}
    rig.root.become(parse_secrets("2:fresh,1:a-root-secret"))
    # Nobody has told the mounts yet; the next write to the log asks for keys by itself.
    put(rig)
    assert noted(rig)["notes"].keys() == {1, 2}
    assert 2 in rig.mounts.get("notes").log.rows_by_version()


def test_a_version_that_cannot_be_written_down_seals_nothing(rig, monkeypatch):
    rig.open()
    put(rig)
    rig.root.become(parse_secrets("2:fresh,1:a-root-secret"))

    def full(known):
        raise StorageFault("SR-MOUNT-026", "no space")

    monkeypatch.setattr(rig.mounts._register._file, "store", full)
    opened = rig.mounts._open.get("notes")
    opened.workspace.store("kv").set("key", "later")
    with pytest.raises(StorageFault, match="no space"):
        opened.flush()
    assert opened.log.rows_by_version().keys() == {1}
    monkeypatch.undo()
    opened.flush()


def test_rekeying_writes_the_new_version_down(rig):
    rig.open()
    rig.root.become(parse_secrets("3:fresh,1:a-root-secret"))
    rig.mounts.rekey()
    assert noted(rig)["notes"].keys() == {1, 3}


def test_after_a_rewrap_and_an_unmount_only_the_new_version_is_needed(rig):
    opened = rig.open()
    put(rig)
    rig.root.become(parse_secrets("2:fresh,1:a-root-secret"))
    rig.mounts.rekey()
    while opened.workspace.store("kv").upgrade(100):
        pass
    opened.log.compact()
    rig.mounts.unmount("notes")
    assert [project.counts.keys() for project in rig.mounts.projects()] == [{2}]


def test_a_project_is_forgotten_on_demand_and_one_that_is_mounted_stays_mounted(rig):
    rig.open()
    put(rig)
    rig.mounts.unmount("notes")
    assert rig.mounts.forget("notes")
    assert not rig.mounts.forget("notes")
    assert rig.mounts.projects() == []
    rig.open()
    assert not rig.mounts.forget("notes"), "it is open, and its keys are needed"
    assert [info.name for info in rig.mounts.all()] == ["notes"]


def test_projects_of_one_name_are_told_apart_by_their_place(rig, tmp_path):
    rig.open()
    rig.mounts.unmount("notes")
    other = tmp_path / "other"
    other.mkdir()
    rig.mounts.mount(other, "notes")
    rig.mounts.unmount("notes")
    names = [project.name for project in rig.mounts.projects()]
    assert sorted(names) == sorted([f"notes in {rig.project}", f"notes in {other}"])
    assert rig.mounts.forget(f"notes in {other}")
    assert [project.project_dir for project in rig.mounts.projects()] == [rig.project]


def test_one_workspace_under_another_name_of_its_mount_is_one_project(rig):
    rig.declare("[[mounts]]\nname = 'old'\nworkspace = 'team'\n")
    rig.open("old")
    rig.mounts.unmount("old")
    rig.declare("[[mounts]]\nname = 'new'\nworkspace = 'team'\n")
    rig.open("new")
    rig.mounts.unmount("new")
    assert [project.name for project in rig.mounts.projects()] == ["new"]
