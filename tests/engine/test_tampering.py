"""What is changed behind strongroom's back is noticed: never routed, never executed, never shown as true."""

import pytest
from sqlalchemy import text

from strongroom.engine.admission import Start
from strongroom.engine.catalog import Catalog
from strongroom.engine.history import History
from strongroom.engine.specs import TamperedSpec
from strongroom.errors import StrongroomError, Tampered
from strongroom.storage.runs import RunRow
from strongroom.storage.specs import SpecRow
from tests.fakes.workflow_host import OWNER, WorkflowHost

SPEC_COLUMNS = [
    name for name in SpecRow.__dataclass_fields__ if name not in {"workflow_id", "workflow_owner", "workflow_name"}
]
RUN_COLUMNS = [name for name in RunRow.__dataclass_fields__ if name != "run_id"]
ATTRIBUTES = b'{"vault_don_secrets": []}'


def sql(host, statement, **values):
    def job(connection):
        return (
            [tuple(row) for row in result]
            if (result := connection.execute(text(statement), values)).returns_rows
            else None
        )

    return host.database.write(job).result()


def other(value):
    """A value of the same type that differs."""
    if value is None:
        return 1
    if isinstance(value, int):
        return value + 1
    if isinstance(value, bytes | memoryview):
        value = bytes(value)
        return bytes([value[0] ^ 1]) + value[1:] if value else b"x"
    return value[:-1] + ("x" if not value.endswith("x") else "y") if value else "x"


def flip(host, table, key, key_value, column):
    ((before,),) = sql(host, f"SELECT {column} FROM {table} WHERE {key} = :k", k=key_value)
    sql(host, f"UPDATE {table} SET {column} = :v WHERE {key} = :k", v=other(before), k=key_value)


def run(host):
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    return host.engine.wait(header.run_id, 10)[0]


@pytest.mark.parametrize("column", SPEC_COLUMNS)
def test_a_workflow_record_with_a_flipped_column_is_listed_and_never_executed(host, column):
    workflow_id = host.register(attributes=ATTRIBUTES, tag="t", config=b"c").spec.workflow_id
    flip(host, "workflow_specs", "workflow_id", workflow_id, column)
    with pytest.raises((Tampered, StrongroomError)) as caught:
        host.engine.start(Start(owner=OWNER, workflow=workflow_id, json=b"1"))
    assert caught.value.code in {"SR-SEAL-001", "SR-KEY-002"}
    assert host.module.executed == []
    (listed,) = Catalog(host.host).page(None, None, 10)
    assert isinstance(listed, TamperedSpec)


@pytest.mark.parametrize("column", ["workflow_id", "workflow_owner", "workflow_name"])
def test_a_workflow_record_under_another_identity_is_tampered(host, column):
    workflow_id = host.register().spec.workflow_id
    flip(host, "workflow_specs", "workflow_id", workflow_id, column)
    (listed,) = Catalog(host.host).page(None, None, 10)
    assert isinstance(listed, TamperedSpec)


def test_a_binary_that_was_changed_is_not_executed(host):
    spec = host.register().spec
    sql(host, "UPDATE workflow_binaries SET workflow = :v", v=b"\x00asm\x01\x00\x00\x00evil")
    with pytest.raises(Tampered, match="workflow binary failed authentication"):
        host.host.raw_module(spec)


@pytest.mark.parametrize("column", RUN_COLUMNS)
def test_a_run_header_with_a_flipped_column_is_marked(host, column):
    host.register()
    header = run(host)
    flip(host, "runs", "run_id", header.run_id, column)
    with pytest.raises(StrongroomError) as caught:
        host.engine.get(header.run_id)
    assert caught.value.code in {"SR-SEAL-001", "SR-KEY-002"}
    history = History(host.host.journals)
    ((_, authentic),) = history.page(workflow_id="", owners=None, statuses=[], before=None, limit=10)
    assert not authentic


def test_a_tampered_run_is_not_resumed(host):
    host.register()
    header = run(host)
    sql(host, "UPDATE runs SET status = 'running' WHERE run_id = :k", k=header.run_id)
    after = WorkflowHost(host.database)
    assert after.engine.resume() == 0
    assert after.module.executed == []


@pytest.mark.parametrize("index", [0, 1, 2], ids=["the first", "a middle one", "the last"])
@pytest.mark.parametrize("column", ["event_type", "correlation_id", "sealed"])
def test_a_changed_event_breaks_the_journal(host, index, column):
    host.register()
    header = run(host)
    where = f"UPDATE run_events SET {column} = :v WHERE run_id = :k AND index = :i".replace("index", '"index"')
    sql(host, where, v=other(b"xxxx" * 20) if column == "sealed" else "run_failed", k=header.run_id, i=index)
    with pytest.raises(Tampered):
        host.host.journals.read(header)


@pytest.mark.parametrize("index", [0, 1, 2], ids=["the first", "a middle one", "the last"])
def test_a_deleted_event_breaks_the_journal(host, index):
    host.register()
    header = run(host)
    sql(host, 'DELETE FROM run_events WHERE run_id = :k AND "index" = :i', k=header.run_id, i=index)
    with pytest.raises(Tampered):
        host.host.journals.read(header)
    with pytest.raises(Tampered):
        History(host.host.journals).events(header.run_id, 0, 100)


def test_events_that_change_places_break_the_journal(host):
    host.register()
    header = run(host)
    for old, new in ((1, 99), (2, 1), (99, 2)):
        statement = 'UPDATE run_events SET "index" = :n WHERE run_id = :k AND "index" = :o'
        sql(host, statement, n=new, o=old, k=header.run_id)
    with pytest.raises(Tampered):
        host.host.journals.read(header)


def test_a_repeated_event_breaks_the_journal(host):
    host.register()
    header = run(host)
    columns = "run_id, event_type, correlation_id, created_at, sealed"
    copy = f'INSERT INTO run_events ({columns}, "index") SELECT {columns}, 3 FROM run_events '
    copy += 'WHERE "index" = 2 AND run_id = :k'
    sql(host, copy, k=header.run_id)
    page, _ = History(host.host.journals).events(header.run_id, 0, 100)
    assert [event.content is None for event in page] == [False, False, False, True]


def test_an_event_of_another_run_does_not_fit(host):
    host.register()
    one, two = run(host), run(host)
    move = (
        'UPDATE run_events SET sealed = (SELECT sealed FROM run_events WHERE run_id = :o AND "index" = 2) '
        'WHERE run_id = :k AND "index" = 2'
    )
    sql(host, move, o=one.run_id, k=two.run_id)
    with pytest.raises(Tampered):
        host.host.journals.read(two)


def test_the_tail_of_a_journal_with_an_old_header_is_what_the_host_alone_cannot_notice(host):
    host.register()
    gate_header = run(host)
    ((count,),) = sql(host, "SELECT count(*) FROM run_events WHERE run_id = :k", k=gate_header.run_id)
    assert count == gate_header.head_index + 1
    sql(host, 'DELETE FROM run_events WHERE run_id = :k AND "index" = 2', k=gate_header.run_id)
    with pytest.raises(Tampered):
        host.host.journals.read(gate_header)
