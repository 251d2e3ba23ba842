"""The listener: what it answers on the wire, and what it does with those who send too much, too slowly or too often."""

import http.client
import socket
import threading
import time

import pytest

from strongroom_http_trigger.listener import Listener, where_of
from strongroom_http_trigger.service import Answer
from tests.fakes.http_caller import body_for, post
from tests.fakes.trigger_rig import WORKFLOW


@pytest.fixture
def listening():
    """Starts listeners on the loopback."""
    made = []

    def start(handle=lambda _token, body: Answer(status=200, body=b'{"bytes":%d}' % len(body)), **changes):
        settings = {"threads": 2, "connections_max": 20, "body_bytes_max": 10_000, **changes}
        made.append(Listener(settings.pop("listen", "127.0.0.1:0"), handle, **settings))
        made[-1].start()
        return made[-1].address

    yield start
    for listener in made:
        listener.close()


def test_a_request_and_its_answer_over_the_wire(listening, rig, caller):
    address = listening(rig.service.answer)
    body = body_for(WORKFLOW)
    status, fields, said = post(address, body, caller.bearer(body))
    assert (status, said["result"]["status"]) == (200, "ACCEPTED")
    assert (fields["Content-Type"], fields["Cache-Control"], fields["Connection"]) == (
        "application/json",
        "no-store",
        "close",
    )
    assert "Server" not in fields
    status, fields, said = post(address, body)
    assert (status, said["error"]["code"]) == (401, -32000)


def test_a_refusal_by_rate_says_when_to_come_back(listening, make_rig, caller):
    rig = make_rig(burst=0)
    rig.listen(caller.address)
    body = body_for(WORKFLOW)
    status, fields, said = post(listening(rig.service.answer), body, caller.bearer(body))
    assert (status, fields["Retry-After"]) == (429, str(said["error"]["data"]["retryAfterSeconds"]))


def test_it_listens_on_a_socket_of_its_user(listening, tmp_path):
    path = tmp_path / "http.sock"
    address = listening(listen=f"unix:{path}")
    assert path.stat().st_mode & 0o777 == 0o600
    assert post(address, b"{}")[2] == {"bytes": 2}


def test_a_socket_that_a_crash_left_is_replaced(listening, tmp_path):
    path = tmp_path / "http.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert post(listening(listen=f"unix:{path}"), b"{}")[0] == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/", 405), ("PUT", "/", 405), ("POST", "/x", 404)])
def test_another_method_or_path_is_refused(listening, method, path, status):
    assert post(listening(), b"{}", method=method, path=path)[0] == status


def test_a_body_over_the_limit_is_refused(listening):
    address = listening()
    assert post(address, bytes(10_000))[2] == {"bytes": 10_000}
    assert post(address, bytes(10_001))[0] == 413


def test_a_chunked_body_over_the_limit_is_refused(listening):
    host, port = listening().split(":")
    with socket.create_connection((host, int(port)), timeout=30) as raw:
        raw.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(20):
                raw.sendall(b"3e8\r\n" + bytes(1_000) + b"\r\n")
            raw.sendall(b"0\r\n\r\n")
        except OSError:
            pass  # it does not listen to the end
        assert raw.recv(100).startswith(b"HTTP/1.1 413")


RAW = {
    "huge field": b"POST / HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
    "fields without end": b"POST / HTTP/1.1\r\n" + b"X: y\r\n" * 4_000,
    "two lengths": b"POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "negative length": b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    "length as word": b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
    "unknown coding": b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
    "bad chunk": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@pytest.mark.parametrize("sent", RAW.values(), ids=RAW)
def test_what_is_no_request_is_refused_and_hung_up_on(listening, sent):
    host, port = listening().split(":")
    with socket.create_connection((host, int(port)), timeout=30) as raw:
        raw.sendall(sent)
        said = b""
        try:
            while more := raw.recv(4_096):
                said += more
        except ConnectionResetError:
            pass
    assert said.split(b" ")[1][:1] in {b"4", b"5"}, said
    assert b"Traceback" not in said


def test_an_answer_ends_its_connection(listening):
    host, port = listening().split(":")
    two = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}" * 2
    with socket.create_connection((host, int(port)), timeout=30) as raw:
        raw.sendall(two)
        said = b""
        while more := raw.recv(4_096):
            said += more
    assert said.count(b"HTTP/1.1 200") == 1


SLOWLY = {
    "nothing": [b""],
    "half a field": [b"POST / HTTP/1.1\r\nX", b"x"],
    "half a body": [b"POST / HTTP/1.1\r\nContent-Length: 9999\r\n\r\n", b"x"],
}


@pytest.mark.parametrize("pieces", SLOWLY.values(), ids=SLOWLY)
def test_who_sends_slowly_is_hung_up_on(listening, pieces):
    host, port = listening(connection_age_s=0.5).split(":")
    first, *more = pieces
    with socket.create_connection((host, int(port)), timeout=30) as raw:
        raw.sendall(first)
        raw.settimeout(0.05)
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                for piece in more:
                    raw.sendall(piece)
                if raw.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        else:
            pytest.fail("the connection is still open")


def test_a_request_that_takes_long_to_answer_is_not_hung_up_on(listening):
    def slow(_token, _body):
        time.sleep(3)
        return Answer(status=200, body=b"{}")

    assert post(listening(slow, connection_age_s=0.5), b"{}")[0] == 200


def test_more_connections_than_allowed_wait_outside(listening):
    address = listening(connections_max=3, connection_age_s=1.5)
    host, port = address.split(":")
    idle = [socket.create_connection((host, int(port)), timeout=30) for _ in range(5)]
    # They hold every place until they are hung up on; then this one gets in.
    assert post(address, b"{}")[0] == 200
    for one in idle:
        one.close()


def test_requests_at_once_are_worked_on_by_so_many_threads(listening):
    working, most, changed = [0], [0], threading.Condition()

    def count(_token, _body):
        with changed:
            working[0] += 1
            most[0] = max(most[0], working[0])
            changed.notify_all()
            # Two are there at once; a third one would be within a moment.
            changed.wait_for(lambda: most[0] >= 2, 30)
            changed.wait_for(lambda: most[0] > 2, 0.1)
            working[0] -= 1
        return Answer(status=200, body=b"{}")

    address, answers = listening(count, threads=2), []
    threads = [threading.Thread(target=lambda: answers.append(post(address, b"{}")[0])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (answers, most[0]) == ([200] * 8, 2)


@pytest.mark.parametrize(
    "wrong", ["", "8477", "localhost:8477", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:65536", "unix:rel", ":1", "*:1"]
)
def test_a_place_to_listen_that_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ValueError, match="^listen"):
        where_of(wrong)


def test_a_head_request_is_refused_without_a_body(listening):
    connection = http.client.HTTPConnection(listening(), timeout=30)
    connection.request("HEAD", "/")
    assert connection.getresponse().status == 405
    connection.close()
