"""Who may do what on a whole host: two sockets, tokens, and owners who know nothing of each other."""

import base64
import importlib
import stat
from pathlib import Path

import grpc
import pytest

from strongroom.pb.strongroom.v1 import (
    hook_pb2,
    hook_pb2_grpc,
    run_pb2,
    run_pb2_grpc,
    stream_pb2,
    stream_pb2_grpc,
    workflow_pb2,
    workflow_pb2_grpc,
    workspace_pb2,
    workspace_pb2_grpc,
)
from strongroom.services.server import SERVICES
from tests.fakes.methods import DESCRIPTORS, request_for
from tests.fakes.methods import METHODS as KNOWN
from tests.fakes.tls_host import A, B, TlsHost, entry, token_of
from tests.guests.build import guest
from tests.scenarios.conftest import short_directory

DENIED = {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.NOT_FOUND}
APPROVAL = Path(__file__).resolve().parents[2] / "examples" / "approval" / "approval.wasm"
STREAM = "bobs-stream"
METHODS = [method for method in KNOWN if method.split("/")[1] in SERVICES]
NAMELESS = {
    "/strongroom.v1.WorkspaceService/List",
    "/strongroom.v1.WorkspaceService/GetSession",
    "/strongroom.v1.WorldService/GetRuns",
    "/strongroom.v1.WorldService/CancelRuns",
}
"""Methods that answer for what the caller may see of what is named, and for nothing else."""
NAME, MOUNT = "bobs-workflow", "bobs-notes"
PAYLOAD = b'"secret of bob"'
SHOWN = base64.b64encode(PAYLOAD).decode()


class Scene:
    """What bob has on a host on which alice has a workflow and runs too."""

    def __init__(self, host):
        self.host = host
        host.daemon.start()
        (host.state / "project").mkdir()
        done = host.daemon("workspace", "mount", str(host.state / "project"), "--name", MOUNT)
        assert done.code == 0, done.err
        self.runs = {"alice": [], "bob": []}
        self.workflows = {}
        for name, owner, workflow in (("alice", A, "hers"), ("bob", B, NAME)):
            with host.caller(name) as caller:
                request = workflow_pb2.RegisterRequest(
                    binary=guest("echo").read_bytes(), name=workflow, owner=owner, attributes=b"{}"
                )
                registered = caller.stub(workflow_pb2_grpc.WorkflowServiceStub).Register(request)
                self.workflows[name] = registered.workflow.workflow_id
        for _ in range(3):
            for name, owner, workflow in (("alice", A, "hers"), ("bob", B, NAME)):
                with host.caller(name) as caller:
                    start = run_pb2.StartRequest(workflow=workflow, owner=owner, json=PAYLOAD)
                    done = caller.stub(run_pb2_grpc.RunServiceStub).Execute(run_pb2.ExecuteRequest(start=start))
                    assert done.run.status == run_pb2.RUN_STATUS_COMPLETED
                    self.runs[name].append(done.run.run_id)

        self.hook_id = self._waiting_for_bob()

    def _waiting_for_bob(self):
        """A run of his that waits for an answer, and has begun to write a stream."""
        with self.host.caller("bob") as bob:
            workflow = workflow_pb2.RegisterRequest(binary=APPROVAL.read_bytes(), name="asks", owner=B)
            bob.stub(workflow_pb2_grpc.WorkflowServiceStub).Register(workflow)
            start = run_pb2.StartRequest(workflow="asks", owner=B, json=b'{"order": "bob"}')
            run_id = bob.stub(run_pb2_grpc.RunServiceStub).Start(start).run.run_id
            self.runs["bob"].append(run_id)
            watch = bob.stub(run_pb2_grpc.RunServiceStub).Watch(run_pb2.WatchRequest(run_id=run_id))
            while next(watch).event.event_type != "hook_created":
                pass
            watch.cancel()
            listed = hook_pb2.HookServiceListRequest(run_id=run_id)
            (hook,) = bob.stub(hook_pb2_grpc.HookServiceStub).List(listed).hooks
            written = stream_pb2.StreamServiceWriteRequest(run_id=run_id, name=STREAM, data=PAYLOAD)
            bob.stub(stream_pb2_grpc.StreamServiceStub).Write(written)
        return hook.hook_id

    @property
    def of_bob(self):
        """What alice must not learn of, as bytes."""
        return [each.encode() for each in (B, NAME, MOUNT, self.workflows["bob"], *self.runs["bob"], self.hook_id)]


@pytest.fixture(scope="module")
def scene():
    callers = [entry("alice", [A]), entry("bob", [B, "shared"]), entry("reader", [A], "[read]"), entry("idle", [])]
    host = TlsHost(short_directory(), callers)
    yield Scene(host)
    host.end()


def called(caller, method, request):
    """The answers of ``method``, all of them, as bytes."""
    service, name = method.strip("/").split("/")
    descriptor = DESCRIPTORS[method]
    file = descriptor.containing_service.file.name.removesuffix(".proto").replace("/", ".")
    module = importlib.import_module(f"strongroom.pb.{file}_pb2_grpc")
    stub = caller.stub(getattr(module, service.rsplit(".", 1)[1] + "Stub"))
    answer = getattr(stub, name)(iter([request]) if descriptor.client_streaming else request)
    return [each.SerializeToString() for each in (answer if descriptor.server_streaming else [answer])]


def requests_about_bob(scene, method):
    """Everything by which his things can be named, with and without a reason."""
    run, workflow = scene.runs["bob"][-1], scene.workflows["bob"]
    start = run_pb2.StartRequest(workflow=workflow, owner=B, json=b"1")
    named = {"owner": B, "run_id": run, "workflow": workflow, "name": MOUNT, "owner_id": "shared", "start": start}
    by_token, by_id = hook_pb2.HookName(token="order-bob"), hook_pb2.HookName(hook_id=scene.hook_id)
    named |= {"run_ids": [run], "correlation_id": scene.hook_id, "token": "order-bob"}
    for each in (
        {**named, "hook": by_token},
        {**named, "hook": by_id, "workflow": NAME, "name": NAME},
        {**named, "hook": by_id, "name": STREAM},
    ):
        yield request_for(method, **each)
        yield request_for(method, **each, reason="curious")


def outcome(caller, method, request):
    """The answers, or how they were refused."""
    try:
        return called(caller, method, request), None
    except grpc.RpcError as refused:
        return [refused.details().encode()], refused.code()


@pytest.mark.parametrize("method", METHODS)
def test_who_may_do_everything_for_one_owner_neither_sees_nor_touches_what_another_has(scene, method):
    with scene.host.caller("alice") as alice:
        for request in requests_about_bob(scene, method):
            said, code = outcome(alice, method, request)
            known = request.SerializeToString()
            # A method whose request names nothing of his may answer: with nothing of his.
            assert code in DENIED or not known or method in NAMELESS, said
            assert [each for each in scene.of_bob for one in said if each in one and each not in known] == []
        for request in (request_for(method), request_for(method, run_id=scene.runs["alice"][0], owner=A, owner_id=A)):
            said, _ = outcome(alice, method, request)
            assert [each for each in scene.of_bob for one in said if each in one] == []


@pytest.mark.parametrize("method", METHODS)
def test_who_names_herself_beside_what_another_has_gets_nothing_of_it(scene, method):
    run, workflow, own = scene.runs["bob"][0], scene.workflows["bob"], scene.runs["alice"][0]
    starts = [
        run_pb2.StartRequest(workflow=each, owner=A, run_id=run, json=PAYLOAD)
        for each in (workflow, scene.workflows["alice"], NAME, "hers")
    ]
    mixed = {"owner": A, "owner_id": A, "workflow": workflow, "name": NAME, "new_run_id": run}
    with scene.host.caller("alice") as alice:
        for start in starts:
            for run_id in (own, run):
                request = request_for(method, **mixed, run_id=run_id, start=start)
                if method.endswith("RunService/Start"):
                    request = start
                said, _ = outcome(alice, method, request)
                assert [each for each in said if PAYLOAD in each or SHOWN.encode() in each] == []
                known = request.SerializeToString()
                assert [each for each in scene.of_bob for one in said if each in one and each not in known] == []


def test_after_all_of_that_what_bob_has_is_as_it_was(scene):
    with scene.host.caller("bob") as bob:
        get = run_pb2.RunServiceGetRequest(run_id=scene.runs["bob"][-1])
        assert bob.stub(run_pb2_grpc.RunServiceStub).Get(get).run.status == run_pb2.RUN_STATUS_WAITING
        hook = hook_pb2.HookServiceGetRequest(hook=hook_pb2.HookName(hook_id=scene.hook_id), reason="his own")
        found = bob.stub(hook_pb2_grpc.HookServiceStub).Get(hook)
        assert (found.hook.status, found.hook.received, found.token) == (hook_pb2.HOOK_STATUS_OPEN, 0, "order-bob")
        listed = workflow_pb2.WorkflowServiceListRequest(owner=B)
        workflows = bob.stub(workflow_pb2_grpc.WorkflowServiceStub).List(listed).workflows
        assert [each.status for each in workflows] == [workflow_pb2.WORKFLOW_STATUS_ACTIVE] * 2
        chunks = stream_pb2.StreamServiceGetInfoRequest(run_id=scene.runs["bob"][-1], name=STREAM)
        info = bob.stub(stream_pb2_grpc.StreamServiceStub).GetInfo(chunks).stream
        assert (info.chunks, info.closed) == (1, False)
        mounts = (
            bob.stub(workspace_pb2_grpc.WorkspaceServiceStub).List(workspace_pb2.WorkspaceServiceListRequest()).mounts
        )
        assert [(each.name, each.state) for each in mounts] == [(MOUNT, "open")]


@pytest.mark.parametrize("method", METHODS)
def test_a_caller_without_any_grant_and_one_without_a_token_may_do_nothing(scene, method):
    for name in ("idle", "nobody", ""):
        with scene.host.caller(name) as caller, pytest.raises(grpc.RpcError) as refused:
            called(caller, method, request_for(method))
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


def listed(caller, stub, request, field):
    """Everything, page by page."""
    found = []
    while True:
        page = caller.stub(stub).List(request)
        found += getattr(page, field)
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return found


@pytest.mark.parametrize("size", [1, 2, 50])
def test_lists_have_what_their_reader_may_see_on_whatever_pages(scene, size):
    for name, owner in (("alice", A), ("bob", B)):
        with scene.host.caller(name) as caller:
            request = run_pb2.RunServiceListRequest(page_size=size)
            runs = listed(caller, run_pb2_grpc.RunServiceStub, request, "runs")
            assert {run.owner for run in runs} == {owner}
            assert [run.run_id for run in runs if run.run_id in scene.runs[name]] == scene.runs[name][::-1]
            request = workflow_pb2.WorkflowServiceListRequest(page_size=size)
            workflows = listed(caller, workflow_pb2_grpc.WorkflowServiceStub, request, "workflows")
            assert {each.owner for each in workflows} == {owner}
            assert scene.workflows[name] in [each.workflow_id for each in workflows]


def test_a_run_of_another_owner_and_one_that_never_was_are_refused_alike(scene):
    said = set()
    with scene.host.caller("alice") as alice:
        for run_id in (scene.runs["bob"][0], "wrun_" + "0" * 26):
            with pytest.raises(grpc.RpcError) as refused:
                alice.stub(run_pb2_grpc.RunServiceStub).Get(run_pb2.RunServiceGetRequest(run_id=run_id))
            said.add((refused.value.code(), refused.value.details().replace(run_id, "it")))
    assert said == {(grpc.StatusCode.NOT_FOUND, "there is no run 'it'")}


def test_who_may_only_read_is_told_which_role_is_missing(scene):
    run_id = scene.runs["alice"][0]
    with scene.host.caller("reader") as reader:
        runs = reader.stub(run_pb2_grpc.RunServiceStub)
        assert runs.Get(run_pb2.RunServiceGetRequest(run_id=run_id)).run.owner == A
        for call, request, role in (
            (runs.Get, run_pb2.RunServiceGetRequest(run_id=run_id, reason="x"), "decrypt"),
            (runs.Kill, run_pb2.KillRequest(run_id=run_id), "run"),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                call(request)
            assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
            assert refused.value.details().startswith(f"reader has not the role {role}")


def test_the_command_line_opens_contents_through_the_socket_of_administrators_only(scene):
    daemon, run_id = scene.host.daemon, scene.runs["bob"][0]
    modes = [oct(stat.S_IMODE(path.stat().st_mode)) for path in (daemon.socket, daemon.admin_socket)]
    assert modes == ["0o660", "0o600"]
    words = ("run", "get", run_id, "--decrypt", "--reason", "ticket 4711", "--json")
    refused = daemon(*words, "--socket", str(daemon.socket))
    assert (refused.code, refused.out) == (77, "")
    assert "SR-AUTH-001" in refused.err
    assert "admin.sock" in refused.err
    # Left to itself it finds the way.
    for more in ((), ("--socket", str(daemon.admin_socket))):
        opened = daemon(*words, *more)
        assert (opened.code, opened.json["result"]) == (0, SHOWN), opened.err


def test_a_token_gives_the_command_line_what_its_socket_does_not(scene):
    daemon = scene.host.daemon
    file = scene.host.state / "bob.token"
    file.write_text(token_of("bob") + "\n")
    file.chmod(0o600)
    words = ("--decrypt", "--reason", "ticket 4711", "--socket", str(daemon.socket), "--token-file", str(file))
    assert daemon("run", "get", scene.runs["bob"][0], *words, "--json").json["result"] == SHOWN
    other = daemon("run", "get", scene.runs["alice"][0], *words)
    assert (other.code, "bob has not the role decrypt" in other.err) == (77, True)
    file.write_text("another-token")
    wrong = daemon("status", "--token-file", str(file))
    assert (wrong.code, "SR-AUTH-003" in wrong.err) == (77, True)


def test_what_was_refused_is_in_the_audit_log_by_the_name_of_its_caller(scene):
    wanted = ("reader", "/strongroom.v1.RunService/Kill", "SR-AUTH-001")
    refused = set()
    # Of many at once some are only counted, and other tests had many refused.
    for _ in range(30):
        with scene.host.caller("reader") as reader, pytest.raises(grpc.RpcError):
            reader.stub(run_pb2_grpc.RunServiceStub).Kill(run_pb2.KillRequest(run_id=scene.runs["alice"][0]))
        shown = scene.host.daemon("audit", "tail", "-n", "1000", "--json")
        assert shown.code == 0, shown.err
        records = [each for each in shown.json["records"] if each["action"] == "call.refused"]
        refused = {(each["caller"], each["subject"], each["outcome"]) for each in records}
        if wanted in refused:
            break
    assert wanted in refused


def test_the_audit_log_is_for_administrators(scene):
    ended = scene.host.daemon("audit", "tail", "--socket", str(scene.host.daemon.socket))
    assert (ended.code, "has not the role admin for every owner" in ended.err) == (77, True)
