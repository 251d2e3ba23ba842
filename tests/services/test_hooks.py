"""``HookService``: hooks by token or id, pages of them, and contents for a reason that is written down."""

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from strongroom.pb.strongroom.v1 import hook_pb2 as pb
from strongroom.pb.strongroom.v1 import hook_pb2_grpc
from tests.fakes.hook_api import hook_api
from tests.fakes.hook_guest import HookGuest, asleep, started, waiting_with
from tests.fakes.scripted_guest import WAIT_S
from tests.fakes.workflow_host import value

TOKEN = pb.HookName(token="t")  # a name of the test's own


@pytest.fixture
def rig(sqlite_url):
    with hook_api(sqlite_url) as made:
        yield made


@pytest.fixture
def api(rig):
    with grpc.insecure_channel(f"unix:{rig.socket}") as channel:
        yield hook_pb2_grpc.HookServiceStub(channel)


def refused(call, request):
    """The status and the code of a refusal."""
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=WAIT_S)
    info = error_details_pb2.ErrorInfo()
    assert rpc_status.from_call(caught.value).details[0].Unpack(info)
    return caught.value.code().name, info.reason


def test_a_payload_goes_in_over_the_api_and_the_run_ends_with_it(rig, api):
    run_id = waiting_with(rig.host, "t")
    request = pb.ResumeRequest(hook=TOKEN, payload=b"\x00paid", request_id="r-1")
    answer = api.Resume(pb.ResumeRequest(hook=TOKEN, payload=b"paid", request_id="r-1"), timeout=WAIT_S)
    assert (answer.run_id, answer.number, answer.created) == (run_id, 1, True)
    assert rig.host.engine.wait(run_id, WAIT_S)[1].result == value("paid")
    named = pb.HookName(hook_id=answer.hook_id)
    again = api.Resume(pb.ResumeRequest(hook=named, payload=b"paid", request_id="r-1"), timeout=WAIT_S)
    assert not again.created
    request.hook.CopyFrom(named)
    assert refused(api.Resume, request) == ("ALREADY_EXISTS", "SR-HOOK-016")
    request.request_id = "r-2"
    assert refused(api.Resume, request) == ("FAILED_PRECONDITION", "SR-HOOK-021")


def test_token_and_metadata_take_a_reason_that_is_written_down_first(rig, api):
    run_id = waiting_with(rig.host, "t", metadata=b"who: x")
    closed = api.Get(pb.HookServiceGetRequest(hook=TOKEN), timeout=WAIT_S)
    assert (closed.token, closed.metadata, rig.book.records) == ("", b"", [])
    assert closed.hook.status == pb.HOOK_STATUS_OPEN
    assert closed.hook.sealed.sealed_bytes > len(b"who: x")
    opened = api.Get(pb.HookServiceGetRequest(hook=TOKEN, reason="a look"), timeout=WAIT_S)
    assert (opened.token, opened.metadata) == ("t", b"who: x")
    assert {(each.action, each.subject, each.reason) for each in rig.book.records} == {
        ("run.decrypt", run_id, "a look")
    }


def test_hooks_of_a_run_come_in_pages_oldest_first(rig, api):
    def many(request, helper):
        guest = HookGuest(helper)
        made = [guest.create(number)[0] for number in range(1, 6)]
        return value(guest.wait_for(9, made[0]).decode())

    run_id = started(rig.host, many)
    asleep(rig.host, run_id)
    found, request = [], pb.HookServiceListRequest(run_id=run_id, page_size=2)
    while True:
        page = api.List(request, timeout=WAIT_S)
        assert len(page.hooks) <= 2
        found += [hook.hook_id for hook in page.hooks]
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert len(set(found)) == 5
    assert found == sorted(found)
    request.page_token = "!"
    assert refused(api.List, request) == ("INVALID_ARGUMENT", "SR-API-003")


def test_what_names_no_hook_is_refused(rig, api):
    assert refused(api.Get, pb.HookServiceGetRequest())[1] == "SR-HOOK-022"
    assert refused(api.Get, pb.HookServiceGetRequest(hook=pb.HookName(hook_id="x")))[1] == "SR-HOOK-017"
    assert refused(api.Resume, pb.ResumeRequest(hook=pb.HookName(token="x" * 300)))[1] == "SR-HOOK-011"
    assert refused(api.List, pb.HookServiceListRequest(run_id="wrun_none"))[0] == "NOT_FOUND"


def test_a_hook_is_disposed_of_and_shows_when(rig, api):
    waiting_with(rig.host, "t")
    gone = api.Dispose(pb.DisposeRequest(hook=TOKEN), timeout=WAIT_S).hook
    assert gone.status == pb.HOOK_STATUS_DISPOSED
    assert gone.HasField("dispose_time")
    assert refused(api.Dispose, pb.DisposeRequest(hook=TOKEN)) == ("NOT_FOUND", "SR-HOOK-017")
