"""Peers that mean harm, or are broken: what they send is bounded, refused or ignored, and nobody else notices."""

import logging
import socket
import time
from contextlib import suppress

import pytest
from websockets.exceptions import InvalidStatus

from strongroom.workspace.document import Document
from strongroom.workspace.sync.close_codes import CloseCode
from strongroom.workspace.sync.limits import CONNECTING_MAX, MALFORMED_MAX, MESSAGE_BYTES_MAX, RelayTimes
from strongroom.workspace.sync.room_store import room_file
from strongroom.workspace.sync.room_url import RoomAddress
from strongroom.workspace.yjs import frames
from strongroom.workspace.yjs.awareness import AwarenessState, encode_awareness
from strongroom.workspace.yjs.convert import v1_to_v2
from tests.fakes.hostile_updates import claims_of_one_place
from tests.fakes.relay_rig import (
    IMPATIENT,
    RelayRig,
    append,
    closed_with,
    connected,
    in_step,
    new_documents,
    until,
    values,
    write_tokens,
)


@pytest.fixture
def rig(tmp_path):
    with RelayRig(tmp_path) as made:
        yield made


def goes_on(rig):
    """Whether two honest devices still meet."""
    documents = new_documents(2)
    connected(rig.client(documents[0], "h1"), rig.client(documents[1], "h2"))
    append(documents[0], "honest")
    in_step(*documents)
    return "honest" in values(documents[1])


def large_update(size):
    document = Document("notes")
    append(document, "x" * size)
    return document.update_since()


def test_a_message_above_the_limit_closes_with_1009(rig):
    with rig.raw() as peer:
        peer.send(b"\x00" * (MESSAGE_BYTES_MAX + 1))
        assert closed_with(peer)[0] == CloseCode.TOO_BIG
    assert goes_on(rig)


def test_a_message_of_exactly_the_limit_is_read(rig):
    with rig.raw() as peer:
        peer.send(frames.y_awareness(b"") + b"\x00" * (MESSAGE_BYTES_MAX - 2))
        until(lambda: rig.refused == {"SR-WS-031": 1})


def test_a_v2_update_where_v1_is_expected_is_refused_by_name_and_counted(rig):
    with rig.raw() as peer:
        peer.send(frames.y_update(v1_to_v2(large_update(10))))
        code, reason = closed_with(peer)
    assert (code, reason.split()[0]) == (CloseCode.REFUSED, "SR-WS-032")
    assert rig.refused == {"SR-WS-032": 1}
    assert goes_on(rig)


@pytest.mark.parametrize(
    "update", ["", "ff", "01", "0101", "00000000", "01ffffffff0f"], ids=lambda text: text or "empty"
)
def test_garbage_for_an_update_is_refused_and_the_room_goes_on(rig, update):
    with rig.raw() as peer:
        peer.send(frames.y_update(bytes.fromhex(update)))
        assert closed_with(peer)[0] == CloseCode.REFUSED
    assert goes_on(rig)


def test_garbage_for_a_state_vector_is_refused(rig):
    with rig.raw() as peer:
        peer.send(frames.y_step1(b"\xff\xff\xff\x7f"))
        assert closed_with(peer)[0] == CloseCode.REFUSED
    assert goes_on(rig)


def test_malformed_frames_are_ignored_until_there_were_too_many(rig):
    with rig.raw() as peer:
        for _ in range(MALFORMED_MAX):
            peer.send(b"\x00\x02\xff")
        peer.send("text in a dialect without text")
        assert closed_with(peer)[0] == CloseCode.REFUSED
    assert sum(rig.refused.values()) == MALFORMED_MAX + 1
    assert goes_on(rig)


def test_a_flood_is_slowed_down_and_others_are_served(tmp_path):
    with RelayRig(tmp_path, frames_per_second_max=20) as rig, rig.raw("flood") as peer:
        began = time.monotonic()
        for _ in range(110):
            peer.send(frames.y_query_awareness())
        peer.send(frames.y_update(large_update(1)))
        assert goes_on(rig)
        until(lambda: room_file(tmp_path / "relay", RoomAddress("alice", "flood")).exists())
        assert time.monotonic() - began > 0.4, "a hundred at once, the rest at the rate"


def test_a_peer_that_reads_nothing_is_let_go_and_costs_no_more_than_its_queue(tmp_path):
    with RelayRig(tmp_path, queue_bytes_max=200_000) as rig, socket.create_connection(("127.0.0.1", rig.port)) as idle:
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        idle.sendall(
            b"GET /api/owners/alice/rooms/notes?deviceId=idle&token=alice-writes HTTP/1.1\r\n"
            b"Host: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        until(lambda: rig.relay.status().connections == 1)
        (document,) = new_documents(1)
        connected(rig.client(document))
        for _ in range(400):
            append(document, "x" * 50_000)
            if rig.refused.get("slow"):
                break
            time.sleep(0.002)
        until(lambda: rig.refused.get("slow") == 1)
        until(lambda: rig.relay.status().connections == 1)
    assert rig.relay.status().running is False


def test_a_half_open_socket_is_found_and_closed(tmp_path):
    times = RelayTimes(ping_s=0.05, close_s=0.05)
    with RelayRig(tmp_path, times=times) as rig, socket.create_connection(("127.0.0.1", rig.port)) as dead:
        dead.sendall(
            b"GET /api/owners/alice/rooms/notes?deviceId=dead&token=alice-writes HTTP/1.1\r\n"
            b"Host: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        until(lambda: rig.relay.status().connections == 1)
        until(lambda: rig.relay.status().connections == 0)


def test_a_connection_that_never_asks_is_closed(tmp_path):
    with (
        RelayRig(tmp_path, handshake_timeout_ms=100) as rig,
        socket.create_connection(("127.0.0.1", rig.port), timeout=10) as silent,
        socket.create_connection(("127.0.0.1", rig.port), timeout=10) as half,
    ):
        half.sendall(b"POST /api/owners/alice/rooms/notes HTTP/1.1\r\nContent-Le")
        for each in (silent, half):
            with suppress(ConnectionError):  # a reset is as good as an end
                assert each.recv(1) == b""


def test_a_thousand_connects_are_bounded_and_honest_devices_get_in_after_them(tmp_path):
    with RelayRig(tmp_path, connections_max=20) as rig:
        many = []
        try:
            for _ in range(1_000):
                many.append(socket.create_connection(("127.0.0.1", rig.port)))
                many[-1].setblocking(False)
            until(lambda: rig.refused.get("too many", 0) >= 1_000 - 20 - CONNECTING_MAX)
        finally:
            for each in many:
                each.close()
        assert goes_on(rig)


@pytest.mark.parametrize("size", [65_600, 300_000])
def test_awareness_above_its_size_is_refused(rig, size):
    with rig.raw() as peer:
        peer.send(frames.y_awareness(encode_awareness([AwarenessState(1, 1, '"' + "x" * size + '"')])))
        assert closed_with(peer)[0] == CloseCode.REFUSED
    assert set(rig.refused) <= {"SR-SYNC-019", "SR-WS-033"}
    assert goes_on(rig)


def test_one_connection_speaks_for_few_clients(rig):
    with rig.raw() as peer:
        for number in range(20):
            peer.send(frames.y_awareness(encode_awareness([AwarenessState(number, 1, "{}")])))
        assert closed_with(peer)[0] == CloseCode.REFUSED
    assert rig.refused == {"SR-SYNC-019": 1}


def test_awareness_that_is_no_json_does_not_reach_others(rig):
    with rig.raw() as victim, rig.raw() as peer:
        peer.send(frames.y_awareness(encode_awareness([AwarenessState(1, 1, "{nonsense")])))
        assert closed_with(peer)[0] == CloseCode.REFUSED
        victim.send(frames.y_awareness(encode_awareness([AwarenessState(2, 1, "{}")])))
        heard = []
        while not any(frame.startswith(b"\x01") for frame in heard):
            heard.append(victim.recv(10))
        assert not any(b"nonsense" in frame for frame in heard)


def test_tokens_are_in_no_log_line_no_answer_and_no_file(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    with RelayRig(tmp_path) as rig:
        secret = "a-token-nobody-gave-out"
        with rig.raw(token=None, query=f"&token={secret}") as peer:
            assert secret not in closed_with(peer)[1]
        with rig.raw(token=secret) as peer:
            assert secret not in closed_with(peer)[1]
        with pytest.raises(InvalidStatus) as refused, rig.raw("notes", token="bob-writes"):
            pass
        answer = refused.value.response
        assert (answer.status_code, b"OwnerMismatch" in answer.body) == (403, True)
        for token in (secret, "bob-writes"):
            assert token not in answer.body.decode()
        assert goes_on(rig)
    said = "\n".join(
        record.getMessage() for record in caplog.records if record.name.split(".")[0] not in {"websockets", "asyncio"}
    )
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for token in (secret, "bob-writes", "alice-writes"):
        assert token not in said
        assert token.encode() not in stored


def test_a_device_whose_token_became_read_only_cannot_write_any_more(tmp_path):
    with RelayRig(tmp_path, tokens={"one": ("alice", "rw")}) as rig, rig.raw(token="one") as peer:
        peer.recv(10)
        write_tokens(rig.tokens_file, {"one": ("alice", "ro")})
        until(lambda: _denied(rig, peer))
        assert not room_file(tmp_path / "relay", RoomAddress("alice", "never")).exists()


def _denied(rig, peer):
    peer.send(frames.y_update(large_update(1)))
    time.sleep(IMPATIENT.tokens_s)
    return rig.refused.get("SR-SYNC-017")


def test_items_that_claim_one_place_stall_nobody_else(rig):
    with rig.raw("crowded") as peer:
        peer.send(frames.y_update(claims_of_one_place(1, 9_000)))
        peer.send(frames.y_update(claims_of_one_place(9_000, 18_000)))
        peer.send(frames.y_step1(b"\x00"))
        assert goes_on(rig)
        answered = []
        with suppress(TimeoutError):
            while True:
                answered.append(frames.decode_y(peer.recv(0)))
        assert not any(isinstance(each, frames.Step2) for each in answered), "it is still being worked on"
