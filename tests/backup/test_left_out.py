"""Which workspaces are not in a backup is said when it is made, verified and restored, and their keys stay needed."""

import dataclasses
import json
import re

import pytest

from strongroom.backup import manifest as manifests
from strongroom.backup.manifest import LeftOut, left_out_of, read_manifest, signed
from strongroom.backup.reading import given_left_out
from strongroom.backup.sources import left_out_among
from strongroom.cli.main import run
from strongroom.engine.backup_sources import known_sources
from strongroom.errors import LimitExceeded
from strongroom.storage.database import Database
from strongroom.workspace.mount.known import Known, KnownFile
from tests.backup.test_restore import mounted
from tests.fakes.backup_rig import BackupRig, restored
from tests.fakes.key_rig import roots
from tests.fakes.old_database import old_database, pre_migration


@pytest.fixture
def rig(tmp_path):
    made = BackupRig(tmp_path / "state", 1)
    yield made
    made.stop()


def remembered(directory, **changes):
    members = {"name": "notes", "project_dir": directory, "owner_id": "alice", "workspace_id": "notes"}
    return Known(**{**members, "provider": "workspace", "mounted": False, "counts": {1: 3}, "seen_at": 7, **changes})


def test_what_is_known_and_was_not_open_is_left_out(rig, tmp_path):
    mounted(rig, tmp_path / "one")
    here, there = tmp_path / "one", tmp_path / "two"
    known = [
        remembered(here, mounted=True),
        remembered(here, mounted=True, workspace_id=""),
        remembered(here),
        remembered(here, workspace_id="before"),
        remembered(here, owner_id="bob", mounted=True),
        remembered(there, mounted=True),
        remembered(there, name="other", own=False),
    ]
    left = left_out_among(known_sources(known), rig.sources_of_workspaces)
    assert [(each.name, each.project_dir, each.owner_id, each.workspace_id) for each in left] == [
        ("notes", str(here), "alice", "before"),
        ("notes", str(here), "bob", "notes"),
        ("notes", str(there), "alice", "notes"),
        ("other", str(there), "alice", "notes"),
    ]
    assert [each.is_to_be_open for each in left] == [False, True, True, False]


def test_it_is_said_by_every_command_and_keys_of_it_are_counted_where_it_is_restored(rig, tmp_path, capsys):
    mounted(rig, tmp_path / "one")
    shelf = tmp_path / "a shelf"
    rig.known = known_sources([remembered(shelf), remembered(shelf, name="locked", mounted=True)])
    rig.back_up(tmp_path / "b.tar")
    assert given_left_out(tmp_path / "b.tar") == tuple(rig.known)
    keyring = str(rig.state_dir / "keyring")
    code = run(["backup", "verify", str(tmp_path / "b.tar"), "--key-file", keyring, "--quiet"])
    said = capsys.readouterr().err
    assert (code, f"workspace notes of {shelf} is NOT in it" in said) == (0, True), said
    assert f"workspace locked of {shelf} is NOT in it" in said
    words = "--key-file", keyring, "--state-dir", str(tmp_path / "new"), "--yes", "--json"
    assert run(["backup", "restore", str(tmp_path / "b.tar"), *words]) == 0
    out, said = capsys.readouterr()
    assert json.loads(out)["not_included"] == [
        {"name": "notes", "directory": str(shelf)},
        {"name": "locked", "directory": str(shelf)},
    ]
    assert f"workspace mount '{shelf}' --name notes" in said
    found = KnownFile(tmp_path / "new" / "workspaces" / "known.json").load()
    assert [(each.name, each.mounted) for each in found] == [("notes", False), ("notes", False), ("locked", False)]
    assert found[1] == remembered(shelf)


def test_a_backup_with_no_workspace_at_all_remembers_those_that_were_left_out(rig, tmp_path):
    rig.known = known_sources([remembered(tmp_path / "shelf")])
    rig.back_up(tmp_path / "b.tar")
    restored(tmp_path / "b.tar", tmp_path / "new", 1)
    assert KnownFile(tmp_path / "new" / "workspaces" / "known.json").load() == [remembered(tmp_path / "shelf")]


def test_a_manifest_that_does_not_say_it_is_read_as_before(rig, tmp_path):
    manifest = rig.back_up(tmp_path / "b.tar")
    content = signed(manifest, rig.root)
    assert b'"left_out":[],' in content
    without = re.sub(rb'"left_out":\[\],', b"", content)
    assert left_out_of(without) == ()
    assert left_out_of(b"no manifest") == left_out_of(re.sub(rb'"left_out":\[\]', b'"left_out":7', content)) == ()
    assert read_manifest(signed(manifest, rig.root), roots(1)) == manifest


def test_a_manifest_that_could_not_be_read_again_is_not_made(rig, tmp_path, monkeypatch):
    manifest = rig.back_up(tmp_path / "b.tar")
    long = LeftOut(**{**dataclasses.asdict(known_sources([remembered(tmp_path)])[0]), "project_dir": "/" + 4_000 * "x"})
    size = len(signed(manifest, rig.root))
    monkeypatch.setattr(manifests, "MANIFEST_BYTES_MAX", size + 2_000)
    assert signed(manifest, rig.root)
    with pytest.raises(LimitExceeded) as caught:
        signed(dataclasses.replace(manifest, left_out=(long,)), rig.root)
    assert caught.value.code == "SR-BACKUP-031"


def test_the_backup_before_a_migration_names_every_workspace(tmp_path):
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    old_database(tmp_path, "0005", runs=1)[0].rename(state / "strongroom.db")
    KnownFile(state / "workspaces" / "known.json").store([remembered(tmp_path / "one", mounted=True)])
    made = []
    Database.open(
        state / "strongroom.db", before_migration=pre_migration(state, state / "strongroom.db", made.append)
    ).close()
    assert [each.name for each in given_left_out(made[0])] == ["notes"]
