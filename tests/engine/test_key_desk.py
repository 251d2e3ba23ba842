"""A version goes only when nothing needs it, wherever that is; and who refuses says what, where and how many."""

import pytest

from strongroom.engine.rotation_mounts import KnownCopy
from strongroom.errors import NotFound, WrongState
from strongroom.storage import runs
from tests.fakes.key_rig import KeyRig
from tests.fakes.rows import run_row
from tests.fakes.sealed_things import Mount


@pytest.fixture
def rig(database, tmp_path):
    """Version 2 writes, 1 is superseded, and nothing is stored."""
    return KeyRig(database, tmp_path, 1, 2)


def refused(rig, version=1, **more):
    with pytest.raises(WrongState, match=f"key version {version} is still needed") as caught:
        rig.desk.retire(version, **more)
    assert caught.value.code == "SR-KEY-024"
    assert {info.version: info.state for info in rig.life.versions()}[version] == "superseded"
    return caught.value


def test_a_mounted_workspace_is_named_and_sealed_again_with_its_log(rig):
    mount = Mount("notes", [1, 1, 2], [1, 1, 1], lambda: rig.root.writing_version)
    rig.workspaces.mounts.append(mount)
    error = refused(rig)
    assert error.why == "7 blobs of workspace notes"
    assert error.fix.split("; ") == [
        "seal them again: strongroom keys rewrap --wait",
        "what of a workspace cannot be opened: strongroom workspace discard N --dry-run",
    ]
    assert rig.desk.blobs_to_rewrap() == 7
    rig.desk.rotation.start("notes")
    assert list(rig.desk.rotation.follow(0.01, is_wanted=lambda: True))[-1].state == "done"
    assert (mount.arrays_of["kv"], mount.rows, mount.flushed) == ([2, 2, 2], [2], 1)
    assert rig.desk.retire(1)


def test_a_log_that_still_holds_old_rows_is_enough_to_be_needed(rig):
    mount = Mount("notes", [2], [1, 2], lambda: 2)
    rig.workspaces.mounts.append(mount)
    assert refused(rig).why == "1 blobs of workspace notes"
    rig.desk.rotation.start()
    assert list(rig.desk.rotation.follow(0.01, is_wanted=lambda: True))[-1].state == "done"
    assert rig.desk.retire(1)


def test_runs_block_by_name_until_they_are_gone(rig):
    rig.database.write(lambda c: runs.insert(c, run_row(1, key_version=1, status="completed"))).result()
    error = refused(rig)
    assert (error.why, error.fix) == ("1 blobs of table runs", "seal them again: strongroom keys rewrap --wait")
    rig.database.write(lambda c: runs.delete(c, run_row(1).run_id)).result()
    assert rig.desk.retire(1)


def test_a_project_on_a_shelf_and_an_export_are_named_and_forgotten_only_on_purpose(rig):
    rig.workspaces.known = [
        KnownCopy(name="/home/ann/diary", kind="project", counts={1: 5}),
        KnownCopy(name="/backups/notes.age", kind="backup", counts={1: 1, 2: 1}),
        KnownCopy(name="/home/ann/new", kind="project", counts={2: 5}),
    ]
    error = refused(rig)
    assert error.why == "5 blobs of project /home/ann/diary, 1 blobs of backup /backups/notes.age"
    assert "mount it and rewrap, or forget it" in error.fix
    assert refused(rig, forget=["/home/ann/diary"]).why == "1 blobs of backup /backups/notes.age"
    assert len(rig.workspaces.known) == 3, "nothing is forgotten by a refusal"
    assert rig.desk.retire(1, forget=["/home/ann/diary", "/backups/notes.age"])
    assert [copy.name for copy in rig.workspaces.known] == ["/home/ann/new"]


@pytest.mark.parametrize("name", ["notes", "nowhere"])
def test_only_what_is_out_of_reach_can_be_forgotten(rig, name):
    rig.workspaces.mounts.append(Mount("notes", [1], [], lambda: 2))
    with pytest.raises(NotFound, match=f"no project or export '{name}' is known") as caught:
        rig.desk.retire(1, forget=[name])
    assert caught.value.code == "SR-KEY-029"


def test_what_cannot_be_counted_is_taken_to_need_it(rig):
    mount = Mount("notes", [2], [2], lambda: 2)

    def broken():
        raise WrongState("SR-WS-001", "the workspace is locked")

    mount.needed = broken
    rig.workspaces.mounts.append(mount)
    assert refused(rig).why == "workspace notes cannot be counted (the workspace is locked)"
    assert [holding.problem for holding in rig.desk.holdings() if holding.kind == "workspace"] == [
        "the workspace is locked"
    ]


def test_a_long_list_is_cut(rig):
    rig.workspaces.known = [KnownCopy(name=f"/p/{n}", kind="project", counts={1: 1}) for n in range(30)]
    assert refused(rig).why.endswith("and 10 more")


def test_runs_that_go_on_block_until_they_end_and_are_counted_as_runs(rig):
    for number, status in enumerate(("pending", "running", "waiting")):
        row = run_row(number, key_version=1, status=status)
        rig.database.write(lambda c, row=row: runs.insert(c, row)).result()
    rig.database.write(lambda c: runs.insert(c, run_row(9, key_version=2, status="running"))).result()
    error = refused(rig)
    assert error.why == "3 blobs of unfinished runs"
    assert error.fix.startswith("3 runs keep an older version until they end")
    assert rig.desk.blobs_to_rewrap() == 0


def test_trying_changes_nothing(rig):
    assert rig.desk.retire(1, dry_run=True)
    assert rig.root.versions == (2, 1)
    rig.workspaces.mounts.append(Mount("notes", [1], [], lambda: 2))
    refused(rig, dry_run=True)


def test_the_status_names_everything(rig):
    rig.workspaces.mounts.append(Mount("notes", [1], [2], lambda: 2))
    status = rig.desk.status()
    assert (status.writing_version, status.is_promoted, status.rewrap.state) == (2, False, "idle")
    assert [(each.version, each.state, each.is_held) for each in status.versions] == [
        (2, "promoted", True),
        (1, "superseded", True),
    ]
    assert {each.name: dict(each.counts) for each in status.holdings} == {
        "table workflow_specs": {},
        "table plugin_values": {},
        "table runs": {},
        "table run_events": {},
        "table stream_chunks": {},
        "table hooks": {},
        "unfinished runs": {},
        "table audit_heads": {},
        "workspace notes": {1: 2, 2: 1},
    }
