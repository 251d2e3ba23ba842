"""HTTP on the relay: one-shot sync, the whole state, who may ask, and short answers to everything else."""

import http.client
import json
import socket
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from strongroom.workspace.document import Document
from strongroom.workspace.sync.close_codes import CloseCode
from strongroom.workspace.yjs.convert import v1_to_v2, v2_to_v1
from strongroom.workspace.yjs.http_body import encode_body
from tests.fakes.relay_rig import RelayRig, append, closed_with, connected, in_step, new_documents, values

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "epicenter-yjs.json").read_text())
FRAMES = next(each for each in VECTORS["fixtures"] if each["name"] == "sync-frames")
ROOM = "/api/owners/alice/rooms/frames"
WRITES = {"Authorization": "Bearer alice-writes"}


@pytest.fixture
def rig(tmp_path):
    with RelayRig(tmp_path, origins=("https://app.example",)) as made:
        yield made


def request(rig, method, target, body=None, headers=None):
    """Status and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", rig.port, timeout=20)
    connection.request(method, target, body, WRITES if headers is None else headers)
    answer = connection.getresponse()
    assert answer.headers["Connection"] == "close"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Server" not in answer.headers
    return answer.status, answer.read()


def merged(update_v2):
    document = Document("frames")
    document.apply(v2_to_v1(update_v2))
    return values(document)


def test_one_shot_sync_takes_and_gives_what_the_vectors_say(rig):
    assert request(rig, "POST", ROOM, bytes.fromhex(FRAMES["httpBodyNoUpdate"])) == (204, b""), (
        "in sync: both are empty"
    )
    assert request(rig, "POST", ROOM, bytes.fromhex(FRAMES["httpBodyWithUpdate"])) == (204, b"")
    status, answer = request(rig, "POST", ROOM, bytes.fromhex(FRAMES["httpBodyNoUpdate"]))
    assert (status, merged(answer)) == (200, FRAMES["arrays"]["kv"])


def test_get_is_the_whole_state_in_v2(rig):
    request(rig, "POST", ROOM, bytes.fromhex(FRAMES["httpBodyWithUpdate"]))
    status, answer = request(rig, "GET", ROOM)
    assert (status, merged(answer)) == (200, FRAMES["arrays"]["kv"])


def test_what_is_posted_reaches_those_who_are_connected(rig):
    document, posted = new_documents(2, "frames")
    connected(rig.client(document))
    append(posted, "over http")
    body = encode_body(document.state_vector(), v1_to_v2(posted.update_since()))
    assert request(rig, "POST", ROOM, body)[0] == 200
    in_step(document, posted)


@pytest.mark.parametrize("body", [b"", b"\x05", b"\x01\x00", b"\x01\x00\x00extra", b"\xff" * 40, b"\x01\xff\x00"])
def test_a_malformed_body_is_an_error_and_no_crash(rig, body):
    status, answer = request(rig, "POST", ROOM, body)
    assert (status, answer.split()[0]) == (400, b"SR-WS-043")
    assert request(rig, "POST", ROOM, b"\x01\x00\x00")[0] == 204


def test_an_update_that_is_none_is_refused(rig):
    assert request(rig, "POST", ROOM, encode_body(b"\x00", b"\x00garbage"))[0] == 400


def test_a_reader_may_ask_but_not_bring(rig):
    reads = {"Authorization": "Bearer alice-reads"}
    assert request(rig, "POST", ROOM, bytes.fromhex(FRAMES["httpBodyNoUpdate"]), reads)[0] == 204
    status, answer = request(rig, "POST", ROOM, bytes.fromhex(FRAMES["httpBodyWithUpdate"]), reads)
    assert (status, answer.split()[0]) == (403, b"SR-SYNC-017")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        (ROOM, {}, 401),
        (ROOM, {"Authorization": "Bearer guess"}, 401),
        (ROOM, {"Authorization": "Basic alice-writes"}, 401),
        (ROOM, {"Cookie": "token=alice-writes"}, 401),
        (ROOM + "?token=alice-writes", WRITES, 401),
        (ROOM, {"Authorization": "Bearer bob-writes"}, 403),
        (ROOM, {**WRITES, "Origin": "https://evil.example"}, 403),
        (ROOM, {**WRITES, "Origin": "null"}, 403),
        ("/", WRITES, 404),
        ("/api/owners/alice/rooms/..", WRITES, 404),
        ("/api/owners/alice/rooms/%2e%2e%2fbob", WRITES, 404),
        ("/favicon.ico", {}, 404),
    ],
    ids=[
        "no token",
        "unknown token",
        "another scheme",
        "a cookie counts for nothing",
        "two tokens are none",
        "another owner",
        "a page nobody named",
        "a page without an origin of its own",
        "the root",
        "a parent",
        "an encoded parent",
        "anything else",
    ],
)
def test_who_may_not_is_answered_shortly(rig, method, target, headers, status):
    found, answer = request(rig, method, target, b"\x01\x00\x00" if method == "POST" else None, headers)
    assert found == status
    assert len(answer) < 120
    assert b"writes" not in answer


def test_a_page_that_was_named_may_connect_and_others_may_not(rig):
    with rig.raw(origin="https://app.example") as page:
        page.recv(10)
    with pytest.raises(InvalidStatus) as refused, rig.raw(origin="https://evil.example"):
        pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("protocols", "token", "query"),
    [
        (("strongroom", "bearer.alice-writes"), "alice-writes", ""),
        (("strongroom",), "alice-writes", "&token=alice-writes"),
        (("strongroom",), None, ""),
        (("strongroom",), "", "&token="),
    ],
    ids=["two bearers", "a bearer and a query", "none", "an empty one"],
)
def test_two_tokens_are_none_and_the_reason_is_told_in_web_socket(rig, protocols, token, query):
    with rig.raw(protocols=protocols, token=token, query=query) as peer:
        assert closed_with(peer)[0] == CloseCode.NOT_ADMITTED


def test_a_cookie_counts_for_nothing_on_upgrade(rig):
    with rig.raw(token=None, additional_headers={"Cookie": "token=alice-writes"}) as peer:
        assert closed_with(peer)[0] == CloseCode.NOT_ADMITTED


def test_device_id_is_required_for_a_connection(rig):
    url = f"ws://{rig.address}/api/owners/alice/rooms/notes"
    with pytest.raises(InvalidStatus) as refused, rig.raw_url(url, ["strongroom", "bearer.alice-writes"]):
        pass
    assert (refused.value.response.status_code, refused.value.response.body[:11]) == (400, b"SR-SYNC-011")


def raw_answer(rig, sent):
    """What comes back for bytes as they are."""
    with socket.create_connection(("127.0.0.1", rig.port), timeout=20) as peer:
        peer.sendall(sent)
        answer = b""
        try:
            while chunk := peer.recv(65_536):
                answer += chunk
        except ConnectionResetError:
            pass
        return answer


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /api HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (b"POST /api HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /api HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"411"),
        (b"POST /api HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", b"411"),
        (b"POST /api HTTP/1.1\r\nHost: h\r\n\r\n", b"411"),
        (b"POST /api HTTP/9.9\r\nContent-Length: 0\r\n\r\n", b"400"),
        (b"POST /api\r\n\r\n", b"400"),
        (b"POST /\xff HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b"400"),
        (b"POST /api HTTP/1.1\r\n: x\r\nContent-Length: 0\r\n\r\n", b"400"),
        (b"POST /api HTTP/1.1\r\n" + b"x: y\r\n" * 200 + b"\r\n", b"400"),
        (b"POST /" + b"a" * 20_000, b"431"),
        (b"POST /nothing HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b"404"),
    ],
)
def test_a_request_that_cannot_be_read_is_answered_by_its_status(rig, head, status):
    assert raw_answer(rig, head).split(b" ")[1] == status


def test_a_request_that_comes_byte_by_byte_is_read(rig):
    body = bytes.fromhex(FRAMES["httpBodyWithUpdate"])
    head = f"POST {ROOM} HTTP/1.1\r\nAuthorization: Bearer alice-writes\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", rig.port), timeout=20) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in head.encode() + body:
            peer.sendall(bytes([byte]))
        assert peer.recv(100).startswith(b"HTTP/1.1 204 ")


@pytest.mark.parametrize(
    "sent", [b"PUT / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\xff", b"POS", b"PO\r\n\r\n", b"\r\n" * 50]
)
def test_what_is_no_request_is_hung_up_on(tmp_path, sent):
    with RelayRig(tmp_path, handshake_timeout_ms=200) as rig:
        answer = raw_answer(rig, sent)
        assert answer == b"" or answer.split(b" ")[1] in {b"400", b"404", b"405", b"426"}
        assert request(rig, "GET", "/")[0] == 404
