"""Records in the database are counted by the version they name, and those that can are sealed again."""

import dataclasses

import pytest
from sqlalchemy import text

from strongroom.audit.log_chain import Head, LogName
from strongroom.engine.host_audit import SealedHeads
from strongroom.engine.rotation_tables import tables
from strongroom.errors import StorageFault, WrongState
from strongroom.keyring.records import RecordKeys
from strongroom.storage import audit_heads, key_counts, plugin_store, runs
from strongroom.storage import specs as spec_rows
from tests.fakes.key_rig import KeyRig, roots
from tests.fakes.rows import event_row, run_row


@pytest.fixture
def rig(database, tmp_path):
    """A database in which version 1 wrote, and 2 writes now."""
    made = KeyRig(database, tmp_path, 1)
    for number in range(3):
        made.add_workflow(number, config=b"config %d" % number)
        made.store.put(f"key {number}", b"value %d" % number, owner="owner")
    made.write(2, 1)
    made.life.reload()
    made.life.promote(2)
    return made


def counts(rig):
    return {
        table: dict(rig.database.read(lambda c, t=table: key_counts.by_version(c, t))) for table in key_counts.TABLES
    }


def rewrapped(rig):
    rig.desk.rotation.start()
    return list(rig.desk.rotation.follow(0.01, is_wanted=lambda: True))[-1]


def test_macs_and_headers_are_counted(rig):
    assert counts(rig) == {
        "workflow_specs": {1: 9},
        "plugin_values": {1: 3},
        "runs": {},
        "run_events": {},
        "stream_chunks": {},
        "hooks": {},
        "audit_heads": {},
    }
    rig.add_workflow(9)
    assert counts(rig)["workflow_specs"] == {1: 9, 2: 3}


def test_runs_and_their_events_are_counted_by_what_they_name(rig):
    row = run_row(1, key_version=1)

    def job(connection):
        runs.insert(connection, row)
        runs.append(connection, event_row(row, 0, sealed=b"srn1\0\0\0\1" + bytes(40)))
        runs.append(connection, event_row(row, 1, sealed=b"srn1\0\0\0\2" + bytes(40)))
        runs.append(connection, event_row(row, 2, sealed=b""))

    rig.database.write(job).result()
    assert (counts(rig)["runs"], counts(rig)["run_events"]) == ({1: 1}, {1: 1, 2: 1})


def test_everything_is_sealed_again_and_reads_as_before(rig):
    ended = rewrapped(rig)
    assert (ended.state, ended.done, ended.total, ended.problems) == ("done", 12, 12, ())
    assert counts(rig) == {
        "workflow_specs": {2: 9},
        "plugin_values": {2: 3},
        "runs": {},
        "run_events": {},
        "stream_chunks": {},
        "hooks": {},
        "audit_heads": {},
    }
    rig.life.retire(1, lambda _version: None)
    again = KeyRig(rig.database, rig.file.parent, 2)
    for number in range(3):
        assert again.specs.get(f"{number:064x}").config == b"config %d" % number
        assert again.store.get(f"key {number}", owner="owner") == b"value %d" % number


def test_a_record_that_does_not_open_stays_as_it_is_is_counted_and_stops_nothing(rig):
    bad = rig.database.read(lambda c: spec_rows.get(c, f"{0:064x}"))
    rig.database.write(lambda c: spec_rows.replace(c, dataclasses.replace(bad, workflow_tag="forged"))).result()
    rig.database.write(
        lambda c: plugin_store.put(c, "plugin", "owner", "key 0", b"srr1\0\0\0\1" + bytes(40), updated_at=1)
    ).result()
    ended = rewrapped(rig)
    assert (ended.state, ended.done, ended.total) == ("done", 8, 12)
    assert ended.problems == (
        "table workflow_specs: 3 blobs keep their version, since they cannot be opened (SR-KEY-031)",
        "table plugin_values: 1 blobs keep their version, since they cannot be opened (SR-KEY-031)",
    )
    assert counts(rig)["workflow_specs"] == {1: 3, 2: 6}
    assert counts(rig)["plugin_values"] == {1: 1, 2: 2}
    with pytest.raises(WrongState, match="3 blobs of table workflow_specs, 1 blobs of table plugin_values"):
        rig.desk.retire(1)


@pytest.mark.parametrize(("module", "name"), [(spec_rows, "replace"), (key_counts, "replace_value")])
def test_what_a_fault_kept_from_the_disk_is_found_by_the_next_job(rig, monkeypatch, module, name):
    def fails(*_arguments):
        raise StorageFault("SR-STORE-001", "the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(module, name, fails)
        assert any("SR-STORE-001" in problem for problem in rewrapped(rig).problems)
    assert rewrapped(rig).problems == ()
    assert (counts(rig)["workflow_specs"], counts(rig)["plugin_values"]) == ({2: 9}, {2: 3})


def test_what_somebody_changes_meanwhile_is_not_overwritten(rig):
    everything = tables(rig.database, rig.keys, rig.life.run_keys())
    values = next(each for each in everything if each.name == "table plugin_values")
    batch = values.batch
    page = batch._page

    def changed_behind_it(*where):
        found = page(*where)
        if found:
            rig.store.put("key 1", b"newer", owner="owner")
        return found

    batch._page = changed_behind_it
    while values.rewrap(500):
        pass
    assert rig.store.get("key 1", owner="owner") == b"newer"
    assert counts(rig)["plugin_values"] == {2: 3}


def test_a_workflow_that_is_paused_or_removed_meanwhile_stays_so(rig):
    (records, *_) = tables(rig.database, rig.keys, rig.life.run_keys())
    page, seen = records.batch._page, []

    def changed_behind_it(*where):
        found = page(*where)
        if not seen:
            seen.extend(row.workflow_id for row in found)
            rig.specs.set_status(rig.specs.get(seen[0]), "paused")
            rig.specs.remove(seen[1], validate_only=False)
        return found

    records.batch._page = changed_behind_it
    while records.rewrap(500):
        pass
    assert rig.specs.get(seen[0]).row.status == "paused"
    assert rig.specs.get(seen[1]) is None
    assert counts(rig)["workflow_specs"] == {2: 6}


def test_a_batch_is_no_larger_than_asked_for(rig):
    specs, values, *_ = tables(rig.database, rig.keys, rig.life.run_keys())
    assert (specs.rewrap(1), counts(rig)["workflow_specs"]) == (3, {1: 6, 2: 3})
    assert (values.rewrap(2), counts(rig)["plugin_values"]) == (2, {1: 1, 2: 2})
    assert (values.rewrap(2), values.rewrap(2), values.rewrap(2)) == (1, 0, 0)


def test_more_unreadable_records_than_a_batch_are_passed(rig):
    for number in range(60):
        rig.store.put(f"a {number:02}", b"v", owner="")
    rig.database.write(
        lambda c: c.execute(text("UPDATE plugin_values SET owner = 'moved', value = value WHERE owner = ''"))
    ).result()
    for number in range(60):
        junk = b"srr1\0\0\0\1" + bytes([number]) * 40
        rig.database.write(
            lambda c, n=number, j=junk: plugin_store.put(c, "plugin", "moved", f"a {n:02}", j, updated_at=1)
        ).result()
    values = tables(rig.database, rig.keys, rig.life.run_keys())[1]
    assert values.rewrap(10) == 3
    assert values.rewrap(10) == 0
    assert counts(rig)["plugin_values"] == {1: 60, 2: 3}


def test_a_value_of_no_version_counts_as_none(rig):
    rig.database.write(lambda c: plugin_store.put(c, "p", "o", "k", b"", updated_at=1)).result()
    assert counts(rig)["plugin_values"] == {1: 3}


def test_looking_opens_what_would_be_sealed_again_and_changes_nothing(rig):
    before = counts(rig)
    assert {each.name: (each.opens, each.closed) for each in rig.desk.check_rewrap()} == {
        "table workflow_specs": (9, 0),
        "table plugin_values": (3, 0),
    }
    assert counts(rig) == before
    rewrapped(rig)
    assert rig.desk.check_rewrap() == []


def test_looking_names_what_cannot_be_opened(rig):
    def job(connection):
        connection.execute(
            text(
                "UPDATE workflow_specs SET attributes = :b WHERE workflow_id IN"
                " (SELECT min(workflow_id) FROM workflow_specs)"
            ),
            {"b": b"changed"},
        )
        connection.execute(text("UPDATE plugin_values SET key = 'moved' WHERE key = 'key 1'"))

    rig.database.write(job).result()
    specs, values = rig.desk.check_rewrap()
    assert (specs.opens, specs.closed, len(specs.problems)) == (6, 3, 1)
    assert (values.opens, values.closed) == (2, 1)
    assert values.problems[0].startswith("a value of plugin plugin: ")
    assert "value 1" not in repr(values)


def test_the_head_of_an_audit_log_is_sealed_again_also_of_a_host_that_is_gone(rig):
    gone, head = LogName("deployment", "gone"), Head(7, bytes(32), 7)
    SealedHeads(gone, rig.database, RecordKeys(roots(1))).write(head).result(10)
    assert counts(rig)["audit_heads"] == {1: 1}
    assert not rewrapped(rig).problems
    assert counts(rig)["audit_heads"] == {2: 1}
    assert SealedHeads(gone, rig.database, rig.keys).read() == head


def test_the_head_of_an_audit_log_that_somebody_changed_is_left_and_named(rig):
    rig.database.write(lambda connection: audit_heads.set(connection, "gone", b"srh1\0\0\0\1" + bytes(60))).result()
    rewrapped(rig)
    assert counts(rig)["audit_heads"] == {1: 1}
    (looked,) = [each for each in rig.desk.check_rewrap() if each.name == "table audit_heads"]
    assert (looked.opens, looked.closed) == (0, 1)
    assert "the audit log of gone" in looked.problems[0]
