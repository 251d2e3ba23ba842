"""A deadline ends a request whatever the far side does: no answer, one byte at a time, half a handshake."""

import socket
import time

import pytest

from strongroom.plugin import CapabilityError
from strongroom_http_actions.line import connected
from tests.fakes.web_site import WAIT_S, says

SHORT_S = 0.3
# Far above what an ended request takes on a busy machine, far below what the far side would hold the line for.
ENDED_S = 10.0


def drip(site_bytes):
    """Sends ``site_bytes`` once, and then a byte again and again, which keeps every timeout of a socket away."""

    def answer(_seen):
        yield site_bytes
        while True:
            time.sleep(0.02)
            yield b"1"

    return answer


SLOW = {
    "silent": drip(b""),
    "status line": drip(b"HTTP/1.1 200 "),
    "fields": drip(b"HTTP/1.1 200 OK\r\nX: "),
    "body with length": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n"),
    "body to the end": drip(b"HTTP/1.1 200 OK\r\n\r\n"),
    "chunk size": drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
}


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW)
def test_a_slow_far_side_is_left_at_the_deadline(serving, rig, url, answer):
    site = serving(answer)
    began = time.monotonic()
    with pytest.raises(CapabilityError, match="did not answer in time$") as caught:
        rig(site).send(url(site), timeout_s=SHORT_S)
    assert time.monotonic() - began < ENDED_S
    assert (caught.value.origin, caught.value.name) == ("System", "DeadlineExceeded")


def test_interim_answers_without_end_are_left_at_the_deadline(serving, rig, url):
    def interim(_seen):
        while True:
            time.sleep(0.01)
            yield b"HTTP/1.1 100 Continue\r\n\r\n"

    site = serving(interim)
    with pytest.raises(CapabilityError, match="did not answer in time"):
        rig(site).send(url(site), timeout_s=SHORT_S)


def test_a_slow_handshake_is_left_at_the_deadline(serving, rig, url):
    def hold(connection):
        # Reads the hello of the client, and answers with a record that never ends.
        connection.recv(65_536)
        connection.sendall(b"\x16\x03\x03\x40\x00")
        while True:
            time.sleep(0.02)
            connection.sendall(b"\x00")

    site = serving(before=hold)
    with pytest.raises(CapabilityError, match="did not answer in time$"):
        rig(site).send(url(site), method="POST", timeout_s=SHORT_S)
    assert site.seen == []


def test_a_slow_resolver_is_left_at_the_deadline(rig):
    made = rig()

    def slow():
        time.sleep(1.5)
        return ["1.1.1.1"]

    made.names["site.example"] = slow
    with pytest.raises(CapabilityError, match="did not answer in time"):
        made.send("https://site.example/", timeout_s=SHORT_S)


def test_a_host_that_takes_no_connection_is_left_at_the_deadline(rig):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = []
        for _ in range(8):  # more than its queue takes: later ones get no answer at all
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
            waiting.append(one)
        with pytest.raises(TimeoutError):
            connected(["127.0.0.1"], port, time.monotonic() + SHORT_S)
        for one in waiting:
            one.close()


def test_the_time_of_the_caller_counts_when_it_is_shorter(serving, rig, url):
    site = serving(SLOW["silent"])
    with pytest.raises(CapabilityError, match="did not answer in time"):
        rig(site).send(url(site), timeout_s=9, within_s=SHORT_S)


def test_an_answer_just_in_time_is_an_answer(serving, rig, url):
    site = serving(says(200, b"quick"))
    assert rig(site).send(url(site), timeout_s=10, within_s=WAIT_S).body == b"quick"


def test_a_refused_connection_is_unavailable(rig):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    made = rig(allow=[f"site.example:{port}"])
    with pytest.raises(CapabilityError, match="the connection failed .ConnectionRefusedError.$") as caught:
        made.send(f"https://site.example:{port}/", method="POST")
    assert caught.value.name == "Unavailable"
