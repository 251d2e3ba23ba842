"""A run shows what it makes: its guest writes, others write and follow, by the commands that people have."""

import base64
import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import grpc
import pytest

from strongroom.pb.strongroom.v1 import run_pb2, stream_pb2, stream_pb2_grpc
from tests.fakes.live_daemon import LiveDaemon
from tests.fakes.manifests import IN_PROCESS, shipped_with
from tests.guests.build import guest
from tests.scenarios.conftest import short_directory

WHY = ("--decrypt", "--reason", "a look")
KILLED_AT = 40
CHUNKS = [b"chunk %d\n" % number for number in range(5)]


@pytest.fixture(scope="module")
def shared():
    """A host with the plugins that are no processes of their own, for every test of this file."""
    state = short_directory()
    made = LiveDaemon(state)
    made.options = shipped_with(state, *IN_PROCESS)
    made.start()
    yield made
    made.stop()
    shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(scope="module")
def written(shared):
    """A run whose guest wrote five chunks and closed the stream."""
    with shared.channel() as api:
        api.register(guest("streaming"), "streaming", config=b"5")
        ended = api.execute("streaming", b"{}")
    assert ended.run.status == run_pb2.RUN_STATUS_COMPLETED, ended.error
    return ended.run.run_id


@pytest.fixture
def waiting(shared):
    """A run that goes on until somebody ends it."""
    with shared.channel() as api:
        api.register(guest("sleep-forever"), "waiting")
        run_id = api.runs.Start(run_pb2.StartRequest(workflow="waiting"), timeout=20).run.run_id
    yield run_id
    shared("run", "kill", run_id, "--yes")


def test_what_a_guest_wrote_is_listed_described_and_opened_for_a_reason(shared, written):
    listed = shared("run", "streams", written, "--json").json["streams"]
    assert listed == [{"name": "out", "chunks": 5, "bytes": 40, "closed": True, "tampered": False}]
    sealed = shared("run", "stream", written, "out")
    assert (sealed.out.count("[encrypted"), "chunk" in sealed.out) == (6, False)
    assert shared("run", "stream", written, "out", *WHY).out.encode() == b"".join(CHUNKS)
    documents = shared("run", "stream", written, "out", "--from", "-2", "--follow", *WHY, "--json").out.splitlines()
    assert [base64.b64decode(json.loads(line)["data"]) for line in documents] == [*CHUNKS[3:], b""]


def test_an_export_holds_the_streams_of_the_run(shared, written):
    lines = [json.loads(line) for line in shared("run", "export", written, *WHY).out.splitlines()]
    chunks = [base64.b64decode(line["data"]) for line in lines if line["line"] == "chunk"]
    assert (lines[0]["streams"], chunks) == (1, [*CHUNKS, b""])


def test_others_write_to_a_run_that_goes_on_and_a_stream_that_it_leaves_open_is_truncated(shared, waiting, tmp_path):
    (tmp_path / "page").write_bytes(bytes(range(256)) * 1_500)
    assert shared("run", "stream-write", waiting, "in", f"@{tmp_path / 'page'}").out == "0 1\n"
    again = [shared("run", "stream-write", waiting, "in", "more", "--request-id", "once").out for _ in range(2)]
    assert again == ["2\n", "2\n"]
    assert shared("run", "stream-write", waiting, "closed", "-", "--close", stdin=b"all").code == 0
    refused = shared("run", "stream-write", waiting, "closed", "x")
    assert (refused.code, "SR-STREAM-004" in refused.err) == (65, True)
    assert shared("run", "kill", waiting, "--yes").code == 0
    assert shared("run", "stream", waiting, "closed", "--follow", *WHY).out == "all"
    cut = shared("run", "stream", waiting, "in", "--follow", "--from", "2", *WHY)
    assert (cut.code, cut.out, "SR-STREAM-006" in cut.err) == (74, "more", True)
    ended = shared("run", "stream-write", waiting, "in", "x")
    assert (ended.code, "SR-STREAM-003" in ended.err) == (65, True)


def test_a_host_that_is_killed_loses_no_chunk_that_it_took_and_writes_none_twice(small):
    small.start()
    with small.channel() as api:
        api.register(guest("sleep-forever"), "waiting")
        run_id = api.runs.Start(run_pb2.StartRequest(workflow="waiting"), timeout=20).run.run_id
        taken, killed = [], threading.Event()

        def write(numbers, last=None):
            stub = stream_pb2_grpc.StreamServiceStub(api.channel)
            for number in numbers:
                request = stream_pb2.StreamServiceWriteRequest(
                    run_id=run_id, name="out", data=b"%d " % number, request_id=f"chunk-{number}", last=number == last
                )
                taken.append(stub.Write(request, timeout=20).index)
                if number == KILLED_AT:
                    killed.set()

        with ThreadPoolExecutor() as pool:
            following = pool.submit(small, "run", "stream", run_id, "out", "--follow", *WHY)
            writing = pool.submit(write, count())
            assert killed.wait(20)
            small.kill()
            with pytest.raises(grpc.RpcError):
                writing.result(20)
            small.start()
            before, last = len(taken), len(taken) + 5
            # As a client does that knows not which of its last writes went in.
            with small.channel() as api:
                write(range(before - 2, last + 1), last)
            assert following.result(60).out == "".join(f"{number} " for number in range(last + 1))
    assert taken == [*range(before), *range(before - 2, last + 1)]
    small.stop()
