"""What was put into a run behind its host's back is never sealed again, and stops nobody."""

import pytest
from sqlalchemy import text

from strongroom.crypto.srn1 import tag_of
from strongroom.engine import rotation_runs
from strongroom.errors import WrongState
from strongroom.services.convert import event_message
from strongroom.storage import hooks, runs
from strongroom.storage.database import Database
from tests.fakes.rotated_runs import RunRig


@pytest.fixture
def rig(sqlite_url, tmp_path):
    """A host that writes under version 1."""
    database = Database.open(sqlite_url)
    yield RunRig(database, tmp_path, 1)
    database.close()


def change(rig, statement, **values):
    rig.database.write(lambda c: c.execute(text(statement), values).rowcount).result()


OF_OTHER_TYPES = {
    "the version of a header": ("UPDATE runs SET key_version = 'x' WHERE run_id = :run", 3),
    "the version of a hook": ("UPDATE hooks SET key_version = 'x' WHERE run_id = :run", 4),
    "the name of a stream": ("UPDATE stream_chunks SET name = x'ff' WHERE run_id = :run AND name = 'a'", 3),
}


@pytest.mark.parametrize("touched", OF_OTHER_TYPES)
def test_values_of_another_type_which_sqlite_takes_stop_nobody_and_the_job_ends(sqlite_url, tmp_path, touched):
    database = Database.open(sqlite_url)
    rig = RunRig(database, tmp_path, 1)
    headers = rig.every_kind()
    statement, number = OF_OTHER_TYPES[touched]
    run_id = headers[number - 1].run_id
    change(rig, statement, run=run_id)
    rig.to_version(2, 1)
    (checked,) = (each for each in rig.desk.check_rewrap() if each.name == "table runs")
    assert [problem.split(":")[0] for problem in checked.problems] == [f"run {run_id}"]
    done = rig.rewrapped()
    assert done.state == "done"
    assert any("blobs keep their version" in problem for problem in done.problems)
    assert {rig.history.header(each.run_id).key_version for each in headers if each.run_id != run_id} == {2}
    with pytest.raises(WrongState, match="key version 1 is still needed"):
        rig.desk.retire(1)


def test_who_comes_behind_another_that_sealed_the_run_again_puts_nothing_back(rig):
    header = rig.plain(1)
    before = rig.content(header.run_id)
    rig.to_version(2, 1)
    late = rotation_runs.EndedRuns(rig.database, rig.keys, rig.life.run_keys())._job(header, 2, is_small=True)
    rig.to_version(3, 2, 1)
    assert rig.rewrapped().problems == ()
    assert rig.database.write(late).result() == 0
    assert (rig.content(header.run_id), rig.versions()) == (before, {3: 11})


def test_an_authentic_end_that_is_not_the_one_of_the_header_is_never_sealed_again(rig):
    header = rig.plain(1)
    last, index = rig.journals.page(header, header.head_index - 1, 2), header.head_index
    event = (last[1].row.event_type, last[1].row.correlation_id, b"another end")
    other = rig.journals.sealed(header, event, index=index, previous_tag=tag_of(last[0].row.sealed))
    change(
        rig,
        'UPDATE run_events SET sealed = :v WHERE run_id = :run AND "index" = :i',
        v=other.sealed,
        run=header.run_id,
        i=index,
    )
    rig.to_version(2, 1)
    assert any(f"run {header.run_id}" in problem for problem in rig.rewrapped().problems)
    assert rig.database.read(lambda c: runs.get(c, header.run_id)) == header


def test_a_hook_of_before_the_end_that_is_put_back_is_not_sealed_again(rig):
    header = rig.hooked(1)
    row = rig.database.read(lambda c: hooks.page(c, header.run_id, after="", limit=1))[0]
    of_before = rig.journals.hook_rows.made(row.hook_id, header, "a token", row.created_at)
    rig.database.write(lambda c: hooks.replace(c, of_before)).result()
    rig.to_version(2, 1)
    assert any(f"run {header.run_id}" in problem for problem in rig.rewrapped().problems)
    assert rig.database.read(lambda c: runs.get(c, header.run_id)) == header


def test_a_run_that_goes_on_and_names_no_version_is_counted_as_one_that_names_none(rig):
    header = rig.begun(1).header
    change(rig, "UPDATE runs SET key_version = 'x' WHERE run_id = :run", run=header.run_id)
    found = {each.name: dict(each.counts) for each in rig.desk.holdings()}
    assert (found["table runs"], found["unfinished runs"][0]) == ({}, 1)


OF_EVENTS = ("created_at = 'x'", "created_at = -1", "created_at = 9e18", "correlation_id = x'ff'", "event_type = x'ff'")


@pytest.mark.parametrize("changed", OF_EVENTS)
def test_an_event_with_a_column_of_another_type_is_tampered_and_the_others_are_shown(rig, changed):
    header = rig.plain(1)
    change(rig, f'UPDATE run_events SET {changed} WHERE run_id = :run AND "index" = 2', run=header.run_id)
    page, _ = rig.history.events(header.run_id, 0, 100)
    shown = [event_message(event, rig.history.explained(header, event, rig.history.explainer())) for event in page]
    assert [each.unreadable.code for each in shown if each.tampered] == ["SR-VIEW-003"]
    assert len(shown) == header.head_index + 1
