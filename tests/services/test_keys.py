"""``KeysService``: what it is asked is checked, what it answers holds no secret, and who follows may leave."""

import tempfile
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from strongroom.pb.strongroom.v1 import keys_pb2
from strongroom.services.keys import FOLLOWERS_MAX, FORGET_MAX
from strongroom.storage.database import Database
from tests.fakes.key_host import key_stub, serving_keys
from tests.fakes.key_rig import SECRETS, KeyRig
from tests.fakes.sealed_things import Mount

S = 10


@pytest.fixture
def rig(sqlite_url, tmp_path):
    database = Database.open(sqlite_url)
    yield KeyRig(database, tmp_path, 1, 2)
    database.close()


@pytest.fixture
def keys(rig):
    with tempfile.TemporaryDirectory(prefix="sr-") as directory:
        socket = Path(directory) / "s.sock"
        with serving_keys(rig, socket), key_stub(socket) as stub:
            yield stub


def refused(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    info = error_details_pb2.ErrorInfo()
    rpc_status.from_call(caught.value).details[0].Unpack(info)
    return caught.value.code().name, info.reason


def test_the_status_says_everything_and_shows_no_secret(rig, keys):
    rig.workspaces.mounts.append(Mount("notes", [1], [2], lambda: 2))
    answer = keys.Status(keys_pb2.KeysServiceStatusRequest(), timeout=S)
    assert [(v.version, v.key_id, v.state, v.held, v.blobs) for v in answer.versions] == [
        (2, rig.root.key_id(2), "promoted", True, 1),
        (1, rig.root.key_id(1), "superseded", True, 2),
    ]
    assert [(v.create_time.ToMilliseconds(), v.HasField("retire_time")) for v in answer.versions] == [(7, False)] * 2
    assert (answer.writing_version, answer.promoted) == (2, False)
    assert (answer.source_kind, answer.source) == ("file", str(rig.file))
    assert {thing.name: dict(thing.blobs) for thing in answer.things}["workspace notes"] == {1: 2, 2: 1}
    assert not [secret for secret in SECRETS.values() if secret[2:].encode() in answer.SerializeToString()]


def test_a_reload_names_what_is_new(rig, keys):
    rig.write(3, 2, 1)
    answer = keys.Reload(keys_pb2.KeysServiceReloadRequest(), timeout=S)
    assert (list(answer.added_versions), answer.writing_version) == ([3], 2)
    rig.write(3)
    call = lambda: keys.Reload(keys_pb2.KeysServiceReloadRequest(), timeout=S)  # noqa: E731 - said twice
    assert refused(call) == ("FAILED_PRECONDITION", "SR-KEY-003")


def test_a_promotion_says_what_is_left_to_do(rig, keys):
    rig.workspaces.mounts.append(Mount("notes", [2], [2], lambda: 3))
    rig.write(3, 2, 1)
    keys.Reload(keys_pb2.KeysServiceReloadRequest(), timeout=S)
    answer = keys.Promote(keys_pb2.KeysServicePromoteRequest(version=3), timeout=S)
    assert (answer.writing_key_id, answer.blobs_to_rewrap) == (rig.root.key_id(3), 3)


@pytest.mark.parametrize("version", [0, 256, 2**32 - 1])
def test_what_is_no_version_is_refused(keys, version):
    for call in (
        lambda: keys.Promote(keys_pb2.KeysServicePromoteRequest(version=version), timeout=S),
        lambda: keys.Retire(keys_pb2.KeysServiceRetireRequest(version=version), timeout=S),
    ):
        assert refused(call) == ("INVALID_ARGUMENT", "SR-KEY-025")


def test_a_version_that_the_host_does_not_hold_is_not_promoted(keys):
    call = lambda: keys.Promote(keys_pb2.KeysServicePromoteRequest(version=9), timeout=S)  # noqa: E731 - once as a value
    assert refused(call) == ("FAILED_PRECONDITION", "SR-KEY-020")


def test_a_retirement_is_tried_first_and_then_done_once(rig, keys):
    request = keys_pb2.KeysServiceRetireRequest(version=1, validate_only=True)
    assert keys.Retire(request, timeout=S) == keys_pb2.KeysServiceRetireResponse(changed=True, offered=True)
    assert rig.root.versions == (2, 1)
    request.validate_only = False
    assert keys.Retire(request, timeout=S).changed
    assert rig.root.versions == (2,)
    rig.write(2)
    assert keys.Retire(request, timeout=S) == keys_pb2.KeysServiceRetireResponse(changed=False, offered=False)


def test_what_is_still_needed_is_named(rig, keys):
    rig.workspaces.mounts.append(Mount("notes", [1], [], lambda: 2))
    call = lambda: keys.Retire(keys_pb2.KeysServiceRetireRequest(version=1), timeout=S)  # noqa: E731 - once as a value
    assert refused(call) == ("FAILED_PRECONDITION", "SR-KEY-024")


@pytest.mark.parametrize("forget", [["x"] * (FORGET_MAX + 1), ["x" * 5000]], ids=["too many", "too long"])
def test_what_is_to_be_forgotten_has_a_limit(keys, forget):
    request = keys_pb2.KeysServiceRetireRequest(version=1, forget=forget)
    assert refused(lambda: keys.Retire(request, timeout=S)) == ("INVALID_ARGUMENT", "SR-KEY-030")


def test_sealing_again_streams_until_it_has_ended(rig, keys):
    rig.workspaces.mounts.append(Mount("notes", [1] * 10, [1], lambda: 2))
    seen = [answer.progress for answer in keys.Rewrap(keys_pb2.KeysServiceRewrapRequest(), timeout=S)]
    assert (seen[-1].state, seen[-1].done, seen[-1].total) == ("done", 21, 21)
    look = keys_pb2.KeysServiceRewrapRequest(look_only=True, once=True)
    assert [answer.progress for answer in keys.Rewrap(look, timeout=S)] == [seen[-1]]


def test_sealing_again_goes_on_when_its_follower_leaves(rig, keys):
    mount = Mount("notes", [1] * 10, [1], lambda: 2)
    rig.workspaces.mounts.append(mount)
    answers = keys.Rewrap(keys_pb2.KeysServiceRewrapRequest(once=True), timeout=S)
    assert next(answers).progress.state in {"running", "done"}
    answers.cancel()
    assert list(keys.Rewrap(keys_pb2.KeysServiceRewrapRequest(), timeout=S))[-1].progress.state == "done"
    assert mount.arrays_of["kv"] == [2] * 10


def test_there_is_room_for_so_many_followers(rig, keys):
    from tests.fakes.sealed_things import Blobs

    blobs = Blobs("workspace notes", [1], lambda: 2)
    blobs.hold()
    rig.desk.rotation._things = lambda: [blobs]
    followers = [keys.Rewrap(keys_pb2.KeysServiceRewrapRequest(), timeout=S) for _ in range(FOLLOWERS_MAX)]
    for follower in followers:
        assert next(follower).progress.state == "running"
    one_more = lambda: list(keys.Rewrap(keys_pb2.KeysServiceRewrapRequest(), timeout=S))  # noqa: E731 - once as a value
    assert refused(one_more) == ("UNAVAILABLE", "SR-API-007")
    blobs.go.set()
    assert [list(follower)[-1].progress.state for follower in followers] == ["done"] * FOLLOWERS_MAX
