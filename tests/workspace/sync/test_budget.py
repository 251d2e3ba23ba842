"""What peers can make the relay keep in memory: nothing without a token, and a fixed amount for one owner."""

import socket
from contextlib import ExitStack

import pytest

from strongroom.workspace.sync import connection
from strongroom.workspace.sync.budget import Budget
from strongroom.workspace.sync.http_post import PostReader
from strongroom.workspace.sync.limits import RelayTimes
from strongroom.workspace.sync.room import Room
from strongroom.workspace.yjs import frames
from tests.fakes.relay_rig import RelayRig, append, connected, in_step, new_documents, until

HEAD = b"POST /api/owners/alice/rooms/frames HTTP/1.1\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n"
BODY_BYTES = 3_000_000


@pytest.fixture
def budget(monkeypatch):
    """The budget of the relay that the test starts, a small one."""
    small = Budget(2 * BODY_BYTES)
    monkeypatch.setattr(connection, "Budget", lambda _bytes_max: small)
    return small


def test_a_budget_is_of_one_owner_and_a_message_alone_may_be_larger():
    budget = Budget(100)
    assert budget.has_place("alice", 1000), "nothing is held, and a whole document is one message"
    budget.take("alice", 60)
    assert not budget.has_place("alice", 41)
    assert budget.has_place("alice", 40)
    assert budget.has_place("bob", 41)
    budget.take("alice", -60)
    assert (budget.held("alice"), budget.has_place("alice", 1000)) == (0, True)


def test_a_body_that_nobody_may_send_is_thrown_away_as_it_comes():
    lengths = []
    post = PostReader(lambda _post, length: lengths.append(length) or False)
    assert not post.feed(HEAD % (b"guess", BODY_BYTES))
    for _ in range(BODY_BYTES // 100_000 - 1):
        assert not post.feed(b"x" * 100_000)
        assert not post._read, "nothing of it is kept"
    assert post.feed(b"x" * 100_000)
    assert (post.body, lengths) == (b"", [BODY_BYTES])


@pytest.mark.parametrize(("token", "status"), [(b"guess", b"401"), (b"bob-writes", b"403")])
def test_a_body_without_a_token_for_it_is_refused_with_its_reason_and_not_held(tmp_path, budget, token, status):
    with RelayRig(tmp_path) as rig, socket.create_connection(("127.0.0.1", rig.port), timeout=20) as peer:
        peer.sendall(HEAD % (token, BODY_BYTES) + b"x" * (BODY_BYTES - 1))
        until(lambda: sum(rig.refused.values()) == 1, "the refusal before the end of the body")
        assert budget.held("alice") == 0
        peer.sendall(b"x")
        assert peer.recv(100).split(b" ")[1] == status


def test_bodies_of_one_owner_have_a_limit_and_are_given_back(tmp_path, budget):
    with RelayRig(tmp_path) as rig, ExitStack() as open_ones:
        for count in (1, 2):
            peer = open_ones.enter_context(socket.create_connection(("127.0.0.1", rig.port), timeout=20))
            peer.sendall(HEAD % (b"alice-writes", BODY_BYTES))
            until(lambda count=count: budget.held("alice") == count * BODY_BYTES)
        with socket.create_connection(("127.0.0.1", rig.port), timeout=20) as third:
            third.sendall(HEAD % (b"alice-writes", BODY_BYTES) + b"x" * BODY_BYTES)
            assert third.recv(100).split(b" ")[1] == b"503"
        open_ones.close()
        until(lambda: budget.held("alice") == 0, "what was held given back")


def test_of_many_who_ask_at_once_one_is_answered_after_the_other(tmp_path, monkeypatch):
    batches = []
    work = Room._do

    def counted(room, batch):
        batches.append(sum("_missing" in str(each.call) for each in batch))
        work(room, batch)

    monkeypatch.setattr(Room, "_do", counted)
    with RelayRig(tmp_path) as rig, ExitStack() as open_ones:
        peers = [open_ones.enter_context(rig.raw()) for _ in range(10)]
        for peer in peers:
            peer.send(frames.y_step1(b"\x00"))
        for peer in peers:
            while not isinstance(frames.decode_y(peer.recv(20)), frames.Step2):
                pass
    assert sum(batches) >= 10
    assert max(batches) == 1, "a batch holds all of its answers until it ends"


def a_peer_that_reads_nothing(rig):
    """A connection with small buffers that asks for all there is."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    peer.connect(("127.0.0.1", rig.port))
    peer.sendall(
        b"GET /api/owners/alice/rooms/notes?deviceId=slow&token=alice-writes HTTP/1.1\r\n"
        b"Host: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    question = frames.y_step1(b"\x00")
    peer.sendall(bytes([0x82, 0x80 | len(question)]) + bytes(4) + question)
    return peer


def test_many_who_ask_for_everything_and_read_nothing_are_let_go_and_who_reads_is_served(tmp_path, budget):
    document, reader = new_documents(2)
    for _ in range(5):
        append(document, "x" * 1_000_000)
    with RelayRig(tmp_path, times=RelayTimes(close_s=0.1)) as rig, ExitStack() as open_ones:
        client = rig.client(document)
        connected(client)
        until(lambda: rig.relay.status().connections == 1)
        for _ in range(3):
            open_ones.enter_context(a_peer_that_reads_nothing(rig))
        until(lambda: rig.refused.get("slow", 0) >= 2, "all but one are let go")
        assert budget.held("alice") < 2 * BODY_BYTES
        append(document, "small")
        open_ones.close()
        connected(rig.client(reader, "reader"))
        in_step(document, reader)
    assert budget.held("alice") == 0
