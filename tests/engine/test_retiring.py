"""Retiring a version while something that it sealed is still on its way to the disk."""

import threading

import pytest

from strongroom.errors import WrongState
from strongroom.storage.writer import Writer
from tests.fakes.key_rig import KeyRig


def test_what_was_sealed_before_and_waits_for_the_disk_is_found_by_the_second_look(database, tmp_path, monkeypatch):
    """The writer is held until it has a job behind the one that waits, so that a look without it comes too early."""
    rig = KeyRig(database, tmp_path, 1, 2)
    started, behind = threading.Event(), threading.Event()
    late: list[bool] = []
    looks: list[bool] = []
    submit = Writer.submit

    def counted(self, job, *, may_wait=False):
        future = submit(self, job, may_wait=may_wait)
        if looks:
            behind.set()
        return future

    def arrives_late(_connection):
        started.set()
        assert behind.wait(30)
        late.append(True)

    def needed(_version):
        if not looks:
            rig.database.write(arrives_late)
            assert started.wait(30)
        looks.append(bool(late))
        if late:
            raise WrongState("SR-KEY-024", "it came in the last moment")

    monkeypatch.setattr(Writer, "submit", counted)
    with pytest.raises(WrongState, match="in the last moment"):
        rig.life.retire(1, needed)
    assert looks == [False, True]
