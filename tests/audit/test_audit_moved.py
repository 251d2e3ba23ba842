"""A file that is moved, replaced or cut while the host writes: what follows is on record where it is looked for."""

import shutil

import pytest

from strongroom.audit.log_chain import parse_line
from tests.fakes.audit_rig import Rig, Ring


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path).open()
    yield made
    made.log.close()


def removed(path):
    path.unlink()


def moved(path):
    path.rename(path.with_name("elsewhere"))


def replaced(path):
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    copy.replace(path)


def cut(path):
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))


@pytest.mark.parametrize(
    ("change", "breaks"),
    [
        (removed, [(1, "removed"), (7, "file removed")]),
        (moved, [(1, "removed"), (7, "file removed")]),
        (replaced, [(7, "file removed")]),
        (cut, [(4, "removed"), (7, "file removed")]),
    ],
)
def test_what_follows_a_file_that_was_moved_or_cut_is_in_a_new_one_that_says_so(rig, change, breaks):
    rig.write(5)
    change(rig.path)
    rig.write(2)
    assert [parse_line(line.rstrip(b"\n")).number for line in rig.lines()] == [7, 8, 9], "nothing of it is lost"
    assert rig.breaks() == breaks
    assert any("moved, replaced or cut" in problem for problem in rig.log.state().problems)
    assert rig.close().open().found.breaks == [], "it was named"
    assert rig.breaks() == breaks


def test_a_cut_end_is_told_although_an_earlier_record_was_altered_as_well(rig):
    rig.write(9).close()
    lines = rig.lines()
    lines[4] = lines[4].replace(b"wrun_3", b"wrun_x")
    rig.path.write_bytes(b"".join(lines[:8]))
    rig.open()
    assert [(each.number, each.kind) for each in rig.found.breaks] == [(5, "altered"), (9, "tail cut")]
    rig.write(1)
    assert rig.breaks() == [(5, "altered"), (9, "tail cut")]
    assert rig.close().open().found.breaks == []
    assert rig.breaks() == [(5, "altered"), (9, "tail cut")]


def test_a_head_that_is_gone_is_told_although_a_record_was_altered_as_well(rig):
    rig.write(10).close()
    lines = rig.lines()
    lines[2] = lines[2].replace(b"wrun_1", b"wrun_x")
    rig.path.write_bytes(b"".join(lines))
    rig.heads.head = None
    rig.open().write(1)
    assert rig.breaks() == [(3, "altered"), (12, "head removed")]


def test_a_break_is_told_after_its_key_was_retired_too_and_nothing_vouches_for_what_stood_before(tmp_path):
    keys = Ring(versions=(1,))
    rig = Rig(tmp_path, keys=keys).open().write(5).close()
    lines = rig.lines()
    lines[2] = lines[2].replace(b"wrun_1", b"wrun_x")
    rig.path.write_bytes(b"".join(lines))
    rig.open().write(3)
    assert rig.breaks() == [(3, "altered")]
    keys.keys[2] = Ring(versions=(2,)).keys[2]
    rig.write(1)
    assert rig.breaks() == [(3, "altered")]
    del keys.keys[1]
    assert rig.breaks() == [(1, "wrong key"), (3, "altered")]
    rig.log.close()
