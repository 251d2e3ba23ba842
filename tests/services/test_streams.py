"""``StreamService``: chunks go in once and come out in order, sealed or for a reason, and each refusal has its name."""

import tempfile
import threading
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from strongroom.pb.strongroom.v1 import stream_pb2 as pb
from strongroom.pb.strongroom.v1 import stream_pb2_grpc
from strongroom.services.places import Places
from strongroom.services.server import ApiServer
from strongroom.services.streams import StreamService
from strongroom.storage.database import Database
from tests.fakes.audit_book import AuditBook
from tests.fakes.callers import administrators
from tests.fakes.journalled import ended, new_run
from tests.fakes.streamed import change
from tests.fakes.workflow_host import WorkflowHost

S = 20
PLACES = 3


@pytest.fixture
def host(sqlite_url):
    database = Database.open(sqlite_url)
    made = WorkflowHost(database)
    yield made
    made.close()
    database.close()


@pytest.fixture
def book():
    return AuditBook()


@pytest.fixture
def api(host, book):
    places = Places(PLACES, "streams are open", "close one")
    service = StreamService(host.host.stream_store, host.host.stream_reader, places=places, audit=book)
    with tempfile.TemporaryDirectory(prefix="sr-") as directory:
        socket = Path(directory) / "s.sock"
        server = ApiServer(
            socket,
            [lambda made: stream_pb2_grpc.add_StreamServiceServicer_to_server(service, made)],
            message_bytes_max=8_000_000,
            reflection=False,
            access=administrators(),
        )
        server.start()
        with grpc.insecure_channel(f"unix:{socket}") as channel:
            yield stream_pb2_grpc.StreamServiceStub(channel)
        server.stop(0)


@pytest.fixture
def run(host):
    return new_run(host.host.journals)


@pytest.fixture
def run_id(run):
    return run.header.run_id


def refused(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    info = error_details_pb2.ErrorInfo()
    rpc_status.from_call(caught.value).details[0].Unpack(info)
    return caught.value.code().name, info.reason


def write(api, run_id, data, name="out", **fields):
    return api.Write(pb.StreamServiceWriteRequest(run_id=run_id, name=name, data=data, **fields), timeout=S)


def close(api, run_id, name="out", **fields):
    return api.Close(pb.StreamServiceCloseRequest(run_id=run_id, name=name, **fields), timeout=S)


def reading(api, run_id, name="out", start=0, *, timeout=S, **fields):
    request = pb.StreamServiceReadRequest(run_id=run_id, name=name, start_index=start, **fields)
    return api.Read(request, timeout=timeout)


def read(api, run_id, name="out", start=0, **fields):
    return [answer.chunk for answer in reading(api, run_id, name, start, **fields)]


def chunks(api, run_id, **fields):
    return api.GetChunks(pb.StreamServiceGetChunksRequest(run_id=run_id, name="out", **fields), timeout=S)


def test_what_is_written_is_read_in_order_for_a_reason(api, run_id):
    assert [write(api, run_id, data).index for data in (b"one", b"two")] == [0, 1]
    assert (close(api, run_id).index, close(api, run_id).created) == (2, False)
    came = read(api, run_id, reason="a look")
    assert [(c.index, c.data, c.final) for c in came] == [(0, b"one", False), (1, b"two", False), (2, b"", True)]
    assert all(c.create_time.seconds for c in came)
    assert [c.data for c in read(api, run_id, start=-1, reason="a look")] == [b"two", b""]


def test_without_a_reason_only_sizes_and_key_versions_are_sent(api, run_id):
    write(api, run_id, b"canary")
    write(api, run_id, b"", last=True)
    for found in (read(api, run_id), chunks(api, run_id).chunks):
        assert [(c.sealed.sealed_bytes, c.sealed.key_version, c.final) for c in found] == [
            (42, 1, False),
            (36, 1, True),
        ]
        assert not any(c.HasField("data") for c in found)


def test_what_is_opened_is_on_record_before_and_after(api, book, run_id):
    write(api, run_id, b"canary", last=True)
    read(api, run_id, reason="ticket 4711")
    chunks(api, run_id, reason="ticket 4712")
    assert [(each.action, each.subject, each.reason, each.outcome, each.facts) for each in book.records] == [
        ("run.decrypt", run_id, reason, outcome, {"fields": "stream out", **shown})
        for reason in ("ticket 4711", "ticket 4712")
        for outcome, shown in (("begun", {}), ("done", {"shown": 1}))
    ]


def test_a_request_that_is_sent_again_writes_once(api, run_id):
    first = write(api, run_id, b"x", request_id="01ABC")
    again = write(api, run_id, b"x", request_id="01ABC")
    assert (first.index, first.created, again.index, again.created) == (0, True, 0, False)
    assert refused(lambda: write(api, run_id, b"y", request_id="01ABC")) == ("ALREADY_EXISTS", "SR-STREAM-007")
    assert [write(api, run_id, b"x").index for _ in range(2)] == [1, 2], "without an id each is a new one"
    assert close(api, run_id, request_id="end").created
    assert not close(api, run_id, request_id="end").created


def test_a_stream_is_followed_from_before_its_first_chunk_to_its_last(api, run_id):
    stream = reading(api, run_id, follow=True, reason="x")
    for number in range(3):
        write(api, run_id, b"%d" % number, last=number == 2)
        assert next(stream).chunk.data == b"%d" % number
    assert list(stream) == []


def test_a_reader_that_was_cut_off_goes_on_without_a_gap(api, run_id):
    for number in range(5):
        write(api, run_id, b"%d" % number, last=number == 4)
    for cut in range(6):
        stream = reading(api, run_id, follow=True, reason="x")
        first = [next(stream).chunk.data for _ in range(cut)]
        stream.cancel()
        rest = [c.data for c in read(api, run_id, start=cut, follow=True, reason="x")]
        assert first + rest == [b"0", b"1", b"2", b"3", b"4"]


def test_a_stream_that_its_run_did_not_close_is_truncated_after_what_is_there(api, host, run, run_id):
    write(api, run_id, b"x")
    stream = reading(api, run_id, follow=True, reason="x")
    assert next(stream).chunk.data == b"x"
    ended(run)
    assert refused(lambda: next(stream)) == ("DATA_LOSS", "SR-STREAM-006")
    page = chunks(api, run_id, reason="x")
    assert [c.data for c in page.chunks] == [b"x"]
    behind = page.next_page_token
    assert refused(lambda: chunks(api, run_id, page_token=behind)) == ("DATA_LOSS", "SR-STREAM-006")


def test_pages_of_chunks_join_without_a_gap(api, run_id):
    for number in range(5):
        write(api, run_id, b"%d" % number)
    close(api, run_id)
    came, token = [], ""
    while True:
        page = chunks(api, run_id, page_size=2, page_token=token, reason="x")
        came += [c.data for c in page.chunks]
        token = page.next_page_token
        if not token:
            break
    assert came == [b"0", b"1", b"2", b"3", b"4", b""]
    assert [c.data for c in chunks(api, run_id, start_index=-2, reason="x").chunks] == [b"3", b"4", b""]


def test_streams_are_listed_in_pages_with_how_they_stand(api, host, run_id):
    for name, data in (("a", b"12"), ("b", b"345"), ("c", b"")):
        write(api, run_id, data, name)
    close(api, run_id, "a")
    change(host, "UPDATE stream_chunks SET final = 1 WHERE name = :a", a="b")
    request = pb.StreamServiceListRequest(run_id=run_id, page_size=2)
    first = api.List(request, timeout=S)
    assert [(s.name, s.chunks, s.content_bytes, s.closed, s.tampered, s.tail_index) for s in first.streams] == [
        ("a", 1, 2, True, False, 0),
        ("b", 0, 0, False, True, -1),
    ]
    request.page_token = first.next_page_token
    last = api.List(request, timeout=S)
    assert ([s.name for s in last.streams], last.next_page_token) == (["c"], "")
    info = api.GetInfo(pb.StreamServiceGetInfoRequest(run_id=run_id, name="a"), timeout=S).stream
    assert info == first.streams[0]
    assert refused(lambda: api.GetInfo(pb.StreamServiceGetInfoRequest(run_id=run_id, name="b"), timeout=S)) == (
        "DATA_LOSS",
        "SR-SEAL-001",
    )


def test_each_refusal_has_its_name(api, run, run_id):
    long = "r" * 513
    for expected, call in {
        ("NOT_FOUND", "SR-RUN-001"): lambda: write(api, "wrun_nobody", b"x"),
        ("NOT_FOUND", "SR-STREAM-005"): lambda: read(api, run_id, "nothing"),
        ("INVALID_ARGUMENT", "SR-STREAM-001"): lambda: write(api, run_id, b"x", "a/b"),
        ("INVALID_ARGUMENT", "SR-STREAM-002"): lambda: write(api, run_id, bytes(262_145)),
        ("INVALID_ARGUMENT", "SR-STREAM-011"): lambda: write(api, run_id, b"x", request_id="a b"),
        ("INVALID_ARGUMENT", "SR-STREAM-012"): lambda: read(api, run_id, start=-(2**63)),
        ("INVALID_ARGUMENT", "SR-RUN-017"): lambda: read(api, run_id, reason=long),
        ("INVALID_ARGUMENT", "SR-API-002"): lambda: chunks(api, run_id, page_size=501),
        ("INVALID_ARGUMENT", "SR-API-003"): lambda: chunks(api, run_id, page_token="?"),
        ("INVALID_ARGUMENT", "SR-API-008"): lambda: read(api, run_id, "a\0b"),
    }.items():
        assert refused(call) == expected
    write(api, run_id, b"x", last=True)
    assert refused(lambda: write(api, run_id, b"y")) == ("FAILED_PRECONDITION", "SR-STREAM-004")
    ended(run)
    assert refused(lambda: write(api, run_id, b"y", "new")) == ("FAILED_PRECONDITION", "SR-STREAM-003")


def test_readers_that_do_not_read_hold_their_places_and_nothing_else(api, host, run_id):
    write(api, run_id, b"x")
    open_streams = [reading(api, run_id, follow=True, timeout=60) for _ in range(PLACES)]
    for stream in open_streams:
        next(stream)
    assert refused(lambda: read(api, run_id)) == ("UNAVAILABLE", "SR-API-007")
    assert write(api, run_id, b"y").index == 1, "nobody who writes waits for them"
    for stream in open_streams:
        stream.cancel()
    given_back = threading.Event()
    for _ in range(500):
        if len(host.host.journals.streams) == 0:
            break
        given_back.wait(0.02)
    assert len(read(api, run_id)) == 2


class Gone:
    """The context of a call whose caller went away before it was begun."""

    def add_callback(self, _callback):
        return False


def test_nothing_is_opened_for_a_caller_who_went_away_before(host, book, run_id):
    host.host.stream_store.write(run_id, "a", b"x", written_by="1")
    places = Places(PLACES, "streams are open", "close one")
    service = StreamService(host.host.stream_store, host.host.stream_reader, places=places, audit=book)
    request = pb.StreamServiceReadRequest(run_id=run_id, name="a", follow=True, reason="ticket 7")
    assert list(service.Read(request, Gone())) == []
    assert book.records == []
