"""Rows that cannot be opened or applied: kept byte for byte through every compaction, reported, never fatal."""

import pytest

from strongroom.keyring.workspace_keys import WorkspaceKeys
from strongroom.storage import update_log_rows
from strongroom.storage.update_log import UpdateLog
from strongroom.workspace.persistence.row_seal import RowSeal
from tests.fakes.sealed_logs import apart, change, filled, keys_of, opened, put, rows_in, values

AUTHENTICATION = "it failed authentication"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log" / "notes.db"


def report_of(path, keys=None):
    with opened(path, keys, attach=False) as log:
        return log.report, values(log)


def test_rows_of_a_key_version_that_is_away_are_carried_and_come_back_with_it(path):
    apart(path, "one", keys=keys_of(1))
    apart(path, "two", keys=keys_of(1, 2))
    before = rows_in(path)
    with opened(path, keys_of(2)) as log:
        assert [(row.id, row.key_version, row.reason) for row in log.carried] == [
            (1, 1, "it needs key version 1, the keyring holds 2")
        ]
        assert values(log) == ["two"]
        put(log, "three")
        log.compact()
        log.compact()
        assert log.rows_by_version() == {1: 1, 2: 1}
    assert rows_in(path)[1] == before[1]
    assert not report_of(path, keys_of(2))[0].is_whole
    report, found = report_of(path, keys_of(1, 2))
    assert (sorted(found), report.carried) == (["one", "three", "two"], ())


def test_a_key_that_comes_back_while_the_log_is_open_brings_its_rows_at_the_next_compaction(path):
    filled(path, "one", keys=keys_of(1))
    filled(path, "two", keys=keys_of(1, 2))
    given = [keys_of(2)]
    with opened(path, lambda: given[0]) as log:
        assert (len(log.carried), log.report.waiting, values(log)) == (1, (2,), [])
        given[0] = keys_of(1, 2)
        log.compact()
        assert (values(log), log.carried) == (["one", "two"], ())
        assert log.rows_by_version() == {2: 1}
    assert report_of(path, keys_of(2))[1] == ["one", "two"]


@pytest.mark.parametrize("compactions", [0, 1, 3])
@pytest.mark.parametrize(
    ("statement", "bound", "lost", "reason"),
    [
        ("update log_rows set data = ? where id = 2", (b"\1\1" + bytes(60),), 2, AUTHENTICATION),
        ("update log_rows set data = substr(data, 1, 41) where id = 2", (), 2, AUTHENTICATION),
        ("update log_rows set data = substr(data, 1, 1) where id = 2", (), 2, "it is too short to be sealed"),
        ("update log_rows set data = x'' where id = 2", (), 2, "it is too short to be sealed"),
        ("update log_rows set data = 'text' where id = 2", (), 2, "it holds 4 bytes of something that no row is"),
        ("update log_rows set key_version = 2 where id = 2", (), 2, "its column names another key version"),
        ("update log_rows set purpose = 'state' where id = 2", (), 2, AUTHENTICATION),
        ("update log_rows set purpose = 'head' where id = 2", (), 2, "its purpose is none that this release knows"),
        ("update log_rows set data = (select data from log_rows where id = 3) where id = 2", (), 2, AUTHENTICATION),
        ("update log_rows set id = 9 where id = 2", (), 9, AUTHENTICATION),
        ("update log_rows set id = -9 where id = 2", (), -9, "its number is none that a log gives"),
    ],
    ids=[
        "changed",
        "cut",
        "one byte",
        "empty",
        "no bytes",
        "relabelled",
        "another purpose",
        "unknown purpose",
        "exchanged",
        "moved to the end",
        "moved to the front",
    ],
)
def test_a_row_that_somebody_changed_is_carried_and_the_others_apply(path, statement, bound, lost, reason, compactions):
    apart(path, "a", "b", "c")
    change(path, statement, *bound)
    kept = rows_in(path)[lost]
    with opened(path) as log:
        assert [row.id for row in log.carried] == [lost]
        assert log.carried[0].reason.startswith(reason)
        assert sorted(values(log)) == ["a", "c"]
        put(log, "d")
        for _ in range(compactions):
            log.compact()
    assert rows_in(path)[lost] == kept
    report, found = report_of(path)
    assert sorted(found) == ["a", "c", "d"]
    assert [row.id for row in report.carried] == [lost]


def test_a_row_that_is_copied_to_another_number_is_carried(path):
    filled(path, "a", "b")
    change(path, "insert into log_rows select 7, purpose, key_version, data from log_rows where id = 1")
    report, found = report_of(path)
    assert (found, [row.id for row in report.carried]) == (["a", "b"], [7])
    assert "should hold 2" in report.head_problem


@pytest.mark.parametrize("place", [{"owner": "bob"}, {"guid": "other"}], ids=["another owner", "another workspace"])
def test_a_row_of_another_place_under_the_same_key_is_carried(path, tmp_path, place):
    filled(path, "a", "b")
    other = tmp_path / "other" / "notes.db"
    filled(other, "x", "y", **place)
    change(path, "update log_rows set data = ? where id = 2", rows_in(other)[2][2])
    report, found = report_of(path)
    assert (found, [row.id for row in report.carried]) == (["a"], [2])


@pytest.mark.parametrize("bit", range(16), ids=lambda bit: f"bit {bit}")
def test_no_bit_of_the_header_can_be_flipped(path, bit):
    apart(path, "a", "b")
    blob = bytearray(rows_in(path)[1][2])
    blob[bit // 8] ^= 1 << bit % 8
    version = blob[1]
    change(path, "update log_rows set data = ?, key_version = ? where id = 1", bytes(blob), version)
    report, found = report_of(path)
    assert (found, [row.id for row in report.carried]) == (["b"], [1])
    # The same under a keyring that calls the key by that version too.
    if version and version != 1:
        raw = keys_of(1).key(1)
        report, found = report_of(path, WorkspaceKeys({1: raw, version: raw}, 1))
        assert (found, [row.id for row in report.carried]) == (["b"], [1])


def test_a_row_that_opens_and_holds_no_update_is_carried(path):
    filled(path, "a")
    log = UpdateLog(path)
    log.append([RowSeal("alice", "notes").seal(keys_of(1), "update", 2, b"\xff\xff\xff no update")])
    log.close()
    with opened(path) as log:
        assert values(log) == ["a"]
        assert log.carried[0].reason == "it opens and holds no update that this release can read"
        log.compact()
    assert set(rows_in(path)) == {2, 3}


def test_a_row_that_is_too_long_is_carried_without_being_read(path, monkeypatch):
    apart(path, "a", "b")
    change(path, "update log_rows set data = zeroblob(5000) where id = 1")
    query = update_log_rows._PAGE.replace(str(update_log_rows.ROW_BYTES_MAX), "4000")
    monkeypatch.setattr(update_log_rows, "_PAGE", query)
    report, found = report_of(path)
    assert (found, [(row.id, row.size) for row in report.carried]) == (["b"], [(1, 5000)])


@pytest.mark.parametrize("compactions", [0, 1, 3])
def test_an_update_that_waits_for_a_row_that_is_carried_survives_compactions(path, compactions):
    filled(path, "a", "b", "c")  # one author: c comes behind b, and b behind a
    blob = rows_in(path)[2][2]
    change(path, "update log_rows set data = zeroblob(50) where id = 2")
    with opened(path, keys_of(1, 2)) as log:
        assert (values(log), log.report.waiting) == (["a"], (3,))
        for _ in range(compactions):
            log.compact()
        if compactions:
            assert log.rows_by_version() == {1: 1, 2: 2}, "of the old version there is only the row that stays closed"
    change(path, "update log_rows set data = ? where id = 2", blob)
    report, found = report_of(path, keys_of(1, 2))
    assert (found, report.carried, report.waiting) == (["a", "b", "c"], (), ())


@pytest.mark.parametrize("compactions", [0, 1])
def test_what_waits_is_known_also_after_more_was_written_and_the_head_fits_again(path, compactions):
    filled(path, "a", "b", "c")
    change(path, "delete from log_rows where id = 2")
    with opened(path) as log:
        put(log, "d", array="other")
        log.flush()
        for _ in range(compactions):
            log.compact()
        log._rows.growth.rows = log._rows.growth.bytes = 0
    report, found = report_of(path)
    assert (found, report.head_problem, len(report.waiting)) == (["a", "d"], "", 1)


def test_an_update_that_waited_and_whose_other_half_came_from_a_peer_waits_no_longer(path):
    filled(path, "a", "b", "c")
    with opened(path, attach=False) as peer:
        whole = peer.document.update_since()
    change(path, "delete from log_rows where id = 2")
    with opened(path) as log:
        assert (values(log), log.report.waiting) == (["a"], (3,))
        log.document.apply(whole)
        log.compact()
        assert len(rows_in(path)) == 1
    assert report_of(path)[1] == ["a", "b", "c"]


def test_a_deletion_of_something_that_is_not_there_yet_survives_compactions(path):
    filled(path, "a", "b")
    with opened(path) as log:
        with log.document.transaction():
            del log.document.array("kv")[1]
        log.flush()
        log._rows.growth.rows = 0
    blob = rows_in(path)[2][2]
    change(path, "update log_rows set data = zeroblob(50) where id = 2")
    with opened(path) as log:
        assert (values(log), log.report.waiting) == (["a"], (3,))
        log.compact()
    change(path, "update log_rows set data = ? where id = 2", blob)
    assert report_of(path)[1] == ["a"]


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("delete from log_rows where id = 3", "it holds 2 rows and should hold 3: somebody took rows out"),
        ("delete from log_rows where id = 2", "it holds 2 rows and should hold 3: somebody took rows out"),
        ("delete from log_rows", "it holds 0 rows and should hold 3: somebody took rows out"),
        ("delete from log_meta where name = 'head'", "its head is gone"),
        ("update log_meta set value = 'x' where name = 'head'", "its head is gone"),
        ("update log_meta set value = x'0101' where name = 'head'", "its head stays closed: it failed authentication"),
        ("update log_meta set value = x'' where name = 'head'", "its head stays closed: it is too short"),
        ("update log_meta set value = zeroblob(90) where name = 'head'", "its head stays closed: it needs key version"),
    ],
)
def test_a_log_that_was_cut_or_thinned_out_says_so_once_and_goes_on(path, statement, problem):
    filled(path, "a", "b", "c")
    change(path, statement)
    with opened(path) as log:
        assert log.report.head_problem.startswith(problem)
        assert not log.report.is_whole
        put(log, "d")
    assert report_of(path)[0].head_problem == ""


def test_a_row_of_an_older_copy_of_the_same_log_opens_and_is_noticed(path, tmp_path):
    filled(path, "a")
    copy = path.read_bytes()
    filled(path, "b")
    newer = rows_in(path)[2]
    path.write_bytes(copy)
    filled(path, "c")
    change(path, "update log_rows set data = ? where id = 2", newer[2])
    report, found = report_of(path)
    assert sorted(found) == ["a", "b"], "it is a true update of this document"
    assert "exchanged rows" in report.head_problem


def test_an_older_copy_of_the_whole_file_is_a_log_like_any_other(path):
    filled(path, "a")
    copy = path.read_bytes()
    filled(path, "b")
    path.write_bytes(copy)
    report, found = report_of(path)
    assert (found, report.is_whole) == (["a"], True)


def test_a_load_that_nobody_attaches_to_changes_nothing(path):
    filled(path, "a", "b")
    change(path, "update log_rows set data = zeroblob(50) where id = 2")
    before = path.read_bytes()
    report_of(path)
    assert path.read_bytes() == before


def test_a_row_whose_key_came_back_is_neither_listed_nor_discarded(path):
    apart(path, "one", keys=keys_of(1))
    apart(path, "two", keys=keys_of(1, 2))
    given = [keys_of(2)]
    with opened(path, lambda: given[0]) as log:
        listed = [row.id for row in log.closed_rows()]
        assert listed == [1]
        given[0] = keys_of(1, 2)
        assert log.closed_rows() == ()
        assert log.discard(listed) == 0
        assert sorted(values(log)) == ["one", "two"]


def test_only_carried_rows_can_be_discarded(path):
    with opened(path) as log:
        put(log, "a", "b")
        log.flush()
        rows = [row.id for row in log._rows.log.rows()]
        assert log.discard(rows) == 0
    with opened(path) as log:
        assert values(log) == ["a", "b"]
        assert log.report.is_whole
