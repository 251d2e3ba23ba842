"""Where a restore is put together: whoever owns the directory around it cannot have root work for them."""

import pytest

from strongroom.backup.staging import Staging, finish_restore
from strongroom.engine.backup_restore import Target, restore
from strongroom.errors import StorageFault
from strongroom.storage.host_lock import lock_database
from strongroom.storage.state_lock import StateLock
from tests.fakes.key_rig import roots


@pytest.fixture
def state_dir(tmp_path):
    """One of this user."""
    below = tmp_path / "state"
    below.mkdir(mode=0o700)
    return below


def restored(state_dir):
    target = Target(
        state_dir=state_dir,
        database=state_dir / "strongroom.db",
        audit_file=state_dir / "audit.jsonl",
        workspaces_dir=state_dir / "projects",
    )
    (state_dir.parent / "b.tar").touch()
    restore(state_dir.parent / "b.tar", roots(1), target)


def test_a_link_in_the_place_of_a_restore_is_refused_and_what_it_leads_to_stays(state_dir):
    other = state_dir.parent / "other"
    other.mkdir()
    (other / "precious").write_text("kept")
    (state_dir / ".restoring").symlink_to(other)
    for act in (restored, lambda place: Staging(place).begin(), finish_restore):
        with pytest.raises(StorageFault) as caught:
            act(state_dir)
        assert caught.value.code == "SR-BACKUP-026"
    assert (other / "precious").read_text() == "kept"


@pytest.mark.parametrize("there", [True, False])
def test_a_link_in_the_place_of_a_lock_is_not_followed(state_dir, there):
    other = state_dir.parent / "other"
    if there:
        other.write_text("kept")
    (state_dir / "strongroom.lock").symlink_to(other)
    (state_dir / "strongroom.db.lock").symlink_to(other)
    with pytest.raises(OSError, match="symbolic links"):
        StateLock(state_dir)
    with pytest.raises(StorageFault):
        lock_database(state_dir / "strongroom.db")
    assert other.exists() == there
    assert not there or other.read_text() == "kept"
