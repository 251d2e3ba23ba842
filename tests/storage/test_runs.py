"""Run headers and journals."""

import dataclasses

import pytest

from strongroom.errors import Conflict, NotFound
from strongroom.storage import runs
from strongroom.storage.runs import RunRow
from tests.fakes.rows import event_row, run_row


def add(database, *rows):
    for row in rows:
        database.write(lambda conn, row=row: runs.insert(conn, row)).result()


def test_a_run_is_read_back_by_each_of_its_names(database):
    row = run_row(1)
    add(database, row, run_row(2))
    assert database.read(lambda conn: runs.get(conn, row.run_id)) == row
    assert database.read(lambda conn: runs.get_by_execution(conn, row.execution_id)) == row
    assert database.read(lambda conn: runs.get_by_event(conn, row.workflow_id, 0, row.event_id)) == row


def test_an_unknown_name_gives_nothing(database):
    add(database, run_row(1))
    assert database.read(lambda conn: runs.get(conn, "wrun_x")) is None
    assert database.read(lambda conn: runs.get_by_execution(conn, "x")) is None
    assert database.read(lambda conn: runs.get_by_event(conn, run_row(1).workflow_id, 1, run_row(1).event_id)) is None


def test_the_columns_under_the_mac_are_all_but_the_mac():
    names = {field.name for field in dataclasses.fields(RunRow)}
    assert run_row().columns().keys() == names - {"mac"}


IDENTITIES = {
    "run id": {"run_id": run_row(1).run_id},
    "trigger event": {"event_id": run_row(1).event_id},
}


@pytest.mark.parametrize("same", IDENTITIES.values(), ids=IDENTITIES.keys())
def test_a_taken_identity_is_a_conflict_and_the_transaction_goes_on(database, same):
    add(database, run_row(1))

    def job(conn):
        with pytest.raises(Conflict) as caught:
            runs.insert(conn, run_row(2, **same))
        assert caught.value.code == "SR-STORE-022"
        return runs.get(conn, run_row(1).run_id)

    assert database.write(job).result() == run_row(1)


def test_the_same_event_of_another_trigger_or_workflow_is_another_run(database):
    event = run_row(1).event_id
    others = run_row(2, event_id=event, trigger_index=1), run_row(3, event_id=event, workflow_id="ef" * 32)
    add(database, run_row(1), *others)


def test_a_run_is_replaced_in_every_column_that_may_change(database):
    add(database, run_row(1), run_row(2))
    changed = run_row(
        1,
        status="failed",
        module="confidential",
        backend="insecure-software",
        insecure=1,
        started_at=5,
        finished_at=6,
        head_index=9,
        head_tag=b"u" * 16,
        output_bytes=7,
        error_code="SR-X-001",
        key_version=2,
        epoch=3,
        mac=bytes(32),
    )
    database.write(lambda conn: runs.replace(conn, changed)).result()
    assert database.read(lambda conn: runs.get(conn, changed.run_id)) == changed
    assert database.read(lambda conn: runs.get(conn, run_row(2).run_id)) == run_row(2)


@pytest.mark.parametrize(
    "changes",
    [
        {"run_id": "wrun_other"},
        {"execution_id": "x"},
        {"workflow_id": "x"},
        {"workflow_owner": "x"},
        {"trigger_index": 1},
        {"event_id": "x"},
        {"created_at": 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_the_identity_of_a_run_never_changes(database, changes):
    add(database, run_row(1))
    with pytest.raises(NotFound):
        database.write(lambda conn: runs.replace(conn, run_row(1, status="failed", **changes))).result()
    assert database.read(lambda conn: runs.get(conn, run_row(1).run_id)) == run_row(1)


def test_a_run_is_replaced_only_after_the_event_that_the_writer_knows(database):
    add(database, run_row(1, head_index=4))
    changed = run_row(1, head_index=5, status="running")
    with pytest.raises(Conflict) as caught:
        database.write(lambda conn: runs.replace(conn, changed, after=run_row(1, head_index=3))).result()
    assert (caught.value.code, caught.value.details["head_index"]) == ("SR-STORE-026", 4)
    assert database.read(lambda conn: runs.get(conn, changed.run_id)).head_index == 4
    database.write(lambda conn: runs.replace(conn, changed, after=run_row(1, head_index=4))).result()
    assert database.read(lambda conn: runs.get(conn, changed.run_id)) == changed
    with pytest.raises(NotFound):
        database.write(lambda conn: runs.replace(conn, run_row(2), after=run_row(2))).result()


def test_a_run_is_replaced_only_by_the_writer_of_its_last_event_and_not_after_its_end(database):
    mine = run_row(1, head_index=4, head_tag=b"m" * 16)
    add(database, mine, run_row(2, status="cancelled"))
    for before in (run_row(1, head_index=4, head_tag=b"o" * 16), run_row(2, status="cancelled")):
        changed = dataclasses.replace(before, head_index=before.head_index + 1, status="completed")
        with pytest.raises(Conflict) as caught:
            database.write(lambda conn, row=changed, after=before: runs.replace(conn, row, after=after)).result()
        assert caught.value.code == "SR-STORE-026"
    assert database.read(lambda conn: runs.get(conn, mine.run_id)) == mine
    assert database.read(lambda conn: runs.get(conn, run_row(2).run_id)).status == "cancelled"


STATUSES = ["pending", "running", "waiting", "completed", "failed", "cancelled", "timed_out"]


def test_unfinished_runs_come_oldest_first_and_are_counted(database):
    rows = [run_row(number, status=status) for number, status in enumerate([*STATUSES, "completed"])]
    add(database, *rows[::-1])
    assert database.read(lambda conn: runs.unfinished_page(conn, after=None, limit=9)) == rows[:3]
    assert database.read(runs.count_by_status) == dict.fromkeys(STATUSES, 1) | {"completed": 2}


def test_pages_cover_everything_once_with_equal_times_ordered_by_id(database):
    rows = [run_row(number, created_at=1_000 + number // 4) for number in range(11)]
    add(database, *rows)
    seen, before = [], None
    while page := database.read(lambda conn, before=before: runs.page(conn, before=before, limit=3)):
        seen += page
        before = (page[-1].created_at, page[-1].run_id)
    assert seen == rows[::-1]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"workflow_id": "w2"}, [2]),
        ({"owners": {"o3"}}, [3]),
        ({"owners": {"o3", "nobody"}}, [3]),
        ({"owners": set()}, []),
        ({"workflow_name": "n6"}, [6]),
        ({"statuses": ["failed", "completed"]}, [5, 4]),
        ({"workflow_id": "w2", "owners": {"o3"}}, []),
        ({"statuses": ["unknown"]}, []),
    ],
    ids=["workflow", "owner", "owners", "no owner", "name", "statuses", "both", "unknown status"],
)
def test_a_page_is_filtered_by_what_is_given(database, filters, expected):
    rows = {
        1: run_row(1),
        2: run_row(2, workflow_id="w2"),
        3: run_row(3, workflow_owner="o3"),
        4: run_row(4, status="completed"),
        5: run_row(5, status="failed"),
        6: run_row(6, workflow_name="n6"),
    }
    add(database, *rows.values())
    found = database.read(lambda conn: runs.page(conn, limit=10, **filters))
    assert found == [rows[number] for number in expected]


def test_events_come_in_order_from_where_they_are_asked(database):
    row = run_row(1)
    journal = [event_row(row, index) for index in range(5)]
    for event in [*journal[::-1], event_row(run_row(2), 0)]:
        database.write(lambda conn, event=event: runs.append(conn, event)).result()
    assert database.read(lambda conn: runs.events(conn, row.run_id, start=0, limit=10)) == journal
    assert database.read(lambda conn: runs.events(conn, row.run_id, start=2, limit=2)) == journal[2:4]
    assert database.read(lambda conn: runs.events(conn, row.run_id, start=5, limit=2)) == []
    assert database.read(lambda conn: runs.events(conn, "wrun_x", start=0, limit=2)) == []


def test_large_events_are_read_a_few_at_a_time_and_one_at_least(database):
    row = run_row(1)
    sizes = [1_500_000, 1_500_000, 1_500_000, 9_000_000, 10, 10]
    journal = [dataclasses.replace(event_row(row, n), sealed=b"s" * size) for n, size in enumerate(sizes)]
    for event in journal:
        database.write(lambda conn, event=event: runs.append(conn, event)).result()
    for start, end in ((0, 2), (1, 3), (2, 3), (3, 4), (4, 6)):
        page = database.read(lambda conn, start=start: runs.events(conn, row.run_id, start=start, limit=10))
        assert page == journal[start:end]
    assert [database.read(lambda conn, n=n: runs.exists(conn, row.run_id, n)) for n in (0, 5, 6)] == [True, True, False]


def test_an_index_is_appended_once(database):
    event = event_row(run_row(1), 3)
    database.write(lambda conn: runs.append(conn, event)).result()
    with pytest.raises(Conflict) as caught:
        database.write(lambda conn: runs.append(conn, dataclasses.replace(event, sealed=b"other"))).result()
    assert caught.value.details["index"] == 3
    assert database.read(lambda conn: runs.events(conn, event.run_id, start=0, limit=9)) == [event]


def test_values_at_the_edge_are_kept(database):
    row = run_row(1, created_at=2**63 - 1, head_index=2**53, event_id="é 🔒 %_'\"", request_digest=b"", mac=b"")
    add(database, row)
    assert database.read(lambda conn: runs.get(conn, row.run_id)) == row
