"""Discarding and wiping over the wire: listed in parts, refused with a reason, and nothing else is removed."""

import tempfile
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from strongroom.crypto.keys import Key
from strongroom.crypto.workspace_blob import seal_value
from strongroom.pb.strongroom.v1 import workspace_pb2 as pb
from strongroom.services.workspace_removals import PART
from tests.fakes.workspace_host import WorkspaceHost, workspace_stub

S = 10
FORGED = seal_value(Key(bytes(32)), 1, b'"x"', b"elsewhere")


@pytest.fixture
def host(tmp_path):
    with tempfile.TemporaryDirectory(prefix="sr-") as directory:
        socket = Path(directory) / "s.sock"
        with WorkspaceHost(tmp_path).serving(socket) as made, workspace_stub(socket) as stub:
            made.open()
            made.api = stub
            yield made


def refused(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    info = error_details_pb2.ErrorInfo()
    rpc_status.from_call(caught.value).details[0].Unpack(info)
    return caught.value.code().name, info.reason


def discard(host, **options):
    return list(host.api.Discard(pb.WorkspaceServiceDiscardRequest(name="notes", **options), timeout=S))


def test_a_long_list_comes_in_parts_and_goes_as_a_whole(host):
    host.push_plaintext("kv", **{f"k{number}": FORGED for number in range(PART + 3)})
    parts = discard(host, validate_only=True)
    assert [len(part.entries) for part in parts] == [PART, 3]
    assert len({part.listing for part in parts}) == 1
    assert parts[0].entries[0].key_version == 1
    assert not parts[0].entries[0].lacks_key
    done = discard(host, listing=parts[0].listing)
    assert [len(part.entries) for part in done] == [PART, 3]
    (left,) = discard(host, validate_only=True)
    assert (list(left.rows), list(left.entries)) == ([], [])


def test_another_list_than_the_one_that_was_seen_is_refused(host):
    host.push_plaintext("kv", bad=FORGED)
    (found,) = discard(host, validate_only=True, rows=True)
    assert list(found.entries) == []
    for options in ({}, {"listing": found.listing}, {"listing": "x" * 5_000}):
        assert refused(lambda options=options: discard(host, **options)) == ("ALREADY_EXISTS", "SR-WS-120")
    assert len(discard(host, validate_only=True)[0].entries) == 1


@pytest.mark.parametrize("path", ["", "project", "../project"])
def test_a_project_that_is_no_absolute_path_is_refused(host, path):
    request = pb.WorkspaceServiceWipeRequest(project_dir=path, owner_id="shared")
    assert refused(lambda: host.api.Wipe(request, timeout=S)) == ("INVALID_ARGUMENT", "SR-API-030")


def test_a_project_is_wiped_once_it_is_unmounted(host):
    request = pb.WorkspaceServiceWipeRequest(project_dir=str(host.project), owner_id="shared")
    assert refused(lambda: host.api.Wipe(request, timeout=S)) == ("FAILED_PRECONDITION", "SR-MOUNT-037")
    host.mounts.unmount("notes")
    request.validate_only = True
    looked = host.api.Wipe(request, timeout=S)
    request.validate_only = False
    assert host.api.Wipe(request, timeout=S) == looked
    assert len(looked.paths) == 2
    assert list(host.api.Wipe(request, timeout=S).paths) == []
