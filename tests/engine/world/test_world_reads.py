"""What comes out of the door: events by page and by correlation id, runs, steps, hooks and streams."""

import threading

import pytest
from ulid import ULID

from strongroom.engine.world.event_reader import event_id, index_of
from strongroom.errors import InvalidInput, LimitExceeded, NotFound, Tampered, TimedOut, Truncated, WrongState
from strongroom.interop.encryptor import EncryptionContext, create_encryptor
from strongroom.pb.strongroom.world.v1.event_data_pb2 import AttributeChange
from strongroom.storage.journal import events as event_rows
from tests.fakes.world_host import race

NOBODY = "f" * 40


def pages(read, cursor=None):
    """Every page of what ``read`` gives behind a cursor."""
    while True:
        page = read(cursor)
        yield page
        if not page.has_more:
            return
        cursor = page.cursor


def numbers(page):
    return [event.row.index for event in page.events]


@pytest.fixture(scope="module")
def long(shared):
    """A run with many events."""
    return shared.begin(*(("wait_created", f"w{number}") for number in range(40)))


@pytest.mark.parametrize("size", [1, 7, 16, 41, 500])
@pytest.mark.parametrize("descending", [False, True])
def test_pages_hold_every_event_once_in_either_order(shared, long, size, descending):
    read = shared.world.reader.list
    found = [
        n for page in pages(lambda c: read(long, cursor=c, limit=size, descending=descending)) for n in numbers(page)
    ]
    assert found == sorted(range(41), reverse=descending)


@pytest.mark.parametrize("descending", [False, True])
def test_events_that_are_appended_meanwhile_move_no_page(shared, descending):
    run_id = shared.begin(*(("wait_created", f"w{number}") for number in range(9)))
    found = []
    for page in pages(lambda c: shared.world.reader.list(run_id, cursor=c, limit=3, descending=descending)):
        found += numbers(page)
        if len(found) < 9:
            shared.create(run_id, "wait_created", f"later{len(found)}")
    wanted = list(range(9, -1, -1)) if descending else list(range(12))
    assert found == wanted


def test_ids_of_events_are_their_numbers_without_a_gap(shared):
    run_id = shared.begin("run_started", "run_completed")
    ids = [event_id(event.row.index) for event in shared.world.reader.list(run_id, limit=9).events]
    assert ids == [f"evnt_{number:026}" for number in (1, 2, 3)]
    assert [index_of(each) for each in ids] == [0, 1, 2]
    assert shared.world.reader.get(run_id, ids[2]).event.data.output == b"encr-out"
    with pytest.raises(NotFound) as error:
        shared.world.reader.get(run_id, event_id(3))
    assert error.value.code == "SR-WORLD-030"


@pytest.mark.parametrize(
    "untrusted",
    ["", "evnt_1", "evnt_" + "0" * 26, "evnt_" + "9" * 26, "evnt_" + "٣" * 26, "1" * 31, "evnt_-" + "1" * 25],
)
def test_an_id_of_no_event_is_refused(untrusted):
    with pytest.raises(InvalidInput) as error:
        index_of(untrusted)
    assert error.value.code == "SR-WORLD-029"


@pytest.mark.parametrize("descending", [False, True])
def test_events_of_one_correlation_id_are_found_in_all_runs(shared, descending):
    name = f"step_{ULID()}"
    runs = sorted(shared.begin(("step_created", name), "run_started", ("step_started", name)) for _ in range(3))
    found, behind = [], None
    while True:
        page, has_more = shared.world.reader.of_correlation(name, behind=behind, limit=2, descending=descending)
        found += [(each.header.run_id, each.event.row.index) for each in page]
        behind = found[-1]
        if not has_more:
            break
    assert found == sorted(((run_id, index) for run_id in runs for index in (1, 3)), reverse=descending)
    of_one, _ = shared.world.reader.of_correlation(name, run_id=runs[1], limit=9)
    assert [each.header.run_id for each in of_one] == [runs[1]] * 2
    hidden, _ = shared.world.reader.of_correlation(name, limit=9, is_allowed=lambda header: header.run_id == runs[2])
    assert {each.header.run_id for each in hidden} == {runs[2]}


def test_a_short_correlation_id_is_looked_for_in_one_run_only(shared, long):
    found, _ = shared.world.reader.of_correlation("w7", run_id=long, limit=9)
    assert [each.event.row.index for each in found] == [8]
    with pytest.raises(InvalidInput) as error:
        shared.world.reader.of_correlation("w7", limit=9)
    assert error.value.code == "SR-WORLD-031"


def test_the_index_of_correlation_ids_answers_the_question(shared):
    plans = []

    def explained(connection):
        seen = connection.exec_driver_sql
        prefix = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "SET enable_seqscan=off; EXPLAIN "
        statement = (
            "SELECT run_id, \"index\" FROM run_events WHERE correlation_id = 'step_01ARZ3NDEKTSV4RRFFQ69G5FAV'"
            ' AND length(correlation_id) > 20 ORDER BY run_id, "index"'
        )
        for part in (prefix + statement).split("; "):
            answer = seen(part)
            plans.extend(str(row) for row in answer) if answer.returns_rows else None

    shared.database.read(explained)
    assert "run_events_by_correlation" in " ".join(plans)


def test_a_run_shows_its_contents_only_where_they_are_asked_for(shared):
    run_id = shared.begin(attributes={"phase": "one", "gone": "x"}, execution_context=b"encr-context")
    shared.create(run_id, "attr_set", changes=[AttributeChange(key="phase", value="2"), AttributeChange(key="gone")])
    shared.create(run_id, "run_failed")
    closed, opened = (shared.world.runs.get(run_id, opened=each) for each in (False, True))
    assert closed.data is None
    assert (closed.view.error_code, closed.view.deployment_id, closed.view.workflow_name) == (
        "USER_ERROR",
        "dpl_1",
        "orders",
    )
    assert (opened.data.input, opened.data.error, opened.data.execution_context) == (
        b"encr-in",
        b"encr-error",
        b"encr-context",
    )
    assert dict(opened.data.attributes) == {"phase": "2"}


def test_steps_and_hooks_show_their_contents_only_where_they_are_asked_for(shared):
    name, hook, token = f"step_{ULID()}", f"hook_{ULID()}", str(ULID())
    run_id = shared.begin(("step_created", name), ("step_retrying", name), ("step_completed", name))
    shared.create(run_id, "hook_created", hook, token=token, is_webhook=True)
    shared.create(run_id, "hook_received", hook)
    assert shared.world.steps.get(run_id, name).data is None
    step = shared.world.steps.get(run_id, name, opened=True).data
    assert (step.input, step.result, step.error) == (b"encr-step-in", b"encr-result", b"encr-again")
    shown = shared.world.hooks.get_by_token(token)
    assert (shown.view.hook_id, shown.view.received, shown.view.is_webhook, shown.data) == (hook, 1, True, None)
    opened = shared.world.hooks.get(run_id, hook, opened=True).data
    assert (opened.token, opened.metadata) == (token, b"encr-meta")
    for read, kind in ((shared.world.steps, "Step"), (shared.world.hooks, "Hook")):
        with pytest.raises(NotFound) as error:
            read.get(run_id, "other")
        assert str(error.value) == f'{kind} "other" not found'


def test_steps_and_hooks_are_listed_in_the_order_in_which_they_came(shared):
    run_id = shared.begin(*(("step_created", f"s{number}") for number in (3, 1, 2)))
    for number in (2, 1):
        shared.create(run_id, "hook_created", f"hook_{number}{ULID()}", token=str(ULID()))
    first = shared.world.steps.list(run_id, limit=2)
    shared.create(run_id, "step_created", "s0")
    rest = shared.world.steps.list(run_id, start=2, limit=2)
    assert [each.view.step_id for each in (*first.shown, *rest.shown)] == ["s3", "s1", "s2", "s0"]
    assert (first.has_more, rest.has_more) == (True, False)
    assert [each.view.hook_id[5] for each in shared.world.hooks.list(run_id, limit=9, opened=True).shown] == ["2", "1"]


def test_runs_are_listed_by_name_status_and_owner_newest_first(shared):
    name = f"orders-{ULID()}"
    made = [shared.begin(workflow_name=name) for _ in range(3)]
    shared.create(made[1], "run_completed")
    everything = shared.world.runs.list(workflow_name=name, limit=9)
    assert {header.run_id for header, _ in everything} == set(made)
    assert all(view.deployment_id == "dpl_1" and view.updated_at for _, view in everything)
    done = shared.world.runs.list(workflow_name=name, status="completed", limit=9)
    assert [(header.run_id, view.status) for header, view in done] == [(made[1], "completed")]
    assert shared.world.runs.list(workflow_name=name, owners={NOBODY}, limit=9) == []
    last = everything[0][0]
    behind = shared.world.runs.list(workflow_name=name, before=(last.created_at, last.run_id), limit=9)
    assert behind == everything[1:]
    with pytest.raises(InvalidInput) as error:
        shared.world.runs.list(status="waiting", limit=9)
    assert error.value.code == "SR-WORLD-039"


def test_many_runs_are_read_and_cancelled_at_once_and_each_has_its_own_outcome(shared):
    going, done = shared.begin(), shared.begin("run_completed")
    missing = f"wrun_{ULID()}"
    assert [each.header.run_id for each in shared.world.runs.get_many([missing, done, going])] == [done, going]
    results = shared.world.runs.cancel_many([going, done, missing], "enough")
    assert [each.error.code if each.error else "" for each in results] == ["", "SR-WORLD-002", "SR-RUN-001"]
    assert shared.world.runs.get(going, opened=True).data.cancel_reason == "enough"
    assert [each.error for each in shared.world.runs.cancel_many([going])] == [None]


def test_ids_of_one_call_are_limited_and_each_comes_once(shared):
    for call in (shared.world.runs.get_many, shared.world.runs.cancel_many):
        with pytest.raises(LimitExceeded) as too_many:
            call([f"wrun_{number}" for number in range(501)])
        with pytest.raises(InvalidInput) as twice:
            call(["wrun_a", "wrun_a"])
        assert (too_many.value.code, twice.value.code) == ("SR-WORLD-028", "SR-WORLD-035")


def test_whoever_waits_for_a_run_is_told_of_its_end(shared):
    run_id = shared.begin()
    with pytest.raises(TimedOut) as error:
        shared.world.runs.wait(run_id, 0)
    assert error.value.code == "SR-WORLD-032"
    looked = threading.Event()

    def work(number):
        if number:
            assert looked.wait(10)
            return shared.create(run_id, "run_completed")
        return shared.world.runs.wait(run_id, 20, is_wanted=lambda: looked.set() or True)

    assert race(2, work)[0].view.status == "completed"


def test_streams_are_written_to_by_whoever_executes_the_run(shared):
    streams, run_id, name = shared.world.streams, shared.begin(), f"strm_{ULID()}"
    assert streams.write(run_id, name, b"one") == 0
    assert streams.write_multi(run_id, name, [b"two", b"three"]) == [1, 2]
    assert [info.name for info in streams.list(run_id, limit=9)] == [name]
    streams.close(run_id, name)
    assert list(streams.get(run_id, name)) == [b"one", b"two", b"three"]
    assert list(streams.get(run_id, name, -1)) == [b"three"]
    chunks, _ = streams.get_chunks(run_id, name, 1, limit=1)
    assert chunks[0].opened() == b"two"
    assert streams.get_info(run_id, name).closed
    open_one = f"strm_{ULID()}"
    streams.write(run_id, open_one, b"part")
    shared.create(run_id, "run_failed")
    with pytest.raises(WrongState):
        streams.write(run_id, open_one, b"late")
    with pytest.raises(Truncated):
        list(streams.get(run_id, open_one))


def test_nothing_of_an_event_is_stored_in_the_clear_but_its_type_and_its_id(shared):
    run_id = shared.begin(attributes={"secret-key": "secret-value"}, execution_context=b"secret-context")
    name = f"step_{ULID()}"
    shared.create(run_id, "step_created", name, step_name="secret-step")
    shared.create(run_id, "hook_created", f"hook_{ULID()}", token="secret-token")
    shared.create(run_id, "run_cancelled", cancel_reason="secret-reason")
    rows = shared.database.read(lambda c: event_rows(c, run_id, start=0, limit=99))
    assert all(row.sealed[:4] == b"srn1" for row in rows)
    stored = b"".join(row.sealed for row in rows) + repr(shared.world.runs.get(run_id).header).encode()
    assert not [word for word in (b"secret", b"encr-", b"dpl_1") if word in stored]


def test_what_a_client_encrypted_under_the_id_that_it_made_comes_back_as_it_was(shared):
    run_id = f"wrun_{ULID()}"
    client, context = create_encryptor(deployment_key=bytes(range(32)), project_id="prj_1"), EncryptionContext(run_id)
    sent = client.encrypt(b"devl[42]", context)
    assert shared.create(run_id, "run_created", input=sent).run.run_id == run_id
    got = shared.world.runs.get(run_id, opened=True).data.input
    assert (got, client.decrypt(got, context)) == (sent, b"devl[42]")
    row = shared.database.read(lambda c: event_rows(c, run_id, start=0, limit=1))[0]
    assert (row.sealed[:4], sent in row.sealed) == (b"srn1", False)


def test_an_event_that_was_touched_is_not_read_and_nothing_is_appended_behind_it(shared):
    run_id = shared.begin("run_started")
    shared.world._ledger._books.clear()

    def touch(connection):
        row = event_rows(connection, run_id, start=1, limit=1)[0]
        table = "UPDATE run_events SET event_type = 'run_completed' WHERE run_id = '{}' AND \"index\" = 1"
        connection.exec_driver_sql(table.format(row.run_id))

    shared.database.write(touch).result()
    for read in (
        lambda: shared.world.reader.list(run_id, limit=9),
        lambda: shared.world.runs.get(run_id),
        lambda: shared.create(run_id, "run_completed"),
    ):
        with pytest.raises(Tampered):
            read()
