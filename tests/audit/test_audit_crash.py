"""The audit log beside crashes, bad disks and large files: nothing that was acknowledged is missing."""

import threading

import pytest

from strongroom.audit.audit_log import AuditLog
from strongroom.audit.log_chain import parse_line
from strongroom.audit.record import Record, decode
from strongroom.audit.verify import verify
from strongroom.errors import StorageFault, Unavailable
from tests.fakes.audit_rig import Rig, Ring, SimulatedDisk


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path).open()
    yield made
    made.log.close()


def records(rig):
    lines = [line for path in rig.place.files() for line in path.read_bytes().splitlines()]
    return [decode(parse_line(line).record) for line in lines]


def actions(rig):
    return [record.action for record in records(rig)]


def until(condition):
    for _ in range(1000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came to that")


def test_after_a_crash_the_file_may_be_ahead_of_its_head(rig):
    rig.write(3)
    head = rig.heads.head
    rig.write(5)
    rig.crash(lose_head_since=head)
    rig.open()
    assert rig.found.breaks == []
    assert rig.found.ahead == 9 - head.number
    rig.write(1)
    assert rig.breaks() == []


def test_a_file_that_is_much_further_ahead_than_a_crash_leaves_it_is_beside_an_older_head(rig, monkeypatch):
    head = rig.heads.head
    rig.write(5)
    rig.crash(lose_head_since=head)
    monkeypatch.setattr("strongroom.audit.log_start.AHEAD_MAX", 4)
    assert [each.kind for each in rig.open().found.breaks] == ["head replaced"]


def test_the_head_follows_by_itself_a_few_times_a_second_and_not_with_each_record(rig):
    rig.write(200)
    until(lambda: rig.heads.head.number == 201)
    assert len(rig.heads.written) < 50


def test_a_line_that_a_crash_cut_off_is_moved_aside(rig):
    rig.write(3)
    rig.crash()
    with rig.path.open("ab") as file:
        file.write(b'{"record":{"action":"run.st')
    rig.open()
    assert (rig.found.breaks, rig.found.torn_bytes) == ([], 27)
    assert rig.place.torn.read_bytes() == b'{"record":{"action":"run.st\n'
    rig.write(2)
    assert rig.breaks() == []


def test_a_cut_line_that_the_head_knows_of_was_cut_by_no_crash(rig):
    rig.write(3).close()
    rig.path.write_bytes(rig.path.read_bytes()[:-10])
    rig.open()
    assert [(each.number, each.kind) for each in rig.found.breaks] == [(4, "tail cut")]


@pytest.mark.parametrize("fault", ["sync_errors", "write_errors"])
def test_what_the_disk_did_not_take_is_not_in_the_chain(rig, fault):
    rig.write(2)
    setattr(rig.disk, fault, 1)
    with pytest.raises(StorageFault) as refused:
        rig.write(1)
    assert refused.value.code == "SR-AUDIT-001"
    assert rig.log.state().failing == "Input/output error"
    rig.write(1)
    assert rig.log.state().failing == ""
    assert actions(rig) == ["audit.file", "run.start", "run.start", "audit.gap", "run.start"]
    assert records(rig)[3].facts == {"missing": 1, "why": "Input/output error"}
    assert rig.breaks() == []


def test_a_log_that_takes_nothing_is_tried_again_without_anybody_asking(rig):
    rig.disk.write_errors = 1
    with pytest.raises(StorageFault):
        rig.write(1)
    until(lambda: rig.log.state().failing == "")
    assert actions(rig)[-1] == "audit.gap"


def test_a_full_disk_gives_up_the_reserve_and_says_so_on_the_record(tmp_path):
    disk = SimulatedDisk(room=70_000)
    rig = Rig(tmp_path, disk=disk, reserve_bytes=50_000).open()
    rig.write(1)
    assert rig.place.reserve.exists()
    disk.room = 100
    freed = rig.log._reserve.release
    rig.log._reserve.release = lambda: freed() and bool(setattr(disk, "room", 50_000) or True)
    rig.write(3)
    assert actions(rig)[-4:] == ["audit.disk_full", "run.start", "run.start", "run.start"]
    assert "its reserve is given up" in rig.log.state().problems[0]
    assert not rig.place.reserve.exists()
    assert rig.breaks() == []
    rig.close()


def test_a_full_disk_without_a_reserve_takes_nothing_and_leaves_no_half_lines(tmp_path):
    disk = SimulatedDisk(room=1_000)
    rig = Rig(tmp_path, disk=disk).open()
    with pytest.raises(StorageFault) as refused:
        rig.write(20)
    assert refused.value.why == "No space left on device"
    assert rig.log.failures
    disk.room = None
    rig.write(1)
    assert rig.breaks() == []
    rig.close()


def test_a_large_file_makes_room_for_another_and_all_of_them_are_read(tmp_path):
    rig = Rig(tmp_path, file_bytes_max=4_000).open()
    rig.write(100)
    names = [path.name for path in rig.place.files()]
    assert len(names) > 3
    assert names[0] == "audit-000001.jsonl"
    assert (rig.breaks(), rig.verify().files) == ([], len(names))
    second = rig.place.before()[1]
    first = decode(parse_line(second.read_bytes().splitlines()[0]).record)
    assert (first.action, first.facts["before"]) == ("audit.file", "audit-000001.jsonl")
    rig.close().open().write(1)
    assert rig.breaks() == []
    rig.close()


@pytest.mark.parametrize("change", ["removed", "altered", "swapped"])
def test_a_file_that_grows_no_more_is_held_by_the_chain_too(tmp_path, change):
    rig = Rig(tmp_path, file_bytes_max=4_000).open()
    rig.write(100)
    first, second = rig.place.before()[:2]
    if change == "removed":
        first.unlink()
    elif change == "altered":
        first.write_bytes(first.read_bytes().replace(b"wrun_3", b"wrun_4"))
    else:
        content = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(content)
    assert rig.breaks()[0][0] == (5 if change == "altered" else 1)
    rig.close()


def test_another_key_begins_another_file_and_the_old_one_is_vouched_for_once_its_key_is_gone(tmp_path):
    ring = Ring((1,))
    rig = Rig(tmp_path, keys=ring).open()
    rig.write(10)
    ring.keys[2] = Ring((2,)).keys[2]
    rig.write(10)
    assert len(rig.place.files()) == 2
    del ring.keys[1]
    report = rig.verify()
    assert (report.breaks, report.unchecked) == ((), 11)
    old = rig.place.before()[0]
    old.write_bytes(old.read_bytes().replace(b"wrun_3", b"wrun_4"))
    assert rig.breaks() == [(1, "altered")]
    rig.close()


def test_lines_under_a_key_that_never_was_are_no_records(rig):
    rig.write(5)
    lines = rig.lines()
    rig.put([*lines[:-1], lines[-1].replace(b'"key_version":1', b'"key_version":9')])
    assert rig.breaks()[0] == (6, "wrong key")


def test_records_of_many_threads_share_the_syncs_and_none_is_missing(rig):
    threads = [threading.Thread(target=lambda: rig.write(50)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (rig.verify().records, rig.breaks()) == (401, [])
    assert rig.disk.syncs <= 401


def test_a_database_that_stores_no_head_stops_the_log_before_nobody_could_tell_the_head_from_an_older_one(
    rig, monkeypatch
):
    monkeypatch.setattr("strongroom.audit.head_follower.AHEAD_MAX", 20)
    monkeypatch.setattr("strongroom.audit.head_follower.HEAD_WAIT_S", 0.1)
    until(lambda: rig.heads.head.number == rig.log.writer.number)
    rig.heads.fails = True
    with pytest.raises(StorageFault) as refused:
        rig.write(30)
    assert refused.value.code == "SR-AUDIT-006"
    rig.heads.fails = False
    rig.write(1)


def test_a_closed_log_takes_nothing(rig):
    rig.close()
    with pytest.raises(Unavailable) as refused:
        rig.log.append(Record(action="run.start", subject="x"))
    assert refused.value.code == "SR-AUDIT-002"


def test_followers_hear_what_is_new(rig):
    rig.write(3)
    heard = rig.log.behind(2, 1)
    assert [each.number for each in heard] == [3, 4]
    assert rig.log.behind(4, 0.01) == []
    assert isinstance(rig.log, AuditLog)


def test_a_log_that_goes_on_while_it_is_read_holds(tmp_path):
    rig = Rig(tmp_path, file_bytes_max=4_000).open()
    rig.write(20)
    snapshot = rig.log.snapshot()
    rig.write(40)
    report = verify(snapshot, rig.name, rig.keys, rig.heads.read)
    assert (report.breaks, report.number) == ((), snapshot.number)
    rig.close()
