"""What keeps a backup from being made is said with its code, and leaves nothing behind."""

import sqlite3

import pytest

from strongroom.backup import making, room
from strongroom.backup.making import make
from strongroom.errors import LimitExceeded, StorageFault, Unavailable
from strongroom.storage.snapshot import Snapshot
from tests.backup.test_restore import mounted
from tests.fakes.backup_rig import BackupRig, restored


@pytest.fixture
def rig(tmp_path):
    made = BackupRig(tmp_path / "state", 1)
    yield made
    made.stop()


def fault(rig, kind, *, told=lambda *_: None):
    """The code of the error that making a backup ends with, and that nothing is left of it."""
    with pytest.raises(kind) as caught:
        b"".join(make(rig.sources, told).pieces())
    return caught.value


def left(rig):
    return list((rig.state_dir / "backups").iterdir())


def test_without_room_nothing_is_begun(rig, monkeypatch):
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _path: room.shutil._ntuple_diskusage(10, 10, 7))
    error = fault(rig, StorageFault)
    assert (error.code, error.details["limit"]) == ("SR-BACKUP-012", 7)
    assert "7 are free" in error.why
    assert left(rig) == []


def test_more_parts_than_a_backup_has_are_refused(rig, monkeypatch):
    monkeypatch.setattr(making, "PARTS_MAX", 1)
    assert fault(rig, LimitExceeded).code == "SR-BACKUP-025"
    assert left(rig) == []


def test_whoever_is_told_may_end_it(rig):
    def told(*_):
        raise Unavailable("SR-BACKUP-019", "given up")

    assert fault(rig, Unavailable, told=told).code == "SR-BACKUP-019"
    assert left(rig) == []


def test_a_file_that_belongs_into_it_and_is_gone_is_named(rig, tmp_path):
    mounted(rig, tmp_path / "notes")
    (tmp_path / "notes" / "strongroom.toml").unlink()
    error = fault(rig, StorageFault)
    assert error.code == "SR-BACKUP-015"
    assert "strongroom.toml" in error.what


def test_a_log_that_is_no_database_is_named(rig, tmp_path):
    mounted(rig, tmp_path / "notes").write_bytes(b"no database" * 100)
    assert fault(rig, StorageFault).code == "SR-STORE-060"


def test_an_audit_log_that_somebody_changes_meanwhile_is_noticed(rig):
    # On the disk when this returns, so the log has bytes that belong into the backup.
    rig.audit.audit.record("something.done", subject="it")
    made = make(rig.sources)
    path = rig.audit.log.writer.place.path
    data = path.read_bytes()
    path.write_bytes(b"x" + data[1:])
    with pytest.raises(StorageFault) as caught:
        list(made.pieces())
    made.close()
    path.write_bytes(data)
    assert caught.value.code == "SR-BACKUP-014"
    assert left(rig) == []


def test_a_copy_takes_the_place_of_nothing(rig, tmp_path):
    target = tmp_path / "there.db"
    target.write_text("mine")
    with Snapshot(rig.settings.database) as held, pytest.raises(StorageFault) as caught:
        held.write_to(target, lambda *_: None)
    assert caught.value.code == "SR-STORE-060"
    assert target.read_text() == "mine"


def test_files_of_plugins_come_along_and_what_is_no_database_does_not(rig, tmp_path):
    vault = rig.state_dir / "vault"
    vault.mkdir()
    with sqlite3.connect(vault / "vault.db") as database:
        database.execute("CREATE TABLE t (a)")
        database.execute("INSERT INTO t VALUES ('sealed')")
    database.close()
    (vault / "other.db").write_text("not one")
    (vault / "link.db").symlink_to("/etc/passwd")
    keys = rig.state_dir / "keys"
    keys.mkdir()
    (keys / "secret.db").write_text("a key")
    manifest = rig.back_up(tmp_path / "b.tar")
    assert [part.at for part in manifest.parts if part.name.startswith("file/")] == ["vault/vault.db"]
    restored(tmp_path / "b.tar", tmp_path / "new", 1)
    with sqlite3.connect(tmp_path / "new" / "vault" / "vault.db") as database:
        assert database.execute("SELECT a FROM t").fetchall() == [("sealed",)]
    database.close()
