"""``WorldService``: programs that execute their own runs, by their roles; what is sealed needs a recorded reason."""

import tempfile
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from ulid import ULID

from strongroom.engine.history import no_run
from strongroom.engine.hook_desk import HookDesk, no_hook
from strongroom.engine.journal import now_ms
from strongroom.engine.registration import Owners
from strongroom.pb.strongroom.v1 import world_pb2 as pb
from strongroom.pb.strongroom.v1 import world_pb2_grpc
from strongroom.services import world as services_world
from strongroom.services.access import Access, CallerBook, Finder
from strongroom.services.audited import audited
from strongroom.services.places import waiting
from strongroom.services.server import ApiServer
from strongroom.services.world import WorldService
from strongroom.storage.database import Database
from tests.fakes.audit_book import AuditBook
from tests.fakes.callers import bearer, grant, with_token
from tests.fakes.workflow_host import OWNER
from tests.fakes.world_host import WorldHost, draft

S = 20
OTHER = "a" * 40
CALLERS = [
    with_token("worker", "worker", grant(["read", "run"], OWNER)),
    with_token("looker", "looker", grant(["read"], OWNER)),
    with_token("opener", "opener", grant(["read", "decrypt"], OWNER)),
    with_token("stranger", "stranger", grant(["read", "run", "decrypt"], OTHER)),
    with_token("root", "root", grant(["read", "run", "decrypt"])),
]


@pytest.fixture(scope="module")
def host(sqlite_template, tmp_path_factory):
    place = tmp_path_factory.mktemp("world") / "strongroom.db"
    place.write_bytes(sqlite_template.read_bytes())
    database = Database.open(f"sqlite:///{place}")
    made = WorldHost(database)
    made.host.audit = AuditBook()
    yield made
    made.close()
    database.close()


@pytest.fixture(scope="module")
def stub(host):
    book, desk = host.host.audit, HookDesk(host.host, host.engine)
    owners = Owners(OWNER, frozenset({OTHER}))
    service = WorldService(host.world, owners, waiting=waiting(), audit=book)
    finders = {
        "owner": Finder(owners.checked),
        "run": Finder(lambda run_id: host.history.header(run_id).workflow_owner, no_run),
        "hook": Finder(lambda hook_id: desk.owner_of(hook_id=hook_id), lambda hook_id: no_hook(hook_id=hook_id)),
        "hook token": Finder(lambda token: desk.owner_of(token=token), lambda _token: no_hook()),
    }
    with tempfile.TemporaryDirectory(prefix="sr-") as directory:
        socket = Path(directory) / "s.sock"
        made = audited("WorldService", service, book, OWNER)
        server = ApiServer(
            socket,
            [lambda server: world_pb2_grpc.add_WorldServiceServicer_to_server(made, server)],
            message_bytes_max=8_000_000,
            reflection=False,
            access=Access(base=None, book=CallerBook(CALLERS), finders=finders),
        )
        server.start()
        with grpc.insecure_channel(f"unix:{socket}") as channel:
            yield world_pb2_grpc.WorldServiceStub(channel)
        server.stop(0)


@pytest.fixture
def call(stub):
    def made(method, who="worker", **fields):
        request = getattr(pb, f"WorldService{method}Request")(**fields)
        return getattr(stub, method)(request, timeout=S, metadata=bearer(who))

    return made


@pytest.fixture
def book(host):
    host.host.audit.records.clear()
    return host.host.audit


def event(kind, name="", **data):
    made = draft(kind, name, **data)
    return pb.WorldDraft(event_type=kind, correlation_id=name, data=made.data)


def create(call, run_id, kind, name="", owner="", who="worker", **data):
    return call("CreateEvent", who, run_id=run_id, event=event(kind, name, **data), owner=owner)


def refused(function):
    with pytest.raises(grpc.RpcError) as caught:
        function()
    info = error_details_pb2.ErrorInfo()
    rpc_status.from_call(caught.value).details[0].Unpack(info)
    return caught.value.code().name, info.reason, dict(info.metadata)


@pytest.fixture
def run_id(call):
    made = f"wrun_{ULID()}"
    create(call, made, "run_created")
    create(call, made, "run_started")
    return made


def test_a_run_is_executed_by_its_program_from_end_to_end(call, book):
    run_id, step, hook, token = f"wrun_{ULID()}", f"step_{ULID()}", f"hook_{ULID()}", str(ULID())
    assert create(call, run_id, "run_created").run.run_id == run_id
    batch = [event("run_started"), event("step_created", step), event("step_started", step)]
    results = call("CreateEvents", run_id=run_id, events=batch).results
    assert [each.event.event_type for each in results] == ["run_started", "step_created", "step_started"]
    assert (results[2].step.status, results[2].step.attempt) == ("running", 1)
    made = create(call, run_id, "hook_created", hook, token=token)
    assert (made.hook.hook_id, made.event.HasField("data")) == (hook, False)
    for named in ({"token": token}, {"hook_id": hook}, {"hook_id": hook, "run_id": run_id}):
        assert call("GetHook", **named).hook.run_id == run_id
        assert refused(lambda n=named: call("GetHook", "stranger", **n))[0] == "NOT_FOUND"
    assert create(call, run_id, "hook_received", hook).hook.received == 1
    assert create(call, run_id, "wait_created", "w").wait.status == "waiting"
    assert create(call, run_id, "step_completed", step).step.status == "completed"
    done = create(call, run_id, "run_completed").run
    assert (done.status, done.module, done.deployment_id, done.spec_version) == ("completed", "external", "dpl_1", 7)
    assert call("WaitForRun", run_id=run_id).run.status == "completed"
    assert call("ListHooks", run_id=run_id).hooks[0].disposed
    assert call("ListWaits", run_id=run_id).waits[0].wait_id == "w"
    assert [step.step_name for step in call("ListSteps", run_id=run_id).steps] == ["charge"]
    assert book.told() == [("run.start", run_id, "done")]


def test_nothing_that_is_sealed_comes_without_a_reason_and_with_one_it_is_recorded(call, run_id, book):
    create(call, run_id, "step_created", "s")
    create(call, run_id, "hook_created", f"hook_{ULID()}", token=str(ULID()))
    reads = {
        "GetRun": ({}, lambda answer: [answer.run]),
        "GetRuns": ({"run_ids": [run_id]}, lambda answer: answer.runs),
        "ListRuns": ({"workflow_name": "orders"}, lambda answer: answer.runs),
        "GetEvent": ({"event_id": f"evnt_{1:026}"}, lambda answer: [answer.event]),
        "ListEvents": ({}, lambda answer: answer.events),
        "ListEventsByCorrelation": ({"correlation_id": "s"}, lambda answer: answer.events),
        "GetStep": ({"step_id": "s"}, lambda answer: [answer.step]),
        "ListSteps": ({}, lambda answer: answer.steps),
        "ListHooks": ({}, lambda answer: answer.hooks),
    }
    for method, (fields, shown) in reads.items():
        if "run_ids" not in fields and method != "ListRuns":
            fields = {"run_id": run_id, **fields}
        closed = shown(call(method, "looker", **fields))
        assert [each.HasField("data") for each in closed] == [False] * max(len(closed), 1), method
        book.records.clear()
        assert refused(lambda m=method, f=fields: call(m, "looker", reason="ticket 7", **f))[1] == "SR-AUTH-001"
        opened = shown(call(method, "opener", reason="ticket 7", **fields))
        assert all(each.HasField("data") for each in opened), method
        told = [(each.action, each.reason) for each in book.records if each.subject == run_id]
        assert set(told) == {("run.decrypt", "ticket 7")}, method


def test_a_hook_is_opened_however_it_is_named_only_for_those_who_may_and_on_record(call, book, run_id):
    create(call, run_id, "hook_created", hook := f"hook_{ULID()}", token=(token := str(ULID())))
    for named in ({"token": token}, {"hook_id": hook}, {"hook_id": hook, "run_id": run_id}):
        assert not call("GetHook", "looker", **named).hook.HasField("data")
        assert refused(lambda n=named: call("GetHook", "looker", reason="why", **n))[1] == "SR-AUTH-001"
        book.records.clear()
        assert call("GetHook", "opener", reason="why", **named).hook.data.token == token
        assert {(each.action, each.subject, each.reason) for each in book.records} == {("run.decrypt", run_id, "why")}


def test_a_run_that_does_not_open_takes_no_other_from_a_list_with_contents(call, host, run_id):
    damaged = f"wrun_{ULID()}"
    call("CreateEvents", run_id=damaged, events=[event("run_created"), event("run_started"), event("run_completed")])
    change = "UPDATE run_events SET sealed = x'00' WHERE run_id = ? AND \"index\" = 1"
    host.database.write(lambda c: c.exec_driver_sql(change, (damaged,)).rowcount).result()
    host.world._ledger._books.clear()
    assert refused(lambda: call("GetRun", "opener", run_id=damaged, reason="why"))[0] == "DATA_LOSS"
    shown = {each.run_id for each in call("ListRuns", "opener", reason="why", page_size=100).runs}
    assert shown & {run_id, damaged} == {run_id}


def test_runs_of_an_owner_are_not_there_for_others(call, run_id):
    for method in ("GetRun", "ListEvents", "ListSteps", "ListHooks", "ListWaits", "WaitForRun"):
        code, reason, _ = refused(lambda m=method: call(m, "stranger", run_id=run_id))
        assert (code, reason) == ("NOT_FOUND", "SR-RUN-001"), method
    assert refused(lambda: create(call, run_id, "run_completed", who="stranger"))[1] == "SR-RUN-001"
    start = {"deployment_id": "d", "workflow_name": "w", "input": b"x"}
    assert refused(lambda: create(call, run_id, "run_started", owner=OTHER, who="stranger", **start))[1] == "SR-RUN-001"
    assert list(call("GetRuns", "stranger", run_ids=[run_id]).runs) == []
    assert list(call("ListRuns", "stranger").runs) == []
    [result] = call("CancelRuns", "stranger", run_ids=[run_id]).results
    assert (result.cancelled, result.code) == (False, "SR-RUN-001")
    name = f"step_{ULID()}"
    create(call, run_id, "step_created", name)
    assert len(call("ListEventsByCorrelation", "worker", correlation_id=name).events) == 1
    assert list(call("ListEventsByCorrelation", "stranger", correlation_id=name).events) == []


def test_a_run_is_made_for_an_owner_of_whom_one_may_make_runs(call):
    assert refused(lambda: create(call, f"wrun_{ULID()}", "run_created", owner=OTHER))[0] == "PERMISSION_DENIED"
    assert refused(lambda: create(call, f"wrun_{ULID()}", "run_created", who="looker"))[1] == "SR-AUTH-001"
    made = create(call, "", "run_created", owner=OTHER, who="stranger").run
    assert (made.owner, made.run_id[:5]) == (OTHER, "wrun_")
    start = {"deployment_id": "d", "workflow_name": "w", "input": b"x"}
    assert create(call, f"wrun_{ULID()}", "run_started", **start).run.status == "running"


def test_refusals_have_their_status_and_their_facts(call, run_id):
    create(call, run_id, "step_created", "s")
    assert refused(lambda: create(call, run_id, "step_created", "s"))[:2] == ("ALREADY_EXISTS", "SR-WORLD-006")
    create(call, run_id, "step_retrying", "s", retry_after_unix_ms=now_ms() + 60_000)
    code, reason, facts = refused(lambda: create(call, run_id, "step_started", "s"))
    assert (code, reason, 50 < int(facts["retry_after"]) <= 60) == ("UNAVAILABLE", "SR-WORLD-009", True)
    create(call, run_id, "run_completed")
    assert refused(lambda: create(call, run_id, "run_started"))[:2] == ("FAILED_PRECONDITION", "SR-WORLD-001")
    assert refused(lambda: create(call, run_id, "run_exploded"))[:2] == ("INVALID_ARGUMENT", "SR-WORLD-017")
    assert refused(lambda: call("CreateEvent", run_id=run_id))[1] == "SR-WORLD-017"
    assert refused(lambda: call("CreateEvents", run_id=run_id))[1] == "SR-WORLD-036"
    assert refused(lambda: call("GetHook", hook_id="nobody"))[:2] == ("NOT_FOUND", "SR-HOOK-017")
    assert refused(lambda: call("GetHook"))[0] == "INVALID_ARGUMENT"
    assert refused(lambda: call("GetHook", token="nobody"))[:2] == ("NOT_FOUND", "SR-HOOK-017")


@pytest.mark.parametrize("descending", [False, True])
def test_pages_follow_each_other_and_a_token_of_another_list_is_refused(call, run_id, descending):
    for number in range(5):
        create(call, run_id, "step_created", f"s{number}")
    found, token = [], ""
    while True:
        page = call("ListEvents", run_id=run_id, page_size=3, page_token=token, descending=descending)
        found += [int(each.event_id[5:]) for each in page.events]
        token = page.next_page_token
        if not token:
            break
        wrong = {"run_id": run_id, "page_token": token, "descending": not descending}
        assert refused(lambda w=wrong: call("ListEvents", **w))[1] == "SR-WORLD-038"
    assert found == sorted(range(1, 8), reverse=descending)
    steps = call("ListSteps", run_id=run_id, page_size=4)
    rest = call("ListSteps", run_id=run_id, page_size=4, page_token=steps.next_page_token)
    assert [each.step_id for each in (*steps.steps, *rest.steps)] == [f"s{number}" for number in range(5)]
    assert rest.next_page_token == ""


def test_pages_of_runs_and_of_correlation_ids_follow_each_other(call):
    name, step = f"w-{ULID()}", f"step_{ULID()}"
    made = [create(call, "", "run_created", workflow_name=name).run.run_id for _ in range(3)]
    for run_id in made:
        create(call, run_id, "step_created", step)
    first = call("ListRuns", workflow_name=name, page_size=2)
    rest = call("ListRuns", workflow_name=name, page_size=2, page_token=first.next_page_token)
    assert {each.run_id for each in (*first.runs, *rest.runs)} == set(made)
    one = call("ListEventsByCorrelation", correlation_id=step, page_size=2)
    two = call("ListEventsByCorrelation", correlation_id=step, page_size=2, page_token=one.next_page_token)
    assert [each.run_id for each in (*one.events, *two.events)] == sorted(made)
    assert (len(one.events), two.next_page_token) == (2, "")


def test_a_page_of_opened_runs_ends_once_it_is_large(call, monkeypatch):
    monkeypatch.setattr(services_world, "PAGE_BYTES", 1_500)
    name = f"w-{ULID()}"
    made = {create(call, "", "run_created", workflow_name=name, input=b"x" * 1_000).run.run_id for _ in range(3)}
    found, token = [], ""
    while not found or token:
        page = call("ListRuns", "opener", workflow_name=name, page_token=token, reason="ticket 7")
        found.append([each.run_id for each in page.runs])
        token = page.next_page_token
    assert [len(each) for each in found] == [2, 1]
    assert {each for page in found for each in page} == made


def test_runs_that_are_cancelled_are_on_record(call, run_id, book):
    [result] = call("CancelRuns", run_ids=[run_id], cancel_reason="enough").results
    assert (result.cancelled, result.code) == (True, "")
    assert [(action, subject) for action, subject, _ in book.told()] == [("run.cancel", run_id)]
    book.records.clear()
    create(call, run_id, "run_cancelled")
    assert [(action, subject) for action, subject, _ in book.told()] == [("run.cancel", run_id)]
    long = refused(lambda: create(call, run_id, "run_cancelled", cancel_reason="x" * 513))
    assert long[1] == "SR-WORLD-022"


def test_whoever_is_not_told_in_time_asks_again(stub, run_id):
    request = pb.WorldServiceWaitForRunRequest(run_id=run_id)
    with pytest.raises(grpc.RpcError) as caught:
        stub.WaitForRun(request, timeout=0.3, metadata=bearer("worker"))
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_the_host_says_which_contract_it_speaks(call):
    assert call("GetInfo").spec_version == 7
