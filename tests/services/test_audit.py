"""``AuditService``: who asks sees the newest records and whether the log holds; others are refused by their role."""

import tempfile
from pathlib import Path

import grpc
import pytest

from strongroom.audit.verify import verify
from strongroom.pb.strongroom.v1 import audit_pb2, audit_pb2_grpc
from strongroom.services.audit import AuditService
from strongroom.services.server import ApiServer
from tests.fakes.audit_rig import Rig
from tests.fakes.callers import administrators

S = 10


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path, file_bytes_max=4_000).open()
    yield made
    made.log.close()


@pytest.fixture
def serve(rig):
    stopping = []
    with tempfile.TemporaryDirectory(prefix="sr-") as directory:

        def serving(access):
            def read(on_progress):
                return verify(rig.log.snapshot(), rig.name, rig.keys, rig.heads.read, on_progress)

            service = AuditService(rig.log, read, "host-1", is_ending=lambda: bool(stopping))
            socket = Path(directory) / "s.sock"
            add = [lambda server: audit_pb2_grpc.add_AuditServiceServicer_to_server(service, server)]
            server = ApiServer(socket, add, message_bytes_max=1_000_000, reflection=False, access=access)
            server.start()
            channel = grpc.insecure_channel(f"unix:{socket}")
            closing.append((server, channel))
            return audit_pb2_grpc.AuditServiceStub(channel)

        closing = []
        yield serving
        stopping.append(True)
        for server, channel in closing:
            channel.close()
            server.stop(0)


def tail(stub, records, **rest):
    return list(stub.Tail(audit_pb2.AuditServiceTailRequest(records=records, **rest), timeout=S))


def verified(stub):
    return list(stub.Verify(audit_pb2.AuditServiceVerifyRequest(), timeout=S))[-1]


def test_the_newest_records_are_shown_oldest_first_across_files(rig, serve):
    stub = serve(administrators())
    rig.write(60, owner="0a" * 20, reason="ticket", facts={"step": 3})
    shown = [each.record for each in tail(stub, 40)]
    last = rig.log.writer.number
    assert [each.number for each in shown] == list(range(last - 39, last + 1))
    assert (shown[-1].action, shown[-1].reason, dict(shown[-1].facts)) == ("run.start", "ticket", {"step": "3"})
    assert len(tail(stub, 10_000)) == last
    assert tail(stub, 0) == []


def test_new_records_are_shown_to_who_follows(rig, serve):
    stub = serve(administrators())
    rig.write(2)
    answers = stub.Tail(audit_pb2.AuditServiceTailRequest(records=1, follow=True), timeout=S)
    assert next(answers).record.number == 3
    rig.write(2)
    assert [next(answers).record.number, next(answers).record.number] == [4, 5]
    answers.cancel()


def test_a_line_that_is_none_is_shown_as_that(rig, serve):
    stub = serve(administrators())
    rig.write(2)
    lines = rig.lines()
    rig.put([lines[0], b"x" * (len(lines[1]) - 1) + b"\n", *lines[2:]])
    assert [bool(each.problem) for each in tail(stub, 3)] == [False, True, False]


def test_more_than_may_be_asked_for_is_refused(rig, serve):
    with pytest.raises(grpc.RpcError) as refused:
        tail(serve(administrators()), 10_001)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_it_says_that_the_log_holds_or_where_it_does_not(rig, serve):
    stub = serve(administrators())
    rig.write(60)
    answer = verified(stub)
    assert (answer.done, answer.breaks_seen, answer.records, answer.host) == (True, 0, rig.log.writer.number, "host-1")
    assert answer.files == len(rig.place.files())
    first = rig.place.before()[0]
    first.write_bytes(first.read_bytes().replace(b"wrun_3", b"wrun_4"))
    answer = verified(stub)
    assert [(each.number, each.kind) for each in answer.breaks] == [(5, "altered")]


def test_who_reads_the_log_is_an_administrator(rig, serve):
    stub = serve(None)
    for call in (lambda: tail(stub, 1), lambda: verified(stub)):
        with pytest.raises(grpc.RpcError) as refused:
            call()
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
