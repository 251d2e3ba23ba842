"""The end of the way to a registry, whatever the way is made of: TLS, and a proxy in between."""

import contextlib
import socket
import ssl
import threading

import pytest
import requests

from strongroom.cli.oci_deadline import Deadline
from tests.fakes.web_site import WAIT_S, Authority, Site


class IsOver(Exception):
    pass


@pytest.fixture
def site(tmp_path):
    """Speaks TLS, and its headers have no end; ``hung_up`` is set once nobody reads them any more."""
    authority, hung_up, said_all = Authority(tmp_path), threading.Event(), []

    def dribbles(_seen):
        try:
            yield b"HTTP/1.1 200 OK\r\nX: "
            for _ in range(600):
                yield b"x"
                made.closing.wait(0.02)
            said_all.append(True)
        finally:
            hung_up.set()

    made = Site(dribbles, certificate=authority.file("localhost"))
    made.hung_up, made.said_all, made.authority = hung_up, said_all, authority.path
    yield made
    made.close()


@pytest.fixture
def proxy(site):
    """Leads every client to the site, byte by byte, both ways."""

    def tunnels(seen):
        assert seen.method == "CONNECT"
        yield b"HTTP/1.1 200 Yes\r\n\r\n"
        client = connections.pop()
        with socket.create_connection(("127.0.0.1", site.port), timeout=WAIT_S) as there:
            threading.Thread(target=copies, args=(there, client), daemon=True).start()
            copies(client, there)

    connections = []
    made = Site(tunnels, before=connections.append)
    yield f"http://127.0.0.1:{made.port}"
    made.close()


def copies(source, target):
    with contextlib.suppress(OSError):
        while piece := source.recv(4096):
            target.sendall(piece)
        target.shutdown(socket.SHUT_RDWR)


def given_up(site, **more):
    with requests.Session() as session:
        session.trust_env = False
        for after_s in (0.1, 1, 10):
            deadline = Deadline(after_s, IsOver)
            deadline.bind(session)
            with pytest.raises(IsOver), deadline.holds():
                session.get(f"https://localhost:{site.port}/", verify=str(site.authority), timeout=WAIT_S, **more)
            with pytest.raises(IsOver):
                deadline.check()
            if site.seen:  # else the end came before the site had been asked
                break
    return site.hung_up.wait(WAIT_S) and not site.said_all


def test_what_is_said_in_tls_has_an_end(site):
    assert given_up(site)


def test_what_comes_through_a_proxy_has_an_end(site, proxy):
    assert given_up(site, proxies={"https": proxy})


def test_a_connection_that_comes_after_the_end_is_shut_down_at_once():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(WAIT_S)
        Deadline(-1, IsOver).watch(ours)
        assert theirs.recv(1) == b""


def test_what_is_left_of_tls_after_the_end_is_not_taken_for_plain_text():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"plain")
        context = ssl.create_default_context()
        with context.wrap_socket(ours, server_hostname="localhost", do_handshake_on_connect=False) as tls:
            Deadline(-1, IsOver).watch(tls)
            assert tls.recv(5) == b""


def test_another_error_than_the_end_is_told_as_it_is():
    with pytest.raises(KeyError, match="mine"), Deadline(WAIT_S, IsOver).holds():
        raise KeyError("mine")
