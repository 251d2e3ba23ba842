"""A database is backed up before it is migrated, or stays as it is; a migration that is killed loses nothing."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from strongroom.backup import room
from strongroom.backup.reading import opened_backup
from strongroom.engine.backup_check import checked_backup
from strongroom.engine.migrated import MIGRATED, tell_migrated
from strongroom.errors import KeyMissing, StorageFault
from strongroom.storage import meta
from strongroom.storage.database import Database
from strongroom.storage.facts import facts_at
from strongroom.storage.filling import fill_postgres
from strongroom.storage.schema_version import SCHEMA_VERSION
from tests.fakes.backup_rig import restored, started
from tests.fakes.key_rig import roots
from tests.fakes.old_database import old_database, pre_migration
from tests.faults.figures import record
from tests.faults.scale import NIGHTLY, much

ROOT = Path(__file__).resolve().parents[2]
REPEATS = much(1, 3)
REVISIONS = ("0001", "0005") if NIGHTLY else ("0005",)


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    return old_database(tmp_path_factory.mktemp("old"), "0005")


@pytest.fixture
def state(tmp_path, old):
    made = tmp_path / "state"
    made.mkdir(mode=0o700)
    shutil.copy(old[0], made / "strongroom.db")
    return made


def backups(state):
    return sorted((state / "backups").glob("*.tar"))


def opened(state):
    place = state / "strongroom.db"
    Database.open(place, before_migration=pre_migration(state, place)).close()


def test_what_it_was_can_be_had_back(state, old, tmp_path):
    opened(state)
    (path,) = backups(state)
    assert path.name.startswith(f"pre-migration-0005-to-{SCHEMA_VERSION}-2")
    assert path.stat().st_mode & 0o777 == 0o600
    done = restored(path, tmp_path / "new", 1)
    assert done.manifest.schema == "0005"
    assert done.unfinished == 1
    assert facts_at(tmp_path / "new" / "strongroom.db").schema == "0005", "for the release that made it"
    again = started(tmp_path / "new", 1)
    assert all(again.content(run_id) for run_id in old[1])
    again.stop()


def test_one_of_this_release_is_opened_without_a_backup(state):
    opened(state)
    opened(state)
    assert len(backups(state)) == 1


def test_the_newest_three_are_kept(state, old):
    (state / "backups").mkdir()
    mine = state / "backups" / "mine.tar"
    mine.write_text("not of the host")
    names = [f"pre-migration-0004-to-0005-2026010{day}T000000000Z.tar" for day in range(1, 5)]
    for name in names:
        (state / "backups" / name).write_text("an older one")
    opened(state)
    assert [path.name for path in backups(state)][:3] == ["mine.tar", *names[2:]]
    assert len(backups(state)) == 4


def test_a_new_database_needs_none(tmp_path):
    opened(tmp_path)
    assert not (tmp_path / "backups").exists()


def test_it_is_not_migrated_with_another_keyring(state):
    before = (state / "strongroom.db").read_bytes()
    with pytest.raises(KeyMissing, match="does not fit the database"):
        Database.open(
            state / "strongroom.db", before_migration=pre_migration(state, state / "strongroom.db", lambda _: None, 2)
        )
    assert (state / "strongroom.db").read_bytes()[100:] == before[100:]
    assert not (state / "backups").exists()


def test_it_is_not_migrated_where_there_is_no_room_for_the_backup(state, monkeypatch):
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(StorageFault) as caught:
        opened(state)
    assert caught.value.code == "SR-BACKUP-012"
    assert caught.value.details["limit"] == 1000
    assert caught.value.details["size"] > (state / "strongroom.db").stat().st_size
    assert f"{caught.value.details['size']} bytes" in caught.value.why
    assert facts_at(state / "strongroom.db").schema == "0005"
    assert backups(state) == []


@pytest.mark.timeout(0)
@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("server", [False, True], ids=["sqlite", "postgresql"])
def test_a_migration_that_is_killed_at_any_statement_goes_on_where_it_was(tmp_path, request, server, revision):
    template, run_ids = old_database(tmp_path, revision)
    words = [str(template), "1"]
    if server:
        words.append(request.getfixturevalue("postgres").create_database())
    lines = []
    for repeat in range(REPEATS):
        state = tmp_path / f"state-{repeat}"
        state.mkdir(mode=0o700)
        ended = subprocess.run(
            [sys.executable, "-m", "tests.backup.migrate_child", str(state), *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr[-3000:]
        lines += [json.loads(line) for line in ended.stdout.splitlines()]
    kills = [line for line in lines if line["killed"]]
    whole = [line for line in lines if line["runs"] == run_ids and line["backup"] == len(run_ids)]
    what = f"migration from {revision} killed at {len(kills)} statements, {'postgresql' if server else 'sqlite'}"
    measured = f"{len(whole)} of {len(lines)} whole, each with its backup"
    record("O3", what, demanded="resumable, 0 lost, backup made", measured=measured, met=len(whole) == len(lines))
    assert len(kills) > 8
    assert whole == lines
    assert {line["schema"] for line in kills} <= {revision, SCHEMA_VERSION}, "all of it or nothing"


def test_the_backup_of_before_a_migration_holds_the_audit_log(state, tmp_path):
    (state / "audit.jsonl").write_bytes(b"")
    (state / "audit-000001.jsonl").write_bytes(b"")
    opened(state)
    (path,) = backups(state)
    (tmp_path / "parts").mkdir()
    with checked_backup(path, roots(1), tmp_path / "parts") as checked:
        assert [part.at for part in checked.manifest.parts][1:] == ["audit-000001.jsonl", "audit.jsonl"]


@pytest.mark.parametrize("server", [False, True], ids=["sqlite", "postgresql"])
def test_the_first_start_behind_it_has_it_on_record_once(tmp_path, state, old, request, server):
    place = request.getfixturevalue("postgres").create_database() if server else state / "strongroom.db"
    if server:
        fill_postgres(place, old[0], lambda _done, _total: None)
    Database.open(place, before_migration=pre_migration(state, place)).close()
    (path,) = backups(state)
    for _ in range(2):
        host = started(state, 1, url=place if server else "")
        records = [json.loads(line)["record"] for line in (state / "audit.jsonl").read_text().splitlines()]
        host.stop()
    (record,) = [each for each in records if each["action"] == "backup.migration"]
    assert (record["subject"], record["caller"], record["outcome"]) == (str(path), "host", "done")
    with opened_backup(path, roots(1)) as backup:
        manifest = backup.manifest
    assert record["facts"] == {
        "backup_id": manifest.backup_id,
        "begun_ms": manifest.begun_ms,
        "from_schema": "0005",
        "to_schema": SCHEMA_VERSION,
        "key_ids": roots(1).key_id(1),
    }


def test_what_is_noted_and_damaged_keeps_no_host_from_starting(state):
    opened(state)
    database = Database.open(state / "strongroom.db")
    note = json.loads(database.read(lambda c: meta.get(c, MIGRATED)))[0]
    told = []
    audit = SimpleNamespace(record=lambda *_, **facts: told.append(facts["subject"]))
    for damaged in (
        "{",
        "[7]",
        '{"a": 1}',
        "[{}]",
        json.dumps([{**note, "begun_ms": "x"}]),
        json.dumps([{**note, "action": "x"}]),
    ):
        database.write(lambda c, text=damaged: meta.set(c, MIGRATED, text)).result()
        tell_migrated(database, audit)
    assert told == []
    several = json.dumps([{**note, "path": str(number)} for number in range(2)])
    database.write(lambda c: meta.set(c, MIGRATED, several)).result()
    tell_migrated(database, audit)
    tell_migrated(database, audit)
    assert told == ["0", "1"]
    database.close()
