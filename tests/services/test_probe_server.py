"""The server of probes: few connections, each with its time, on a socket or on this machine's address."""

import http.client
import socket
import stat
import tempfile
import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from strongroom.errors import Misconfigured
from strongroom.services.http_request import HEAD_BYTES_MAX, HEADERS_MAX, TARGET_CHARACTERS_MAX, plain
from strongroom.services.probe_server import CONNECTIONS_MAX, ProbeServer
from strongroom.services.unix_socket import UnixSocket


def pages(request):
    if request.path == "/fails":
        raise RuntimeError("a secret of the page")
    return plain(200, f"{request.method} {request.path}")


@contextmanager
def serving(place=("127.0.0.1", 0), answer=pages, **more):
    server = ProbeServer(place, answer, **more)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def directory():
    with tempfile.TemporaryDirectory(prefix="sr-") as path:
        yield Path(path)


def got(server, method, path, **headers):
    asked = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    asked.request(method, path, headers=headers)
    answer = asked.getresponse()
    return answer.status, answer.read(), answer.headers


def sent(server, data, *, end=True):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(data)
        if end:
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_pages_are_answered_over_tcp_with_and_without_their_body():
    with serving() as server:
        assert got(server, "GET", "/livez")[:2] == (200, b"GET /livez\n")
        status, body, headers = got(server, "HEAD", "/livez")
        assert (status, body, headers["Content-Length"]) == (200, b"", "12")
        assert got(server, "POST", "/livez")[0] == 405
        assert got(server, "GET", "/livez", Host="evil.example")[0] == 421


def test_a_socket_is_for_its_owner_and_group_and_goes_with_the_server(directory):
    path = directory / "observe.sock"
    with serving(UnixSocket(path, where="observe.socket")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: whatever\r\n\r\n")
            assert b"GET /livez" in b"".join(iter(lambda: connection.recv(4096), b""))
        with pytest.raises(Misconfigured) as refused:
            ProbeServer(UnixSocket(path, where="observe.socket"), pages).start()
        assert (refused.value.code, refused.value.details["where"]) == ("SR-API-009", "observe.socket")
    assert not path.exists()


def test_an_address_that_is_taken_stops_the_start():
    with serving() as server, pytest.raises(Misconfigured) as refused:
        ProbeServer(("127.0.0.1", server.port), pages).start()
    assert refused.value.code == "SR-OBS-001"


def test_what_is_too_large_or_ends_early_is_refused_and_the_next_is_answered():
    with serving() as server:
        assert b" 431 " in sent(server, b"GET / HTTP/1.1\r\nX: " + b"a" * (HEAD_BYTES_MAX + 10), end=False)
        assert b" 400 " in sent(server, b"GET / HTTP/1.1\r\n")
        assert got(server, "GET", "/livez")[0] == 200


@pytest.mark.parametrize("blank", [b" ", b"\t"])
def test_a_header_that_is_almost_nothing_but_blanks_is_refused_at_once_and_holds_nobody_up(blank):
    """A pattern that tried every way to share the blanks out would hold every thread of the host for half an hour."""
    with serving() as server:
        head = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX:" + blank * (HEAD_BYTES_MAX - 100)
        assert b" 400 " in sent(server, head + b"\x01\r\n\r\n", end=False)
        assert b" 200 " in sent(server, head + b"\r\n\r\n", end=False)


@pytest.mark.parametrize("header", [b"Transfer-Encoding: chunked", b"Content-Length: 3", b"content-length: 0, 0"])
def test_a_request_with_a_body_is_not_read(header):
    with serving() as server:
        asked = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n" + header + b"\r\n\r\n"
        assert b" 413 " in sent(server, asked, end=False)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: localhost", b" 400 "),
        (b"GET /livez HTTP/1.1\r\nHost: localhost" + b"\r\nX: y" * HEADERS_MAX, b" 431 "),
        (b"GET /" + b"a" * TARGET_CHARACTERS_MAX + b" HTTP/1.1\r\nHost: localhost", b" 414 "),
        (b"GET /livez HTTP/1.1", b" 421 "),
    ],
    ids=["two hosts", "too many headers", "too long a path", "no host"],
)
def test_what_no_scraper_sends_is_refused(asked, status):
    with serving() as server:
        assert status in sent(server, asked + b"\r\n\r\n", end=False)


def test_whoever_says_a_little_now_and_then_is_let_go_too():
    with serving(read_s=0.3) as server, socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.settimeout(0.02)
        for _ in range(1_000):
            connection.send(b"G")
            with suppress(TimeoutError):
                assert b" 408 " in connection.recv(4096)
                return
        pytest.fail("each byte gave it more time")


def test_blanks_around_the_host_are_no_part_of_it():
    with serving() as server:
        asked = b"GET /livez HTTP/1.1\r\nHost:%b\r\n\r\n"
        assert b" 200 " in sent(server, asked % b" \t localhost \t ", end=False)
        assert b" 421 " in sent(server, asked % b" \t evil.example \t ", end=False)


def test_whoever_says_nothing_is_let_go():
    with serving(read_s=0.05) as server:
        assert b" 408 " in sent(server, b"GET /livez HTT", end=False)


def test_a_page_that_fails_says_so_without_its_reason(caplog):
    with serving() as server:
        status, body, _ = got(server, "GET", "/fails")
        assert (status, b"secret" in body) == (500, False)
        assert got(server, "GET", "/livez")[0] == 200
    assert "a probe could not be answered" in caplog.messages


def connected(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def test_those_who_hold_connections_and_ask_nothing_keep_nobody_out_and_whoever_waited_longest_goes_first():
    with serving(read_s=60) as server, ExitStack() as held:
        silent = [held.enter_context(connected(server)) for _ in range(CONNECTIONS_MAX + 4)]
        for connection in silent[4:8]:
            connection.sendall(b"GET /livez HT")
        assert got(server, "GET", "/livez")[0] == 200
        assert [connection.recv(100) for connection in silent[:5]] == [b""] * 5, "they are hung up on without a word"
        silent[5].sendall(b"TP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in silent[5].recv(4096), "and the others are not"
        assert sum(each.name == "probe" for each in threading.enumerate()) <= CONNECTIONS_MAX


def test_those_who_do_not_take_their_answers_keep_nobody_out_and_go_after_those_who_have_not_asked(monkeypatch):
    monkeypatch.setattr("strongroom.services.probe_server.CONNECTIONS_MAX", 3)
    large = plain(200, "x" * 8_000_000)

    def deaf(server):
        connection = connected(server)
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(5) == b"HTTP/"
        return connection

    with (
        serving(answer=lambda asked: large if asked.path == "/large" else pages(asked), read_s=60) as server,
        deaf(server),
        deaf(server),
        connected(server) as silent,
    ):
        assert got(server, "GET", "/livez")[0] == 200
        assert silent.recv(1) == b"", "it has asked nothing"
        with deaf(server):
            assert got(server, "GET", "/livez")[0] == 200


def test_connections_beyond_the_limit_are_turned_away_and_the_others_go_on():
    let_go, inside = threading.Event(), threading.Semaphore(0)

    def slow(request):
        if request.path == "/slow":
            inside.release()
            let_go.wait(30)
        return pages(request)

    with serving(answer=slow) as server:
        waiting = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(CONNECTIONS_MAX)]
        for connection in waiting:
            connection.sendall(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for _ in waiting:
            assert inside.acquire(timeout=10)
        with suppress(ConnectionResetError):  # it is answered without being read
            assert b" 429 " in sent(server, b"", end=False), "503 would say that the host drains"
        let_go.set()
        for connection in waiting:
            assert b"200 OK" in connection.recv(4096)
            connection.close()
        # Its place is free a moment after its answer.
        while got(server, "GET", "/livez")[0] != 200:
            pass


def test_a_server_that_was_stopped_answers_nobody():
    with serving() as server:
        port = server.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=10)
