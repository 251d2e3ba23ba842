"""A host with little room accepts nothing new, says why with numbers, and goes on by itself."""

import logging
import os
import threading
from types import SimpleNamespace

import pytest

from strongroom.engine import disk_watch
from strongroom.engine.disk_watch import DiskMarks, DiskWatch, EnoughRoom
from strongroom.errors import Exhausted, StorageFault, Unavailable
from tests.fakes.scripted_guest import until

WAIT_S = 10
MB = 1_000_000
BLOCK = 1_000


class Disks:
    """File systems by path: their size and what is free, in bytes."""

    def __init__(self):
        self.free = {}
        self.size = {}

    def statvfs(self, path):
        if path not in self.free:
            raise FileNotFoundError(path)
        return SimpleNamespace(
            f_blocks=self.size.get(path, 1000 * MB) // BLOCK, f_bavail=self.free[path] // BLOCK, f_frsize=BLOCK
        )


@pytest.fixture
def disks(monkeypatch):
    monkeypatch.setattr(disk_watch, "FRESH_S", WAIT_S)
    disks = Disks()
    monkeypatch.setattr(disk_watch, "os", disks)
    return disks


def watch(low=10 * MB, high=20 * MB, places=("state",), probe=lambda: None, spare=lambda: 0, look_s=1000.0):
    return DiskWatch(
        lambda: {name: name for name in places},
        lambda: DiskMarks(low_bytes=low, high_bytes=high),
        probe=probe,
        spare_bytes=spare,
        look_s=look_s,
    )


def test_below_the_low_mark_it_refuses_and_above_the_high_one_it_accepts_again(disks, caplog):
    caplog.set_level(logging.WARNING)
    disk = watch()
    assert (disk.is_low, disk.free_bytes) == (False, -1)
    said = []
    for free_mb, is_low in [(100, False), (9, True), (15, True), (25, False), (15, False), (9, True)]:
        disks.free["state"] = free_mb * MB
        disk.look()
        disk.look()
        assert (disk.is_low, disk.free_bytes) == (is_low, free_mb * MB)
        said.append(len(caplog.records))
    assert said == [0, 1, 1, 2, 2, 3], "once each way"


def test_a_refusal_names_what_is_free_and_what_is_needed(disks):
    disk = watch(places=("state", "audit"))
    disks.free |= {"state": 500 * MB, "audit": 3 * MB}
    disk.look()
    with pytest.raises(Exhausted, match="there is no room for a new run: 3000000 bytes are free in audit") as refused:
        disk.check("a new run", 5)
    assert refused.value.code == "SR-DISK-001"
    details = refused.value.details
    assert (details["free_bytes"], details["needed_bytes"]) == (3 * MB, 10 * MB + 5)
    assert (details["size"], details["limit"], details["setting"]) == (5, 0, "disk.low_bytes")
    assert details["retry_ms"] == 2000


def test_what_would_take_what_is_kept_is_refused_and_what_fits_is_not(disks):
    disk = watch()
    disks.free["state"] = 30 * MB
    disk.check("a registration", 19 * MB)
    with pytest.raises(Exhausted, match="30000000 bytes are free in state, of which 10000000 are kept"):
        disk.check("a registration", 21 * MB)
    disk.check("a new run", 5)


def test_a_place_of_its_own_is_looked_at_where_something_is_written(disks):
    disk = watch()
    disks.free |= {"state": 500 * MB, "project": 2 * MB}
    disk.look()
    with pytest.raises(Exhausted, match="2000000 bytes are free in project"):
        disk.check("what is written into a workspace", 5, at="project")
    disk.check("what is written into a workspace", 5, at="nowhere")
    assert not disk.is_low


def test_the_marks_of_a_small_disk_are_parts_of_it(disks):
    disk = watch(low=256 * MB, high=384 * MB)
    disks.size["state"] = 8 * MB
    for free_mb, is_low in [(7, False), (1, False), (0.7, True), (1, True), (1.2, False)]:
        disks.free["state"] = int(free_mb * MB)
        disk.look()
        assert disk.is_low is is_low, free_mb


@pytest.mark.parametrize("fault", [None, StorageFault("SR-STORE-001", "no"), Unavailable("SR-STORE-003", "no")])
def test_room_within_the_database_counts_where_it_can_be_asked(disks, fault):
    def spare():
        if fault is not None:
            raise fault
        return 50 * MB

    disk = watch(spare=spare)
    disks.free["state"] = 5 * MB
    disk.look()
    assert disk.is_low is (fault is not None)


def test_places_that_are_not_there_say_nothing(disks):
    disk = watch()
    disk.look()
    disk.check("a new run", 5)
    assert disk.place == ""


class Probe:
    """Writes that fail with ``fault`` while there is one."""

    def __init__(self, fault):
        self.fault = fault
        self.tried = threading.Semaphore(0)

    def __call__(self):
        try:
            if self.fault is not None:
                raise self.fault
        finally:
            self.tried.release()

    def wait(self, times):
        for _ in range(times):
            assert self.tried.acquire(timeout=WAIT_S)


def test_a_disk_that_refuses_writes_counts_as_full_until_one_succeeds(disks):
    probe = Probe(StorageFault("SR-STORE-005", "the disk is full"))
    disks.free["state"] = 500 * MB
    disk = watch(probe=probe, look_s=0.01)
    disk.start()
    assert not disk.is_low
    disk.refused()
    until(lambda: disk.is_low)
    with pytest.raises(Exhausted, match="a write was refused, and none has succeeded since"):
        disk.check("a new run")
    probe.fault = None
    until(lambda: not disk.is_low)
    disk.close()
    disk.check("a new run")


@pytest.mark.parametrize("fault", [None, Unavailable("SR-STORE-002", "away")], ids=["succeeds", "database is away"])
def test_one_refused_write_alone_makes_nothing_full(disks, fault):
    probe = Probe(fault)
    disks.free["state"] = 500 * MB
    disk = watch(probe=probe, look_s=0.01)
    disk.start()
    disk.refused()
    probe.wait(1)
    disk.close()
    assert not disk.is_low


def test_a_bug_while_it_looks_does_not_end_the_looking(disks):
    probe = Probe(ZeroDivisionError())
    disks.free["state"] = 500 * MB
    disk = watch(probe=probe, look_s=0.01)
    disk.start()
    disk.refused()
    probe.wait(3)
    disk.close()


def test_the_real_disk_is_asked(tmp_path):
    disk = watch(low=0, high=0, places=(tmp_path,))
    disk.look()
    of = os.statvfs(tmp_path)
    assert 0 < disk.free_bytes <= of.f_blocks * of.f_frsize
    EnoughRoom().check("anything", 10**18, at=tmp_path)
