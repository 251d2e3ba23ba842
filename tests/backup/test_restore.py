"""A restore puts everything into an empty place, or nothing, whoever is in the way and wherever it is killed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom.backup.sources import WorkspaceSource
from strongroom.backup.staging import finish_restore
from strongroom.errors import Conflict, KeyMissing, StorageFault, Unavailable
from strongroom.keyring.owner_keyring import derive_keyring
from strongroom.keyring.workspace_keys import derive_workspace_keys
from strongroom.storage.state_lock import StateLock
from strongroom.workspace.mount.known import KnownFile
from tests.fakes.backup_rig import BackupRig, restored, started
from tests.fakes.key_rig import roots
from tests.fakes.sealed_logs import filled
from tests.faults.scale import much

ROOT = Path(__file__).resolve().parents[2]
EVERY = {False: much(3, 1), True: much(6, 1)}
"""Every third step on the disk of a restore into a file, every sixth of one into a server."""
EMPTY = {"strongroom.lock", "strongroom.db.lock"}


@pytest.fixture
def rig(tmp_path):
    made = BackupRig(tmp_path / "state", 1)
    made.every_kind()
    yield made
    made.stop()


@pytest.fixture
def backup(rig, tmp_path):
    path = tmp_path / "b.tar"
    rig.back_up(path)
    return path


@pytest.mark.parametrize("name", ["strongroom.db", "audit.jsonl", "workspaces", "vault", "anything"])
def test_nothing_that_is_there_is_ever_replaced(backup, tmp_path, name):
    new = tmp_path / "new"
    new.mkdir(mode=0o700)
    (new / name).write_text("here before")
    with pytest.raises(Conflict, match=name) as caught:
        restored(backup, new, 1)
    assert caught.value.code == "SR-BACKUP-017"
    assert (new / name).read_text() == "here before"
    assert {each.name for each in new.iterdir()} <= {name, *EMPTY}


def test_an_old_state_is_not_restored_over_a_newer_one(rig, backup):
    rig.plain(77)
    with pytest.raises(Conflict) as caught:
        restored(backup, rig.state_dir, 1)
    assert caught.value.code == "SR-BACKUP-017"
    assert len(rig.history.page(workflow_id="", owners=None, statuses=(), before=None, limit=50)) == 5


def test_a_database_on_a_server_that_is_not_empty_is_refused(backup, tmp_path, postgres, request):
    with pytest.raises(Conflict) as caught:
        restored(backup, tmp_path / "new", 1, url=postgres.create_database(template="strongroom"))
    assert caught.value.code == "SR-BACKUP-024"


def test_an_audit_log_or_a_directory_of_projects_elsewhere_is_not_replaced_either(backup, tmp_path):
    log, projects = tmp_path / "logs" / "audit.jsonl", tmp_path / "projects"
    log.parent.mkdir()
    log.write_text("{}\n")
    with pytest.raises(Conflict):
        restored(backup, tmp_path / "new", 1, audit_file=log)
    projects.mkdir()
    (projects / "mine").mkdir()
    with pytest.raises(Conflict):
        restored(backup, tmp_path / "new", 1, workspaces_dir=projects)


def test_it_waits_for_no_host_that_runs(backup, tmp_path):
    new = tmp_path / "new"
    new.mkdir(mode=0o700)
    lock = StateLock(new)
    with pytest.raises(Unavailable) as caught:
        restored(backup, new, 1)
    assert caught.value.code == "SR-APP-001"
    lock.release()


def test_another_keyring_restores_nothing(backup, tmp_path):
    with pytest.raises(KeyMissing, match=roots(1).key_id(1)) as caught:
        restored(backup, tmp_path / "new", 2)
    assert caught.value.code == "SR-BACKUP-011"
    assert {each.name for each in (tmp_path / "new").iterdir()} <= EMPTY


def test_a_keyring_with_more_versions_restores_it(backup, tmp_path):
    restored(backup, tmp_path / "new", 1, 2)
    again = started(tmp_path / "new", 1, 2)
    assert again.life.writing_version == 2
    again.stop()


def test_the_audit_log_goes_where_it_is_to_be(rig, tmp_path):
    # A file of the log that grows no more, too.
    rig.to_version(1, 2)
    rig.audit.audit.record("something.done", subject="it")
    rig.back_up(tmp_path / "b.tar")
    restored(tmp_path / "b.tar", tmp_path / "new", 1, 2, audit_file=tmp_path / "logs" / "who.jsonl")
    assert {each.name for each in (tmp_path / "logs").iterdir()} == {"who.jsonl", "who-000001.jsonl"}


def mounted(rig, directory):
    """A project with a sealed log, as a host has it mounted."""
    log = directory / ".strongroom" / "log" / "epicenter" / "local" / "owners" / "alice" / "notes.db"
    log.parent.mkdir(parents=True)
    keys = derive_workspace_keys(derive_keyring(rig.root, "alice"), "notes")
    filled(log, "one", "two", keys=keys)
    (directory / "strongroom.toml").write_text('[[mounts]]\nname = "notes"\n')
    rig.sources_of_workspaces.append(
        WorkspaceSource(
            name="notes",
            project_dir=directory,
            owner_id="alice",
            workspace_id="notes",
            provider="workspace",
            own=True,
            has_password=False,
            counts={1: 2},
            log=log,
            password_file=None,
            project_file=directory / "strongroom.toml",
        )
    )
    return log


def test_projects_are_put_into_a_directory_of_their_own_and_remembered(rig, tmp_path):
    first, second = mounted(rig, tmp_path / "one" / "notes"), mounted(rig, tmp_path / "two" / "notes")
    rig.back_up(tmp_path / "b.tar")
    done = restored(tmp_path / "b.tar", tmp_path / "new", 1, workspaces_dir=tmp_path / "projects")
    places = [place for _, place in done.places]
    assert places == [tmp_path / "projects" / "notes", tmp_path / "projects" / "notes-2"]
    for place, log, project in zip(places, (first, second), ("one", "two"), strict=True):
        again = place / log.relative_to(tmp_path / project / "notes")
        assert again.stat().st_mode & 0o777 == 0o600
        assert (place / "strongroom.toml").read_text() == '[[mounts]]\nname = "notes"\n'
        assert (place / ".strongroom").stat().st_mode & 0o777 == 0o700
    known = KnownFile(tmp_path / "new" / "workspaces" / "known.json").load()
    assert [(each.name, each.project_dir, each.mounted, dict(each.counts)) for each in known] == [
        ("notes", place, False, {1: 2}) for place in places
    ]


def test_a_project_that_is_called_as_another_with_its_number_keeps_a_directory_of_its_own(rig, tmp_path):
    for project in ("one/notes", "two/notes-3", "three/notes"):
        mounted(rig, tmp_path / project)
        (tmp_path / project / "strongroom.toml").write_text(f"# {project}")
    rig.back_up(tmp_path / "b.tar")
    done = restored(tmp_path / "b.tar", tmp_path / "new", 1, workspaces_dir=tmp_path / "projects")
    found = [(place / "strongroom.toml").read_text() for _, place in done.places]
    assert found == ["# one/notes", "# two/notes-3", "# three/notes"], "nothing of one took the place of another"


def test_a_restore_without_a_plan_keeps_a_host_from_beginning_with_nothing(tmp_path):
    (tmp_path / ".restoring" / "parts").mkdir(parents=True)
    with pytest.raises(StorageFault) as caught:
        finish_restore(tmp_path)
    assert caught.value.code == "SR-BACKUP-016"
    assert "run strongroom backup restore again" in caught.value.fix


def test_a_plan_that_cannot_be_carried_out_is_said_and_kept(tmp_path):
    (tmp_path / ".restoring").mkdir()
    (tmp_path / ".restoring" / "plan.json").write_text("no plan")
    with pytest.raises(StorageFault) as caught:
        finish_restore(tmp_path)
    assert caught.value.code == "SR-BACKUP-022"
    assert (tmp_path / ".restoring" / "plan.json").exists()


@pytest.mark.parametrize("server", [False, True], ids=["sqlite", "postgresql"])
def test_a_restore_that_is_killed_leaves_nothing_or_all(rig, tmp_path, request, server):
    mounted(rig, tmp_path / "notes")
    rig.back_up(tmp_path / "b.tar")
    words = [str(tmp_path / "b.tar"), str(tmp_path), str(EVERY[server])]
    if server:
        words.append(request.getfixturevalue("postgres").create_database())
    ended = subprocess.run(
        [sys.executable, "-m", "tests.backup.restore_child", *words],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert {line["found"] for line in lines[:-1]} == {"SR-BACKUP-016", "whole"}, "both moments are met"
    assert [line for line in lines if line["again"]] == []
    assert {line["runs"] for line in lines} == {4}
    assert {tuple(line["left"]) for line in lines if ".restoring" in line["left"]} == set()
