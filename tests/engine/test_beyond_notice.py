"""What a host alone cannot notice, as SECURITY.md says: authentic rows of earlier, and rows that are gone."""

from sqlalchemy import text

from strongroom.engine.admission import Start
from strongroom.engine.catalog import Catalog
from strongroom.engine.history import History
from tests.engine.test_execution import ACTION, ANSWER, CALL, WAIT_S
from tests.engine.test_tampering import run, sql
from tests.fakes.capabilities import ScriptedCapability
from tests.fakes.workflow_host import OWNER, WorkflowHost, value


def row_of(host, table, key, key_value):
    """A row as it is now, by column."""

    def job(connection):
        found = connection.execute(text(f"SELECT * FROM {table} WHERE {key} = :k"), {"k": key_value})
        return dict(found.mappings().one())

    return host.database.write(job).result()


def put_back(host, table, key, row):
    """Make the row what it was."""
    changes = ", ".join(f'"{column}" = :{column}' for column in row)
    sql(host, f"UPDATE {table} SET {changes} WHERE {key} = :{key}", **row)


def test_a_paused_workflow_runs_again_when_its_whole_row_is_put_back(host):
    identity = host.register().spec.workflow_id
    before = row_of(host, "workflow_specs", "workflow_id", identity)
    Catalog(host.host).pause(OWNER, identity)
    put_back(host, "workflow_specs", "workflow_id", before)
    assert run(host).status == "completed"


def test_a_run_that_is_deleted_with_all_of_its_rows_was_never_there(host):
    host.register()
    gone, left = run(host), run(host)
    for table in ("run_events", "seen_events", "runs"):
        sql(host, f"DELETE FROM {table} WHERE run_id = :k", k=gone.run_id)
    listed = History(host.host.journals).page(workflow_id="", owners=None, statuses=[], before=None, limit=10)
    assert [(header.run_id, authentic) for header, authentic in listed] == [(left.run_id, True)]


def resumed(database, capability):
    """Another host on this database, which takes up what has not ended."""
    after = WorkflowHost(database)
    after.capabilities.found[ACTION] = capability
    after.module.on_trigger = lambda request, helper: helper.call_capability(CALL) and value("done")
    return after, after.engine.resume()


def test_a_run_whose_tail_is_cut_off_together_with_its_older_header_sends_a_step_again(host):
    capability = ScriptedCapability({"PerformAction": ANSWER})
    host.register()
    for workers in host.engine.dispatcher._workers.values():
        workers.shutdown()
    run_id = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))[0].run_id
    host.cut_off()
    older = row_of(host, "runs", "run_id", run_id)
    for times in (1, 2):
        after, count = resumed(host.database, capability)
        assert count == 1
        assert after.engine.wait(run_id, WAIT_S)[0].status == "completed"
        assert len(capability.called("PerformAction")) == times
        after.cut_off()
        after.close()
        put_back(host, "runs", "run_id", older)
        statement = 'DELETE FROM run_events WHERE run_id = :k AND "index" > :i'
        sql(host, statement, k=run_id, i=older["head_index"])
