"""What answers say beside what was asked for: of what is of nobody who is known, only those hear who may see all."""

from types import SimpleNamespace

import pytest

from strongroom.engine.auditing import CALLER
from strongroom.engine.history import History
from strongroom.engine.limits import EngineLimits
from strongroom.engine.registration import Owners
from strongroom.engine.world.drafts import Draft, checked
from strongroom.errors import InvalidInput
from strongroom.pb.strongroom.v1 import run_pb2, world_pb2
from strongroom.pb.strongroom.v1 import workspace_pb2 as pb
from strongroom.pb.strongroom.world.v1.event_data_pb2 import EventData
from strongroom.services.callers import Caller, caller_of, calling
from strongroom.services.places import waiting
from strongroom.services.roles import need_of
from strongroom.services.runs import RunService
from strongroom.services.workspace_session import SessionCalls
from strongroom.services.world import WorldService
from strongroom.settings.roles import EVERYTHING
from strongroom.storage.database import Database
from strongroom.workspace.session.states import SessionState
from tests.fakes.callers import grant
from tests.fakes.journalled import new_run
from tests.fakes.rows import run_row
from tests.fakes.workflow_host import WorkflowHost

A, B = "aa" * 20, "b2" * 20
ALL, HERS = Caller("all", (grant(["read"]),)), Caller("hers", (grant(EVERYTHING, A),))


@pytest.fixture
def host(sqlite_url):
    database = Database.open(sqlite_url)
    made = WorkflowHost(database)
    yield made
    made.close()
    database.close()


def test_runs_that_failed_authentication_are_listed_for_those_who_may_see_all(host):
    good, forged = (new_run(host.host.journals, number, workflow_owner=A).header.run_id for number in (1, 2))
    forge = "UPDATE runs SET workflow_name = 'forged' WHERE run_id = ?"
    host.database.write(lambda connection: connection.exec_driver_sql(forge, (forged,))).result()
    history = History(host.host.journals)
    rest = dict.fromkeys(("retries", "replays", "audit"))
    service = RunService(host.engine, history, Owners(A), waiting=waiting(), streams=waiting(), **rest)
    listed = {}
    for caller in (ALL, HERS):
        with calling(caller):
            found = service.List(run_pb2.RunServiceListRequest(), None).runs
        listed[caller.name] = [run.run_id for run in found]
    assert listed == {"all": [forged, good], "hers": [good]}


class SignedIn:
    """A session of somebody."""

    state, source, confirmed = SessionState.SIGNED_IN, "https://sync.example", True

    def __init__(self, owner_id):
        self.owner_id = owner_id

    def keyring(self):
        return SimpleNamespace(versions=(1, 2))


@pytest.mark.parametrize("owner_id", ["somebody-else", ""])
def test_who_is_signed_in_is_told_to_those_who_may_read_what_is_his(owner_id):
    calls = SessionCalls(None, SignedIn(owner_id))
    with calling(HERS):
        told = calls.GetSession(pb.WorkspaceServiceGetSessionRequest(), None)
    assert told == pb.WorkspaceServiceGetSessionResponse(state=SessionState.SIGNED_IN.value)
    with calling(ALL):
        told = calls.GetSession(pb.WorkspaceServiceGetSessionRequest(), None)
    assert (told.owner_id, told.source, list(told.key_versions)) == (owner_id, "https://sync.example", [1, 2])


def test_after_a_call_nobody_calls():
    with calling(HERS):
        assert (caller_of(None), CALLER.get()) == (HERS, "hers")
    assert (caller_of(None).name, caller_of(None).grants, CALLER.get()) == ("nobody", (), "")


@pytest.mark.parametrize(
    "data",
    [
        EventData(),
        EventData(deployment_id="d"),
        EventData(deployment_id="", workflow_name="w", input=b"x"),
        EventData(deployment_id="d", workflow_name="w", input=b"x"),
        EventData(workflow_name="w", input=b"x"),
        EventData(attributes={"a": "b"}),
    ],
)
@pytest.mark.parametrize("kind", ["run_created", "run_started"])
def test_what_is_let_in_as_the_begin_of_a_run_is_one_to_the_world(kind, data):
    draft = Draft(kind, "", data)
    request = world_pb2.WorldServiceCreateEventRequest(run_id="wrun_b", owner=A)
    request.event.event_type = kind
    request.event.data.CopyFrom(data)
    asked = need_of("/strongroom.v1.WorldService/CreateEvent", request).of.kind
    try:
        begins = checked(draft, EngineLimits()).makes_run
    except InvalidInput:
        # Nobody gets that far.
        return
    # Else who may begin runs of one owner would append to those of another.
    assert asked == ("owner" if begins else "run")


class Asked:
    """Stands for the world: remembers whose things each call may show."""

    def __init__(self):
        self.owners = []
        self.reader = self.runs = self

    def _seen(self, is_allowed):
        self.owners += [owner for owner in (A, B) if is_allowed(run_row(workflow_owner=owner))]

    def of_correlation(self, _name, *, is_allowed, **_page):
        self._seen(is_allowed)
        return [], False

    def get_many(self, _names, *, is_allowed, **_how):
        self._seen(is_allowed)
        return []

    def cancel_many(self, _names, _reason, *, is_allowed):
        self._seen(is_allowed)
        return []

    def list(self, *, owners, **_page):
        self.owners += sorted(owners)
        return []


@pytest.mark.parametrize(
    ("method", "request_of"),
    [
        ("ListEventsByCorrelation", world_pb2.WorldServiceListEventsByCorrelationRequest),
        ("GetRuns", world_pb2.WorldServiceGetRunsRequest),
        ("ListRuns", world_pb2.WorldServiceListRunsRequest),
    ],
)
def test_who_reads_of_two_owners_and_opens_for_one_is_shown_the_contents_of_that_one(method, request_of):
    caller, shown = Caller("both", (grant(["read"], A, B), grant(["decrypt"], A))), {}
    for reason in ("", "ticket 7"):
        world = Asked()
        service = WorldService(world, Owners(A), waiting=waiting(), audit=None)
        with calling(caller):
            getattr(service, method)(request_of(reason=reason), None)
        shown[reason] = world.owners
    assert shown == {"": [A, B], "ticket 7": [A]}


def test_who_reads_of_two_owners_and_runs_for_one_cancels_runs_of_that_one():
    world = Asked()
    service = WorldService(world, Owners(A), waiting=waiting(), audit=None)
    with calling(Caller("both", (grant(["read"], A, B), grant(["run"], A)))):
        service.CancelRuns(world_pb2.WorldServiceCancelRunsRequest(run_ids=["wrun_a"]), None)
    assert world.owners == [A]
