"""What is written while a mount is closed is on disk, or whoever waits for the disk is told that it is not."""

import pytest

from strongroom.errors import Unavailable
from tests.fakes.mount_rig import MountRig


@pytest.fixture
def rig(tmp_path):
    made = MountRig(tmp_path)
    yield made
    made.mounts.close()


def kept(rig):
    return {key for key, _reading in rig.open().workspace.store("kv").reads()}


def test_a_write_between_the_last_look_and_the_end_of_the_document_is_not_called_written(rig):
    opened = rig.open()
    opened.workspace.store("kv").set("early", 1)
    end = opened.workspace.dispose
    told: list[Unavailable] = []

    def meanwhile() -> None:
        opened.workspace.store("kv").set("late", 2)
        try:
            opened.flush()
        except Unavailable as error:
            told.append(error)
        end()

    opened.built.workspace.dispose = meanwhile
    rig.mounts.unmount("notes")
    assert [error.code for error in told] == ["SR-STORE-050"]
    assert kept(rig) == {"early"}


def test_a_write_during_the_last_compaction_is_on_disk(rig, monkeypatch):
    opened = rig.open()
    for number in range(3):
        opened.workspace.store("kv").set(f"early {number}", number)
        opened.flush()
    scrub = opened.log._rows.log.scrub

    def meanwhile() -> None:
        scrub()
        opened.workspace.store("kv").set("late", 2)

    monkeypatch.setattr(opened.log._rows.log, "scrub", meanwhile)
    rig.mounts.unmount("notes")
    assert "late" in kept(rig)
