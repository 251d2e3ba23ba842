"""The audit log of a host: what is done to its file or its head is found, and named by what it is."""

import pytest

from strongroom.audit.log_chain import Head, parse_line
from strongroom.audit.record import decode
from strongroom.errors import Misconfigured, Tampered
from tests.fakes.audit_rig import OTHER_HOST, Rig, Ring
from tests.faults.figures import record


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path).open()
    yield made
    made.log.close()


def number_of(line):
    return parse_line(line.rstrip(b"\n")).number


def test_a_log_that_nobody_touched_holds(rig):
    rig.write(20)
    report = rig.verify()
    # The first record says that a file begins.
    assert (report.breaks, report.records, report.number, report.files) == ((), 21, 21, 1)


def test_records_are_numbered_and_say_who_did_what_to_what_when_and_how_it_ended(rig):
    rig.write(1, caller="anna", owner="0a" * 20, reason="ticket 4", facts={"step": 3})
    record = decode(parse_line(rig.lines()[-1].rstrip(b"\n")).record)
    assert (record.number, record.action, record.subject, record.caller) == (2, "run.start", "wrun_0", "anna")
    assert (record.host, record.reason, record.outcome, record.facts) == ("host-1", "ticket 4", "done", {"step": 3})
    assert record.time_ms == 1_700_000_000_000


def altered(lines):
    lines[10] = lines[10].replace(b"wrun_9", b"wrun_8")


def inserted(lines):
    lines.insert(10, lines[4])


def forged(lines):
    lines.insert(10, lines[10].replace(b"wrun_9", b"wrun_x"))


def removed(lines):
    del lines[10]


def several_removed(lines):
    del lines[10:14]


def swapped(lines):
    lines[10], lines[11] = lines[11], lines[10]


def moved_far(lines):
    lines.insert(15, lines.pop(10))


def unreadable(lines):
    lines[10] = b"somebody was here\n"


def tail_cut(lines):
    del lines[10:]


@pytest.mark.parametrize(
    ("change", "number", "kind"),
    [
        (altered, 11, "altered"),
        (unreadable, 11, "altered"),
        (inserted, 11, "inserted"),
        (forged, 11, "inserted"),
        (removed, 11, "removed"),
        (several_removed, 11, "removed"),
        (swapped, 11, "reordered"),
        (moved_far, 11, "reordered"),
        (tail_cut, 11, "tail cut"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
@pytest.mark.parametrize("when", ["while the host runs", "while it is down", "and again after its next start"])
def test_what_was_done_to_the_file_is_named_with_its_place(rig, change, number, kind, when):
    rig.write(20)
    if when == "while the host runs":
        lines = rig.lines()
        change(lines)
        rig.put(lines)
    else:
        rig.close()
        lines = rig.lines()
        change(lines)
        rig.put(lines)
        rig.open()
        assert str(rig.found.breaks[0]).startswith(f"record {number}: {kind}, ")
        assert rig.log.state().problems
        rig.write(3)
    if when == "and again after its next start":
        rig.close().open()
        assert rig.found.breaks == []
        rig.write(1)
    assert rig.breaks()[0] == (number, kind)


@pytest.mark.parametrize("number", [1, 2, 12, 21])
def test_a_record_that_is_removed_or_altered_at_any_end_is_found(rig, number):
    rig.write(20)
    lines = rig.lines()
    rig.put([line for line in lines if number_of(line) != number])
    assert rig.breaks()[0][0] == number
    rig.put(
        [
            line.replace(b'"outcome":"done"', b'"outcome":"none"') if number_of(line) == number else line
            for line in lines
        ]
    )
    assert rig.breaks() == [(number, "altered")]


def test_the_whole_file_removed_is_found(rig):
    rig.write(20).close()
    rig.path.unlink()
    rig.open()
    assert [each.kind for each in rig.found.breaks] == ["file removed"]
    rig.write(1)
    assert rig.breaks()[0] == (1, "file removed")
    assert rig.close().open().found.breaks == []
    assert rig.breaks()[0] == (1, "file removed")


def test_a_file_that_is_removed_while_the_host_runs_is_said_at_once(rig):
    rig.write(5)
    rig.path.unlink()
    assert "somebody moved or cut it" in rig.log.state().problems[0]
    assert rig.breaks() == [(1, "file removed")]


def test_a_head_that_is_removed_is_found(rig):
    rig.write(5)
    rig.crash()
    rig.heads.head = None
    rig.open()
    assert [each.kind for each in rig.found.breaks] == ["head removed"]
    rig.write(1)
    assert rig.breaks()[0] == (7, "head removed")


def test_a_head_that_is_removed_while_the_host_runs_is_found(rig):
    rig.write(5)
    rig.heads.head = None
    rig.heads.fails = True
    assert rig.breaks()[-1][1] == "head removed"


def test_a_head_that_was_made_elsewhere_is_found(rig):
    rig.write(5).close()
    rig.heads.head = Tampered("record")
    rig.open()
    assert [each.kind for each in rig.found.breaks] == ["head altered"]


def test_an_older_head_beside_a_log_that_was_closed_is_found(rig):
    rig.write(5).close()
    older = rig.heads.head
    rig.open().write(5).close()
    rig.heads.head = older
    rig.open()
    assert [(each.number, each.kind) for each in rig.found.breaks] == [(7, "head replaced")]


def test_an_older_head_while_the_host_runs_is_found(rig):
    rig.write(5).close()
    older = rig.heads.head
    rig.open().write(5)
    rig.close().open()
    rig.heads.head = older
    assert rig.breaks() == [(7, "head replaced")]


def test_a_cut_file_beside_the_head_of_that_time_would_be_seen_by_nobody_but_the_running_host(rig):
    rig.write(5)
    rig.close().open()
    lines, head = rig.lines(), rig.heads.head
    rig.write(5)
    rig.put(lines)
    rig.heads.head = head
    assert rig.breaks()[0] == (7, "tail cut")


def test_the_file_of_another_host_is_none_of_ours(rig, tmp_path):
    other = Rig(tmp_path / "other", name=OTHER_HOST)
    other.directory.mkdir()
    other.open().write(20).close()
    rig.write(20)
    rig.path.write_bytes(other.path.read_bytes())
    assert rig.breaks()[0] == (1, "another host")


def test_a_file_of_another_key_is_named_as_that(rig, tmp_path):
    other = Rig(tmp_path / "other", keys=Ring(seed=b"somebody"))
    other.directory.mkdir()
    other.open().write(20).close()
    rig.write(20)
    rig.path.write_bytes(other.path.read_bytes())
    assert rig.breaks()[0] == (1, "wrong key")


def test_two_hosts_do_not_write_one_log(rig):
    with pytest.raises(Misconfigured) as refused:
        Rig(rig.directory).open()
    assert refused.value.code == "SR-AUDIT-005"


def test_a_log_that_cannot_be_opened_says_why(tmp_path):
    with pytest.raises(Misconfigured) as refused:
        Rig(tmp_path / "missing").open()
    assert refused.value.code == "SR-AUDIT-004"


def test_the_head_says_that_the_host_closed_its_log(rig):
    rig.write(3).close()
    assert rig.heads.head == Head(4, rig.log.writer.link, 4, closed=True)


def test_each_deletion_and_each_alteration_of_a_hundred_records_is_found_at_its_place(rig):
    rig.write(99)
    lines = rig.lines()
    found = 0
    for place in range(len(lines)):
        rig.put(lines[:place] + lines[place + 1 :])
        found += rig.breaks()[0][0] == place + 1
        rig.put([*lines[:place], lines[place].replace(b'"host":"host-1"', b'"host":"host-2"'), *lines[place + 1 :]])
        found += rig.breaks()[0][0] == place + 1
    what = "deletions and alterations of 100 records"
    record("O7", what, demanded="200 of 200 found at their place", measured=f"{found} of 200", met=found == 200)
    assert found == 200
