"""A run that has ended is sealed again whole, or left exactly as it is; one that goes on keeps its version."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from strongroom.engine import rotation_runs
from strongroom.engine.requests import is_request, json_asked, request_again, sealed_request
from strongroom.errors import KeyMissing, NotFound, StorageFault, Tampered, WrongState
from strongroom.storage import hooks, journal, runs, runs_again, stream_chunks
from tests.fakes.journalled import ended
from tests.fakes.key_rig import roots
from tests.fakes.rotated_runs import RunRig

PLAIN = 11
"""Blobs of a plain run: ten events and the MAC of its header."""


@pytest.fixture
def rig(database, tmp_path):
    """A host that writes under version 1."""
    return RunRig(database, tmp_path, 1)


def change(rig, statement, **values):
    rig.database.write(lambda c: c.execute(text(statement), values).rowcount).result()


def stored(rig, run_id):
    """Everything of a run as it lies there."""
    return rig.database.read(
        lambda c: (
            runs.get(c, run_id),
            journal.events(c, run_id, start=0, limit=100),
            [stream_chunks.chunks(c, run_id, name, start=0, limit=100) for name in ("a", "b")],
            hooks.page(c, run_id, after="", limit=100),
        )
    )


def test_runs_of_every_kind_read_as_before_when_their_old_secret_is_gone(rig, tmp_path):
    headers = rig.every_kind()
    before = [rig.content(each.run_id) for each in headers]
    rig.to_version(2, 1)
    checked = {each.name: each for each in rig.desk.check_rewrap()}
    done = rig.rewrapped()
    assert (done.state, done.problems) == ("done", ())
    assert (checked["table runs"].opens, checked["table runs"].closed) == (done.done, 0)
    assert done.done == done.total == rig.versions()[2]
    assert rig.versions() == {2: done.total}
    assert rig.desk.retire(1)
    again = RunRig(rig.database, tmp_path, 2)
    assert again.root.versions == (2,)
    assert [again.content(each.run_id) for each in headers] == before


def test_a_second_time_there_is_nothing_to_do_and_a_third_version_goes_as_well(rig):
    header = rig.plain(1)
    before = rig.content(header.run_id)
    for version in (2, 3):
        rig.to_version(*range(version, 0, -1))
        assert rig.rewrapped().done == PLAIN
        assert rig.rewrapped().done == 0
    assert (rig.content(header.run_id), rig.versions()) == (before, {3: PLAIN})


@pytest.mark.parametrize("bytes_max", [0, 8_000_000], ids=["by its pages in the transaction", "beside the writer"])
def test_large_and_small_runs_are_sealed_again_alike(rig, monkeypatch, bytes_max):
    monkeypatch.setattr(rotation_runs, "BATCH_BYTES_MAX", bytes_max)
    monkeypatch.setattr(rotation_runs, "PAGE", 2)
    headers = rig.every_kind()
    before = [rig.content(each.run_id) for each in headers]
    rig.to_version(2, 1)
    assert rig.rewrapped().problems == ()
    assert [rig.content(each.run_id) for each in headers] == before
    assert set(rig.versions()) == {2}


def test_runs_that_go_on_keep_their_version_and_go_when_they_have_ended(rig, tmp_path):
    going_on = rig.begun(1)
    waiting = rig.hooked(2, is_ended=False)
    rig.to_version(2, 1)
    old = stored(rig, waiting.run_id)
    assert rig.rewrapped().problems == ()
    assert stored(rig, waiting.run_id) == old
    with pytest.raises(WrongState) as refused:
        rig.desk.retire(1)
    assert refused.value.why == "9 blobs of unfinished runs"
    assert refused.value.fix.startswith("2 runs keep an older version until they end")
    ended(going_on)
    change(rig, "DELETE FROM hooks WHERE run_id = :run", run=waiting.run_id)
    change(rig, "DELETE FROM run_events WHERE run_id = :run", run=waiting.run_id)
    change(rig, "DELETE FROM runs WHERE run_id = :run", run=waiting.run_id)
    assert rig.rewrapped().problems == ()
    assert rig.desk.retire(1)
    RunRig(rig.database, tmp_path, 2).content(going_on.header.run_id)


EVENT_MORE = """INSERT INTO run_events
    SELECT run_id, "index" + 1000, event_type, correlation_id, created_at, sealed FROM run_events WHERE run_id = :run"""
CHUNK_MORE = """INSERT INTO stream_chunks
    SELECT run_id, name, "index" + 9, written_by || 'y', final, created_at, sealed FROM stream_chunks
    WHERE run_id = :run"""
TOUCHED = {
    "header": ("UPDATE runs SET error_code = 'X' WHERE run_id = :run", 3),
    "an event": ("UPDATE run_events SET correlation_id = 'x' WHERE run_id = :run", 3),
    "the last event removed": ('DELETE FROM run_events WHERE run_id = :run AND "index" = 2', 3),
    "one event more": (EVENT_MORE, 3),
    "a chunk": ("UPDATE stream_chunks SET final = 1 WHERE run_id = :run AND name = 'b'", 3),
    "one chunk more": (CHUNK_MORE, 3),
    "a hook": ("UPDATE hooks SET created_at = 5 WHERE run_id = :run", 4),
}


@pytest.mark.parametrize("touched", TOUCHED)
def test_a_run_that_was_touched_stays_as_it_is_is_counted_and_named_and_stops_nobody(rig, touched):
    headers = rig.every_kind()
    statement, number = TOUCHED[touched]
    run_id = headers[number - 1].run_id
    change(rig, statement, run=run_id)
    lies = stored(rig, run_id)
    rig.to_version(2, 1)
    (checked,) = (each for each in rig.desk.check_rewrap() if each.name == "table runs")
    assert [problem.split(":")[0] for problem in checked.problems] in ([f"run {run_id}"], [])
    done = rig.rewrapped()
    assert done.state == "done"
    assert stored(rig, run_id) == lies
    assert any(f"run {run_id}" in problem for problem in done.problems)
    for each in headers:
        if each.run_id != run_id:
            assert rig.history.header(each.run_id).key_version == 2
    with pytest.raises(WrongState, match="key version 1 is still needed"):
        rig.desk.retire(1)


def test_what_no_key_opens_any_more_is_named(rig, tmp_path):
    header = rig.plain(1)
    rig.to_version(2, 1)
    rig.root.become(rig.root.changed(without=1))
    ended_ = rig.rewrapped()
    assert any("it needs" in p or "key" in p for p in ended_.problems)
    assert rig.database.read(lambda c: runs.get(c, header.run_id)).key_version == 1


def test_a_run_that_is_removed_meanwhile_is_passed_over(rig, monkeypatch):
    gone, kept = rig.plain(1), rig.plain(2)
    rig.to_version(2, 1)
    made = rotation_runs.EndedRuns._job

    def removed_behind_it(self, header, version, *, is_small):
        job = made(self, header, version, is_small=is_small)
        if header.run_id == gone.run_id:
            rig.database.write(lambda c: (runs.delete(c, gone.run_id), journal.delete(c, gone.run_id))).result()
        return job

    monkeypatch.setattr(rotation_runs.EndedRuns, "_job", removed_behind_it)
    assert rig.rewrapped().problems == ()
    assert rig.versions() == {2: PLAIN}
    rig.content(kept.run_id)
    with pytest.raises(NotFound):
        rig.history.header(gone.run_id)


def test_an_envelope_that_does_not_open_again_stops_the_job_before_the_commit(rig, monkeypatch):
    header = rig.plain(1)
    lies = stored(rig, header.run_id)
    rig.to_version(2, 1)
    keys = rig.life.run_keys()
    monkeypatch.setattr(
        type(keys),
        "encrypt",
        lambda self, data, context: self.seal(context.place, data + b"x", key_version=context.key_version),
    )
    done = rig.rewrapped()
    assert any("SR-KEY-033" in problem for problem in done.problems)
    assert stored(rig, header.run_id) == lies


STEPS = {
    "the first event": (runs_again, "replace_event", 1),
    "the last event": (runs_again, "replace_event", 2),
    "a chunk": (runs_again, "replace_chunk", 3),
    "the count of its rows": (runs_again, "rows_of", 2),
    "the header": (runs, "replace", 1),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_fault_at_any_step_leaves_the_run_as_it_was_and_the_next_time_it_is_done(rig, monkeypatch, step):
    header = rig.streaming(1)
    before, lies = rig.content(header.run_id), stored(rig, header.run_id)
    rig.to_version(2, 1)
    module, name, number = STEPS[step]
    works, calls = getattr(module, name), []

    def fails(*arguments, **more):
        calls.append(1)
        if len(calls) >= number:
            raise StorageFault("SR-STORE-001", "the disk is full")
        return works(*arguments, **more)

    with monkeypatch.context() as patched:
        patched.setattr(module, name, fails)
        assert any("SR-STORE-001" in problem for problem in rig.rewrapped().problems)
    assert len(calls) >= number
    assert stored(rig, header.run_id) == lies
    assert rig.rewrapped().problems == ()
    assert (rig.content(header.run_id), set(rig.versions())) == (before, {2})


def test_who_reads_while_a_run_is_sealed_again_sees_a_whole_run(rig):
    header = rig.plain(1)
    rig.to_version(2, 1)
    assert rig.rewrapped().done == PLAIN
    assert [each.content for each in rig.journals.read(header)]
    assert [each.content for each in rig.history.stored(header)]
    assert not rig.journals.is_head(rig.history.header(header.run_id), header.head_tag)
    change(rig, "UPDATE runs SET error_code = 'X' WHERE run_id = :run", run=header.run_id)
    with pytest.raises(Tampered):
        rig.journals.read(header)


def test_who_asks_for_a_run_again_finds_it_under_every_version(rig):
    row = replace(rig.begun(1).header, request_digest=b"")
    row = replace(row, request_digest=sealed_request(rig.keys, row, json_asked(b"{}")))
    rig.to_version(2, 1)
    moved = replace(row, key_version=2)
    moved = replace(moved, request_digest=request_again(rig.keys, row, b"", moved))
    rig.root.become(rig.root.changed(without=1))
    assert is_request(rig.keys, moved, json_asked(b"{}"))
    assert not is_request(rig.keys, moved, json_asked(b"[]"))
    with pytest.raises(KeyMissing):
        is_request(rig.keys, row, json_asked(b"{}"))
    assert roots(2).versions == (2,)


def test_counts_tell_ended_runs_from_others(rig):
    rig.plain(1)
    rig.begun(2)
    found = {each.name: dict(each.counts) for each in rig.desk.holdings()}
    assert (found["table runs"], found["table run_events"]) == ({1: 1}, {1: 10})
    assert found["unfinished runs"] == {1: 2}
    assert rig.database.read(lambda c: runs_again.count_unfinished(c, 2)) == 1
