"""``WorkspaceService``: what it is asked is checked, what cannot be read says why, and a watch ends when it must."""

import base64
import json
import logging
import tempfile
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from strongroom.engine.workspaces import PAGE_MAX
from strongroom.pb.strongroom.v1 import workspace_pb2 as pb
from strongroom.services import workspaces as module
from strongroom.services.workspace_backlog import Backlog
from tests.fakes.mount_rig import remote
from tests.fakes.workspace_host import WorkspaceHost, workspace_stub

S = 10


@pytest.fixture
def socket():
    with tempfile.TemporaryDirectory(prefix="sr-") as directory:
        yield Path(directory) / "s.sock"


@pytest.fixture
def host(tmp_path, socket):
    with WorkspaceHost(tmp_path).serving(socket) as made:
        made.open()
        yield made


@pytest.fixture
def api(host, socket):
    with workspace_stub(socket) as stub:
        yield stub


def refused(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    info = error_details_pb2.ErrorInfo()
    rpc_status.from_call(caught.value).details[0].Unpack(info)
    return caught.value.code().name, info.reason


def put(api, key, value, table=""):
    request = pb.WorkspaceServiceSetRequest(name="notes", table=table, key=key, json=json.dumps(value).encode())
    return api.Set(request, timeout=S)


def parts(*pieces, name="notes"):
    yield pb.WorkspaceServiceImportRequest(name=name, part=pieces[0])
    for piece in pieces[1:]:
        yield pb.WorkspaceServiceImportRequest(part=piece)


def exported(api, path=""):
    answers = api.Export(pb.WorkspaceServiceExportRequest(name="notes", path=path), timeout=S)
    return b"".join(answer.part for answer in answers)


def test_an_entry_is_set_got_and_deleted(api):
    written = put(api, "greeting", "hello")
    entry = api.Get(pb.WorkspaceServiceGetRequest(name="notes", key="greeting"), timeout=S).entry
    assert (entry.key, entry.json, entry.time_ms, entry.key_version) == ("greeting", b'"hello"', written.time_ms, 1)
    assert api.Delete(pb.WorkspaceServiceDeleteRequest(name="notes", key="greeting"), timeout=S).existed
    assert not api.Delete(pb.WorkspaceServiceDeleteRequest(name="notes", key="greeting"), timeout=S).existed
    assert not api.Get(pb.WorkspaceServiceGetRequest(name="notes", key="greeting"), timeout=S).HasField("entry")


@pytest.mark.parametrize("path", ["", "project", "../project", "./x"])
def test_a_project_that_is_no_absolute_path_is_refused(api, path):
    request = pb.WorkspaceServiceMountRequest(project_dir=path, name="x")
    assert refused(lambda: api.Mount(request, timeout=S)) == ("INVALID_ARGUMENT", "SR-API-020")


def test_a_path_for_a_copy_that_is_not_absolute_is_refused(api, host):
    assert refused(lambda: exported(api, "copy")) == ("INVALID_ARGUMENT", "SR-API-023")
    assert host.copies.present() == []


def test_pages_follow_each_other_by_token(api):
    for number in range(7):
        put(api, f"k{number}", number)
    seen, token = [], ""
    for _ in range(4):
        request = pb.WorkspaceServiceEntriesRequest(name="notes", page_size=2, page_token=token)
        answer = api.Entries(request, timeout=S)
        seen += [entry.key for entry in answer.entries]
        token = answer.next_page_token
    assert (seen, token) == ([f"k{number}" for number in range(7)], "")


@pytest.mark.parametrize("token", ["!", "a", "k1", base64.urlsafe_b64encode(b"\xff\xfe").decode()])
def test_a_token_that_is_not_ours_is_refused(api, token):
    request = pb.WorkspaceServiceEntriesRequest(name="notes", page_token=token)
    assert refused(lambda: api.Entries(request, timeout=S)) == ("INVALID_ARGUMENT", "SR-API-003")


def test_a_page_has_a_limit(api):
    request = pb.WorkspaceServiceEntriesRequest(name="notes", page_size=PAGE_MAX + 1)
    assert refused(lambda: api.Entries(request, timeout=S)) == ("INVALID_ARGUMENT", "SR-WS-093")


def test_what_cannot_be_read_has_a_reason_in_place_of_its_value(api, host):
    host.push_plaintext("kv", bad="SENT IN CLEAR")
    (entry,) = api.Entries(pb.WorkspaceServiceEntriesRequest(name="notes"), timeout=S).entries
    assert (entry.WhichOneof("reading"), "plaintext" in entry.unreadable) == ("unreadable", True)
    (mount,) = api.List(pb.WorkspaceServiceListRequest(), timeout=S).mounts
    assert (mount.entries, mount.unreadable) == (1, 1)


def test_a_project_that_is_gone_is_not_shown_as_open(api, host, tmp_path):
    put(api, "a", 1)
    host.project.rename(tmp_path / "elsewhere")
    (mount,) = api.List(pb.WorkspaceServiceListRequest(), timeout=S).mounts
    assert (mount.state, "SR-MOUNT-016" in mount.problem) == ("failed", True)
    assert refused(lambda: put(api, "a", 2)) == ("UNAVAILABLE", "SR-MOUNT-016")
    (tmp_path / "elsewhere").rename(host.project)
    (mount,) = api.List(pb.WorkspaceServiceListRequest(), timeout=S).mounts
    assert (mount.state, mount.problem, mount.entries) == ("open", "", 1)


def test_a_copy_goes_out_and_comes_in_by_parts(api, host, monkeypatch):
    monkeypatch.setattr(module, "PART_BYTES", 50)
    put(api, "a", "x" * 500)
    copy = exported(api)
    api.Unmount(pb.WorkspaceServiceUnmountRequest(name="notes"), timeout=S)
    api.Mount(pb.WorkspaceServiceMountRequest(project_dir=str(host.project), name="notes"), timeout=S)
    pieces = [copy[start : start + 60] for start in range(0, len(copy), 60)]
    answer = api.Import(parts(*pieces), timeout=S)
    assert (answer.entries_changed, answer.unreadable) == (0, 0)


@pytest.mark.parametrize(
    ("pieces", "name", "status"),
    [
        ([b"[[mounts]]"], "notes", ("INVALID_ARGUMENT", "SR-WS-100")),
        ([b""], "notes", ("INVALID_ARGUMENT", "SR-WS-100")),
        ([b""], "", ("INVALID_ARGUMENT", "SR-API-022")),
        ([b""], "no\0tes", ("INVALID_ARGUMENT", "SR-API-008")),
        ([b"x"], "other", ("NOT_FOUND", "SR-MOUNT-014")),
    ],
)
def test_a_copy_that_is_none_is_refused_as_every_other_call_is(api, pieces, name, status, caplog):
    with caplog.at_level(logging.ERROR):
        assert refused(lambda: api.Import(parts(*pieces, name=name), timeout=S)) == status
    assert not caplog.records, "a caller's fault is none of the host's"


def test_an_upload_without_a_deadline_or_without_a_part_is_refused(api):
    assert refused(lambda: api.Import(parts(b"x"))) == ("INVALID_ARGUMENT", "SR-API-001")
    assert refused(lambda: api.Import(iter(()), timeout=S)) == ("INVALID_ARGUMENT", "SR-API-022")


def test_a_watch_says_when_it_listens_and_tells_each_change(api):
    changes = api.Watch(pb.WorkspaceServiceWatchRequest(name="notes", key_prefix="k"), timeout=S)
    assert next(changes).action == "ready"
    put(api, "other", 1)
    put(api, "key", 2)
    change = next(changes)
    assert (change.action, change.key, change.json, change.remote) == ("add", "key", b"2", False)
    changes.cancel()


def test_a_watch_ends_when_its_workspace_is_closed(api, monkeypatch):
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    changes = api.Watch(pb.WorkspaceServiceWatchRequest(name="notes"), timeout=S)
    assert next(changes).action == "ready"
    api.Unmount(pb.WorkspaceServiceUnmountRequest(name="notes"), timeout=S)
    assert list(changes) == []


def test_a_watch_that_is_too_far_behind_is_told_so(api, monkeypatch):
    monkeypatch.setattr(module, "Backlog", lambda: Backlog(changes_max=0))
    changes = api.Watch(pb.WorkspaceServiceWatchRequest(name="notes"), timeout=S)
    assert next(changes).action == "ready"
    put(api, "key", 1)
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    assert refused(lambda: list(changes)) == ("UNAVAILABLE", "SR-API-021")


def test_verifying_compacting_and_migrating_answer_with_figures(api, host):
    for number in range(3):
        put(api, f"k{number}", number)
    host.push_plaintext("kv", bad="SENT IN CLEAR")
    migrated = api.Migrate(pb.WorkspaceServiceMigrateRequest(name="notes", dry_run=True), timeout=S)
    assert (migrated.plaintext, migrated.archived, migrated.unreadable) == (1, 0, 0)
    found = api.Verify(pb.WorkspaceServiceVerifyRequest(name="notes"), timeout=S)
    assert (found.readable, [entry.key for entry in found.unreadable], found.log_agrees) == (3, ["bad"], True)
    assert dict(found.entries_by_key_version) == {0: 1, 1: 3}
    compacted = api.Compact(pb.WorkspaceServiceCompactRequest(name="notes"), timeout=S)
    assert (compacted.rows_before, compacted.rows_after) == (4, 1)


def test_nobody_signs_in_to_the_keys_of_the_host_itself(api):
    session = api.GetSession(pb.WorkspaceServiceGetSessionRequest(), timeout=S)
    assert (session.state, session.owner_id, list(session.key_versions)) == ("signed-in", "shared", [1])
    grant = pb.WorkspaceServiceSignInRequest(access_token="MARKER")
    for call in (
        lambda: api.SignIn(grant, timeout=S),
        lambda: api.SignOut(pb.WorkspaceServiceSignOutRequest(), timeout=S),
    ):
        assert refused(call) == ("FAILED_PRECONDITION", "SR-SESSION-013")


def test_whoever_signs_out_closes_everything_and_signing_in_opens_it_again(tmp_path, socket, caplog):
    with WorkspaceHost(tmp_path, session=remote(tmp_path)).serving(socket) as host, workspace_stub(socket) as api:
        host.open()
        put(api, "a", 1)
        api.SignOut(pb.WorkspaceServiceSignOutRequest(), timeout=S)
        (mount,) = api.List(pb.WorkspaceServiceListRequest(), timeout=S).mounts
        assert (mount.state, mount.entries) == ("signed-out", 0)
        code, reason = refused(lambda: put(api, "a", 2))
        assert (code, reason.startswith("SR-")) == ("UNAVAILABLE", True)
        session = api.GetSession(pb.WorkspaceServiceGetSessionRequest(), timeout=S)
        assert (session.state, list(session.key_versions)) == ("signed-out", [])
        answer = api.SignIn(pb.WorkspaceServiceSignInRequest(access_token="alice"), timeout=S)
        assert answer.owner_id == "alice"
        entry = api.Get(pb.WorkspaceServiceGetRequest(name="notes", key="a"), timeout=S).entry
        assert entry.json == b"1"
