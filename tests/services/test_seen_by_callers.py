"""What answers say beside what was asked for: of what is of nobody who is known, only those hear who may see all."""

from types import SimpleNamespace

import pytest

from strongroom.engine.auditing import CALLER
from strongroom.engine.history import History
from strongroom.engine.registration import Owners
from strongroom.pb.strongroom.v1 import run_pb2
from strongroom.pb.strongroom.v1 import workspace_pb2 as pb
from strongroom.services.callers import Caller, caller_of, calling
from strongroom.services.places import waiting
from strongroom.services.runs import RunService
from strongroom.services.workspace_session import SessionCalls
from strongroom.settings.roles import EVERYTHING
from strongroom.storage.database import Database
from strongroom.workspace.session.states import SessionState
from tests.fakes.callers import grant
from tests.fakes.journalled import new_run
from tests.fakes.workflow_host import WorkflowHost

A = "aa" * 20
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
