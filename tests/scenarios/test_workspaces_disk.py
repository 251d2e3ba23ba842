"""The disk under a workspace fails: the error is typed, what was acknowledged is kept, and it recovers by itself."""

import errno
import json
import shutil
import time

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from strongroom.pb.strongroom.v1 import workspace_pb2
from strongroom.pb.strongroom.v1.workspace_pb2_grpc import WorkspaceServiceStub
from tests.faults.disk import BadDisk
from tests.faults.scale import SCALE
from tests.faults.workspace_storm import quiet_daemon
from tests.scenarios.conftest import short_directory

S = 10
RECOVERY_S = 20
OPERATIONS_OF_A_WRITE = 6
"""About as many as one entry makes on the disk."""


@pytest.fixture
def project():
    made = short_directory()
    yield made
    shutil.rmtree(made, ignore_errors=True)


def put(api, key, value):
    """The reason of the refusal, or nothing when it was acknowledged."""
    request = workspace_pb2.WorkspaceServiceSetRequest(name="notes", key=key, json=json.dumps(value).encode())
    try:
        api.Set(request, timeout=S)
    except grpc.RpcError as error:
        info = error_details_pb2.ErrorInfo()
        rpc_status.from_call(error).details[0].Unpack(info)
        return f"{error.code().name} {info.reason}"
    return ""


def wait_until_it_works(api):
    """One acknowledged write, as soon as there is one."""
    end = time.monotonic() + RECOVERY_S
    while refusal := put(api, "recovered", 1):
        assert time.monotonic() < end, f"it does not recover: {refusal}"
        time.sleep(0.05)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["disk full", "input and output error"])
@pytest.mark.timeout(0)
def test_a_bad_disk_under_a_workspace_makes_no_false_acknowledgement(state, project, error):
    disk = BadDisk(state)
    daemon = quiet_daemon(state, variables={**disk.variables, "BAD_DISK_PATH": "/.strongroom/log/"}).start()
    assert daemon("workspace", "mount", str(project), "--name", "notes").code == 0
    acknowledged, refusals = {}, []
    with daemon.channel() as channel:
        api = WorkspaceServiceStub(channel.channel)
        for number in range(SCALE.disk_operations):
            turn, operation = divmod(number, OPERATIONS_OF_A_WRITE)
            disk.fail(error, after=operation, once=(operation + turn) % 2 == 0)
            refusal = put(api, f"key-{number}", number)
            if refusal:
                refusals.append(refusal)
            else:
                acknowledged[f"key-{number}"] = number
            disk.heal()
            wait_until_it_works(api)
        assert disk.failed > 0
        assert refusals, "some writes found a bad disk"
        assert {refusal.split("-")[0] for refusal in refusals} == {"UNAVAILABLE SR"}, refusals
    daemon.kill()
    daemon.start()
    with daemon.channel() as channel:
        api = WorkspaceServiceStub(channel.channel)
        answer = api.Entries(workspace_pb2.WorkspaceServiceEntriesRequest(name="notes", page_size=1000), timeout=S)
        found = {entry.key: json.loads(entry.json) for entry in answer.entries}
        verified = api.Verify(workspace_pb2.WorkspaceServiceVerifyRequest(name="notes"), timeout=S)
    assert acknowledged.items() <= found.items()
    assert (verified.log_agrees, list(verified.unreadable), list(verified.rows_carried)) == (True, [], [])
    daemon.stop()


def test_a_full_disk_is_said_by_the_command_line_and_the_next_try_works(state, project):
    disk = BadDisk(state)
    daemon = quiet_daemon(state, variables={**disk.variables, "BAD_DISK_PATH": "/.strongroom/log/"}).start()
    assert daemon("workspace", "mount", str(project), "--name", "notes").code == 0
    assert daemon("workspace", "set", "notes", "key", "1").code == 0
    disk.fail(errno.ENOSPC)
    refused = daemon("workspace", "set", "notes", "key", "2")
    assert (refused.code, "SR-STORE-" in refused.err, "Traceback" in refused.err) == (69, True, False), refused.err
    compacted = daemon("workspace", "compact", "notes")
    assert (compacted.code, "SR-STORE-" in compacted.err) == (69, True), compacted.err
    disk.heal()
    assert daemon("workspace", "set", "notes", "key", "3").code == 0
    daemon.kill()
    daemon.start()
    assert daemon("workspace", "get", "notes", "key").out == "3\n"
    daemon.stop()
