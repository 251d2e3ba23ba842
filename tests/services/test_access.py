"""Ways in: what a socket gives, what a token adds, and who is refused in which words."""

import socket
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from strongroom.engine.auditing import CALLER
from strongroom.errors import Unavailable
from strongroom.pb.strongroom.v1 import (
    keys_pb2,
    keys_pb2_grpc,
    run_pb2,
    run_pb2_grpc,
    status_pb2,
    status_pb2_grpc,
    workspace_pb2,
    workspace_pb2_grpc,
)
from strongroom.services.access import Access, Finder
from strongroom.services.caller_book import TOKEN_CHARS_MAX, CallerBook
from strongroom.services.callers import caller_of, socket_caller
from strongroom.services.server import ApiServer, ApiServers
from strongroom.services.status import StatusService
from strongroom.services.unix_socket import ADMIN_MODE, UnixSocket
from strongroom.settings.roles import EVERYTHING, USERS, Role
from tests.fakes.callers import bearer, grant, with_token

A, B = "a1" * 20, "b2" * 20
NOW_S = 1_000_000
BOOK = CallerBook(
    [
        with_token("ci", "token-of-ci", grant(["decrypt"], A)),
        with_token("operator", "token-of-operator", grant(EVERYTHING)),
        with_token("former", "token-of-former", grant(EVERYTHING), ends_at=NOW_S),
        with_token("guest", "token-of-guest", grant(EVERYTHING), ends_at=NOW_S + 1),
        with_token("idle", "token-of-idle"),
    ],
    now_s=lambda: NOW_S,
)
FINDERS = {"run": Finder(lambda run_id: {"wrun_a": A, "wrun_b": B}.get(run_id), lambda key: Unavailable("SR-X", key))}


class Runs(run_pb2_grpc.RunServiceServicer):
    """Answers with who calls, as services and the audit log see it."""

    def Get(self, request, context):
        caller = caller_of(context)
        return run_pb2.RunServiceGetResponse(run=run_pb2.Run(run_id=caller.name), error=CALLER.get())

    def Watch(self, request, context):
        for _ in range(2):
            yield run_pb2.WatchResponse(run=run_pb2.Run(run_id=caller_of(context).name, owner=CALLER.get()))

    def List(self, request, context):
        caller_of(context).require(Role.DECRYPT, B)


class Keys(keys_pb2_grpc.KeysServiceServicer):
    """Has keys."""

    def Status(self, request, context):
        return keys_pb2.KeysServiceStatusResponse(writing_version=1)


class Workspaces(workspace_pb2_grpc.WorkspaceServiceServicer):
    """Takes copies."""

    def Import(self, request_iterator, context):
        return workspace_pb2.WorkspaceServiceImportResponse(entries_changed=len(list(request_iterator)))


def status():
    told = {"disk": "full", "workspace notes": "it is not open: SR-X"}
    reasons = [status_pb2.HealthReason(check=check, why=why) for check, why in told.items()]
    return status_pb2.StatusServiceGetResponse(workspace_problems=["notes is not open"], health_reasons=reasons)


class Host:
    """Both sockets of a host whose services are the least that shows who called."""

    def __init__(self, directory, *, book=BOOK, users=USERS):
        self.refused = []
        self.unheard = None
        self.paths = {"users": directory / "strongroom.sock", "admin": directory / "admin.sock"}
        add = [
            lambda server: run_pb2_grpc.add_RunServiceServicer_to_server(Runs(), server),
            lambda server: keys_pb2_grpc.add_KeysServiceServicer_to_server(Keys(), server),
            lambda server: workspace_pb2_grpc.add_WorkspaceServiceServicer_to_server(Workspaces(), server),
            lambda server: status_pb2_grpc.add_StatusServiceServicer_to_server(
                StatusService(status, lambda: {"owner": "ab"}), server
            ),
        ]
        bases = {
            "users": socket_caller("socket", users, "strongroom.sock"),
            "admin": socket_caller("admin-socket", EVERYTHING, "admin.sock"),
        }
        modes = {"users": 0o660, "admin": ADMIN_MODE}
        self.servers = ApiServers(
            [
                ApiServer(
                    UnixSocket(path, mode=modes[way]),
                    add,
                    message_bytes_max=1_000_000,
                    reflection=True,
                    access=Access(base=bases[way], book=book, finders=FINDERS, on_refused=self.heard),
                )
                for way, path in self.paths.items()
            ]
        )

    def heard(self, method, caller, refusal):
        self.refused.append((method.rsplit("/", 1)[1], caller, refusal.code))
        if self.unheard is not None:
            raise self.unheard

    @contextmanager
    def channel(self, way="users"):
        with grpc.insecure_channel(f"unix:{self.paths[way]}") as channel:
            yield channel


@contextmanager
def serving(**options):
    with tempfile.TemporaryDirectory(prefix="sr-") as directory:
        made = Host(Path(directory), **options)
        made.servers.start()
        try:
            yield made
        finally:
            made.servers.stop(0)


@pytest.fixture(scope="module")
def shared():
    with serving() as made:
        yield made


@pytest.fixture
def host(shared):
    shared.refused.clear()
    return shared


def get(host, way="users", metadata=(), **fields):
    with host.channel(way) as channel:
        request = run_pb2.RunServiceGetRequest(**fields)
        return run_pb2_grpc.RunServiceStub(channel).Get(request, timeout=10, metadata=metadata)


def refusal(call, *arguments, **fields):
    with pytest.raises(grpc.RpcError) as refused:
        call(*arguments, **fields)
    return refused.value


def test_the_sockets_have_the_modes_that_say_who_may_use_them(host):
    modes = {way: oct(stat.S_IMODE(path.stat().st_mode)) for way, path in host.paths.items()}
    assert modes == {"users": "0o660", "admin": "0o600"}


def test_each_socket_names_who_comes_through_it_and_the_audit_log_hears_the_same(host):
    for way, name in (("users", "socket"), ("admin", "admin-socket")):
        answer = get(host, way, run_id="wrun_a")
        assert (answer.run.run_id, answer.error) == (name, name)
        with host.channel(way) as channel:
            request = run_pb2.WatchRequest(run_id="wrun_a")
            heard = list(run_pb2_grpc.RunServiceStub(channel).Watch(request, timeout=10))
        assert [(each.run.run_id, each.run.owner) for each in heard] == [(name, name)] * 2
    assert CALLER.get() == ""


def test_sealed_contents_are_opened_through_the_socket_of_administrators_only(host):
    error = refusal(get, host, run_id="wrun_a", reason="ticket 7")
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert error.details().startswith("socket has not the role decrypt")
    assert "strongroom.sock gives read, run, register" in error.details()
    assert get(host, "admin", run_id="wrun_a", reason="ticket 7").run.run_id == "admin-socket"
    assert host.refused == [("Get", "socket", "SR-AUTH-001")]


def test_keys_are_for_administrators(host):
    def status(way):
        with host.channel(way) as channel:
            return keys_pb2_grpc.KeysServiceStub(channel).Status(keys_pb2.KeysServiceStatusRequest(), timeout=10)

    assert "has not the role admin for every owner" in refusal(status, "users").details()
    assert status("admin").writing_version == 1


def test_a_token_adds_what_its_entry_says_for_those_owners_and_names_the_caller(host):
    answer = get(host, metadata=bearer("token-of-ci"), run_id="wrun_a", reason="ticket 7")
    assert (answer.run.run_id, answer.error) == ("ci", "ci")
    error = refusal(get, host, metadata=bearer("token-of-ci"), run_id="wrun_b", reason="ticket 7")
    assert error.details().startswith(f"ci has not the role decrypt for owner {B}")
    assert "strongroom.sock and a token gives read, run, register, decrypt" in error.details()
    # What the socket gives stays.
    assert get(host, metadata=bearer("token-of-ci"), run_id="wrun_b").run.run_id == "ci"
    assert host.refused == [("Get", "ci", "SR-AUTH-001")]


@pytest.mark.parametrize("way", ["users", "admin"])
@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        (bearer("token-of-nobody"), "SR-AUTH-003"),
        (bearer("token-of-c"), "SR-AUTH-003"),
        (bearer("token-of-ci "), None),
        (bearer("TOKEN-OF-CI"), "SR-AUTH-003"),
        (bearer(""), "SR-AUTH-003"),
        (bearer("x" * (TOKEN_CHARS_MAX + 1)), "SR-AUTH-003"),
        (bearer("token-of-former"), "SR-AUTH-004"),
        (bearer("token-of-guest"), None),
        (bearer("token-of-idle"), None),
        ((("authorization", "token-of-ci"),), "SR-AUTH-005"),
        ((("authorization", "Basic dG9rZW4="),), "SR-AUTH-005"),
        ((("authorization", ""),), "SR-AUTH-005"),
        (bearer("token-of-ci") * 2, "SR-AUTH-005"),
        ((("Authorization".lower(), "bearer token-of-ci"),), None),
    ],
)
def test_a_wrong_token_is_refused_whatever_the_socket_gives(host, way, metadata, code):
    if code is None:
        assert get(host, way, metadata=metadata, run_id="wrun_a").run.run_id in {"ci", "guest", "idle"}
        return
    error = refusal(get, host, way, metadata=metadata, run_id="wrun_a")
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert [each[2] for each in host.refused] == [code]
    assert "token-of" not in error.details()


def test_metadata_beyond_the_limit_are_refused_before_anything_is_read(host):
    error = refusal(get, host, metadata=bearer("x" * 9_000), run_id="wrun_a")
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert host.refused == []
    assert get(host, run_id="wrun_a").run.run_id == "socket"


def test_what_a_service_refuses_by_itself_is_on_record_too(host):
    with host.channel() as channel:
        stub = run_pb2_grpc.RunServiceStub(channel)
        error = refusal(stub.List, run_pb2.RunServiceListRequest(), timeout=10)
    assert error.details().startswith(f"socket has not the role decrypt for owner {B}")
    assert host.refused == [("List", "socket", "SR-AUTH-001")]


def test_a_call_in_parts_is_admitted_by_its_first_one(host):
    def parts(*names):
        return iter([workspace_pb2.WorkspaceServiceImportRequest(name=name) for name in names])

    with host.channel() as channel:
        stub = workspace_pb2_grpc.WorkspaceServiceStub(channel)
        assert stub.Import(parts("notes", "", ""), timeout=10).entries_changed == 3
        assert stub.Import(parts(), timeout=10).entries_changed == 0
        assert "NUL" in refusal(stub.Import, parts("notes", "a\0b"), timeout=10).details()
    with serving(users=frozenset({Role.READ})) as reading, reading.channel() as channel:
        stub = workspace_pb2_grpc.WorkspaceServiceStub(channel)
        assert "has not the role register" in refusal(stub.Import, parts("notes"), timeout=10).details()


def test_a_call_without_a_deadline_is_refused_before_anybody_asks_who_calls(host):
    with host.channel() as channel:
        stub = run_pb2_grpc.RunServiceStub(channel)
        error = refusal(stub.Get, run_pb2.RunServiceGetRequest(), metadata=bearer("token-of-nobody"))
    assert error.details().startswith("the call has no deadline")
    assert host.refused == []


def test_a_refusal_stays_one_where_no_record_of_it_can_be_made():
    with serving() as host:
        host.unheard = Unavailable("SR-AUDIT-001", "no record can be made")
        assert refusal(get, host, run_id="wrun_a", reason="x").code() is grpc.StatusCode.PERMISSION_DENIED
        assert len(host.refused) == 1


def test_sockets_of_hosts_that_were_killed_are_replaced_and_both_are_gone_at_the_end():
    with tempfile.TemporaryDirectory(prefix="sr-") as directory:
        place = Path(directory)
        for name in ("strongroom.sock", "admin.sock"):
            with socket.socket(socket.AF_UNIX) as left_over:
                left_over.bind(str(place / name))
        host = Host(place)
        host.servers.start()
        assert get(host, "admin", run_id="wrun_a").run.run_id == "admin-socket"
        host.servers.stop(0)
        assert list(place.iterdir()) == []
