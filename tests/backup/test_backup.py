"""A backup that is taken under load holds every run that was accepted before it, and brings it back."""

import json

import pytest
from sqlalchemy import text

from strongroom.engine.backup_check import checked_backup
from strongroom.engine.backup_desk import LAST_BACKUP_MS
from strongroom.engine.database_check import check_database
from strongroom.engine.restored import RESTORED
from strongroom.storage import meta
from strongroom.storage.integrity import damage_of
from tests.fakes.backup_rig import BackupRig, restored, started
from tests.faults.figures import record
from tests.faults.scale import much

BACKUPS = much(5, 100)
RUNS_BETWEEN = 20
LOOKED_AT = 8
"""Runs whose every byte is compared, of those that were accepted last before a backup."""


@pytest.fixture
def server_url(backend, request):
    return request.getfixturevalue("url") if backend == "postgresql" else ""


@pytest.fixture
def rig(tmp_path, server_url):
    made = BackupRig(tmp_path / "state", 1, 2, url=server_url)
    yield made
    made.stop()


def actions(rig):
    lines = rig.audit.log.writer.place.path.read_text().splitlines()
    return [json.loads(line)["record"]["action"] for line in lines]


def breaks(rig):
    return [str(each) for each in rig.audit.verify(lambda _: None).breaks]


@pytest.mark.timeout(0)
def test_backups_under_load_restore_with_every_run_that_was_accepted_before(rig, backend, tmp_path):
    kinds = [header.run_id for header in rig.every_kind()]
    lost = whole = 0
    with rig.load() as load:
        for number in range(BACKUPS):
            load.wait_for(RUNS_BETWEEN * (number + 1))
            before = [*kinds, *load.accepted]
            path, state = tmp_path / f"{number}.tar", tmp_path / f"restored-{number}"
            rig.back_up(path)
            # What is written while one looks at what came back only makes the next look longer.
            load.rest()
            restored(path, state, 1, 2)
            is_sound = damage_of(state / "strongroom.db") == []
            again = started(state, 1, 2)
            lost += sum(again.journals.get(run_id) is None for run_id in before)
            looked_at = [*kinds, *before[-LOOKED_AT:]]
            is_same = all(again.content(run_id) == rig.content(run_id) for run_id in looked_at)
            whole += is_sound and is_same and breaks(again) == []
            again.stop()
            path.unlink()
    what = f"{BACKUPS} backups under write load, {backend}"
    measured = f"{whole} of {BACKUPS} restored, {lost} runs lost"
    met = (lost, whole) == (0, BACKUPS)
    record("O4", what, demanded="all restored whole, 0 lost", measured=measured, met=met)
    assert met, measured


def test_a_backup_says_what_it_needs_and_opens_under_each_key_version(rig, tmp_path):
    rig.every_kind()
    rig.store.put("name", b"value")
    rig.add_workflow()
    rig.to_version(1, 2, 3)
    rig.plain(10)
    manifest = rig.back_up(tmp_path / "b.tar")
    assert [key.key_id for key in manifest.keys] == [rig.root.key_id(version) for version in (1, 2, 3)]
    (tmp_path / "parts").mkdir()
    with checked_backup(tmp_path / "b.tar", rig.root, tmp_path / "parts") as checked:
        assert checked.probed.problems == []
        opened = {kind: set(found) for kind, found in checked.probed.opened.items()}
        assert opened.pop("audit_heads") <= {2, 3}, "it follows the log a few times a second"
        assert opened == {
            "workflow_specs": {2},
            "runs": {2, 3},
            "run_events": {2, 3},
            "stream_chunks": {2},
            "hooks": {2},
            "plugin_values": {2},
        }
        assert not checked.audit.breaks


def test_the_restore_is_the_first_thing_on_record_and_the_log_goes_on(rig, tmp_path):
    rig.audit.audit.record("something.done", subject="it")
    manifest = rig.back_up(tmp_path / "b.tar")
    restored(tmp_path / "b.tar", tmp_path / "new", 1, 2)
    again = started(tmp_path / "new", 1, 2)
    assert breaks(again) == []
    again.audit.log.close()
    written = actions(again)
    assert [each for each in written if each != "audit.ahead"] == [
        "audit.file",
        "host.start",
        "something.done",
        "backup.restore",
        "host.start",
    ]
    again.database.close()
    once_more = started(tmp_path / "new", 1, 2)
    (number,) = once_more.audit.verify(lambda _: None).restores
    assert written[number - 1] == "backup.restore", "and who verifies is told where"
    assert actions(once_more).count("backup.restore") == 1, "it is told once"
    assert breaks(once_more) == []
    assert once_more.database.read(lambda c: meta.get(c, RESTORED)) == ""
    assert once_more.life.deployment_id == manifest.deployment_id == rig.life.deployment_id
    once_more.stop()


def test_the_time_of_the_last_backup_that_was_kept_is_known(rig, tmp_path):
    assert rig.database.read(lambda c: meta.get(c, LAST_BACKUP_MS)) is None
    manifest = rig.back_up(tmp_path / "b.tar")
    assert rig.database.read(lambda c: meta.get(c, LAST_BACKUP_MS)) == str(manifest.begun_ms)


def test_nothing_is_left_of_the_making_of_a_backup(rig, tmp_path):
    left = rig.state_dir / "backups" / ".making-0123"
    left.mkdir(parents=True)
    (left / "state.db").write_bytes(b"of one that was killed")
    rig.back_up(tmp_path / "b.tar")
    assert list((rig.state_dir / "backups").iterdir()) == []


def test_a_backup_of_either_database_is_restored_into_either(rig, tmp_path, postgres):
    kinds = [header.run_id for header in rig.every_kind()]
    rig.store.put("name", b"value")
    rig.back_up(tmp_path / "b.tar")
    url = postgres.create_database()
    restored(tmp_path / "b.tar", tmp_path / "on-server", 1, 2, url=url)
    restored(tmp_path / "b.tar", tmp_path / "in-file", 1, 2)
    for state, where in ((tmp_path / "on-server", url), (tmp_path / "in-file", "")):
        again = started(state, 1, 2, url=where)
        assert [again.content(run_id) for run_id in kinds] == [rig.content(run_id) for run_id in kinds]
        assert again.store.get("name") == b"value"
        assert breaks(again) == []
        again.stop()


def test_a_database_is_checked_beside_its_host(rig, backend):
    rig.every_kind()
    with rig.load():
        found = check_database(rig.settings.database, rig.root)
    assert (found.backend, found.is_well, found.is_current) == (backend, True, True)
    assert set(found.opened) >= {"runs", "run_events", "stream_chunks", "hooks"}
    assert found.facts.rows["runs"] >= 4


def test_a_record_that_was_changed_is_found_by_a_check(rig):
    rig.plain(1)
    rig.database.write(lambda c: c.execute(text("UPDATE runs SET status = 'failed'"))).result()
    found = check_database(rig.settings.database, rig.root)
    assert not found.is_well
    assert "SR-SEAL-001" in found.problems[0]
