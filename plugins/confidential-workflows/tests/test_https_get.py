"""Fetching over https: listed hosts, public addresses, no redirects, one limit of size and one of time."""

import datetime
import socket
import ssl
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from strongroom.plugin import CapabilityError
from strongroom_confidential_workflows import https_get
from strongroom_confidential_workflows.https_get import AllowedHttps, is_public

NAME = "binaries.example"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for NAME, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(built.public_bytes(pem) + plain)
    return path


class TlsServer:
    """Answers each connection with the bytes it was given, then hangs up, or holds the line."""

    def __init__(self, certificate, answer, *, hold=False):
        self.requests = []
        self._answer = answer
        self._hold = hold
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._done = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                raw, _ = self._listener.accept()
                with self._context.wrap_socket(raw, server_side=True) as connection:
                    self.requests.append(connection.recv(65536))
                    connection.sendall(self._answer)
                    if self._hold:
                        self._done.wait(30)
            except OSError:
                if self._listener.fileno() < 0:
                    return

    def close(self):
        self._done.set()
        self._listener.close()


@pytest.fixture
def serving(certificate):
    servers = []

    def start(answer, **arguments):
        servers.append(TlsServer(certificate, answer, **arguments))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def getter(certificate):
    def make(server, *, trusted=True, **changes):
        def trust():
            return ssl.create_default_context(cafile=str(certificate) if trusted else None)

        fields = {
            "hosts": frozenset({f"{NAME}:{server.port}"}),
            "resolve": lambda _host, _port: ["127.0.0.1"],
            "trust": trust,
            "is_allowed_address": lambda _address: True,
        }
        return AllowedHttps(**(fields | changes))

    return make


def ok(body, headers=b""):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s" % (len(body), headers, body)


def fetch(get, server, path="/a.wasm", *, seconds=20.0):
    return get(f"https://{NAME}:{server.port}{path}", time.monotonic() + seconds)


def refusal(get, url, *, seconds=20.0):
    with pytest.raises(CapabilityError) as caught:
        get(url, time.monotonic() + seconds)
    return caught.value.name, caught.value.message


def test_a_binary_comes_from_a_listed_host(serving, getter):
    server = serving(ok(b"binary"))
    assert fetch(getter(server), server, "/a.wasm?v=1") == b"binary"
    assert server.requests[0].startswith(b"GET /a.wasm?v=1 HTTP/1.1\r\n")


def test_a_chunked_body_is_read_whole(serving, getter):
    server = serving(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbin\r\n3\r\nary\r\n0\r\n\r\n")
    assert fetch(getter(server), server) == b"binary"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://other.example/a", "PermissionDenied"),
        (f"https://{NAME}/a", "PermissionDenied"),
        (f"https://{NAME}.evil.example/a", "PermissionDenied"),
        (f"https://evil.example@{NAME}/a", "InvalidArgument"),
        (f"https://user:word@{NAME}:443/a", "InvalidArgument"),
        (f"https://{NAME}/a#part", "InvalidArgument"),
        (f"https://{NAME}:99999/a", "InvalidArgument"),
        ("https://[::1", "InvalidArgument"),
        ("https:///a", "PermissionDenied"),
    ],
)
def test_an_address_outside_of_the_list_is_refused_without_a_connection(serving, getter, url, name):
    server = serving(ok(b"binary"))
    assert refusal(getter(server), url)[0] == name
    assert server.requests == []


def test_a_path_that_would_break_the_request_line_is_refused(serving, getter):
    server = serving(ok(b"binary"))
    url = f"https://{NAME}:{server.port}/a b"
    assert refusal(getter(server), url)[0] == "InvalidArgument"


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "fe80::1%eth0"])
def test_a_listed_host_that_points_inside_is_refused_without_a_connection(serving, getter, address):
    server = serving(ok(b"binary"))
    get = getter(server, is_allowed_address=is_public, resolve=lambda _host, _port: ["1.1.1.1", address])
    assert refusal(get, f"https://{NAME}:{server.port}/a") == (
        "PermissionDenied",
        "binary_url: this host has an address that is not public",
    )
    assert server.requests == []


def test_the_connection_goes_to_the_address_that_was_checked(serving, getter):
    server = serving(ok(b"binary"))
    asked = []

    def changes_its_answer(_host, _port):
        asked.append(1)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    assert fetch(getter(server, resolve=changes_its_answer), server) == b"binary"
    assert asked == [1]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(serving, getter, status):
    server = serving(b"HTTP/1.1 %d Go\r\nLocation: https://%s/b\r\nContent-Length: 0\r\n\r\n" % (status, NAME.encode()))
    name, message = refusal(getter(server), f"https://{NAME}:{server.port}/a")
    assert (name, message) == (
        "Unavailable",
        f"binary_url could not be fetched: status {status}, a redirect, which is not followed",
    )
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "status 404, not 200"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "the connection failed (ConnectionError)"),
        (b"garbage\r\n\r\n", "the connection failed (BadStatusLine)"),
        (b"", "the connection failed (RemoteDisconnected)"),
    ],
    ids=["not found", "cut", "garbage", "nothing"],
)
def test_an_answer_that_is_no_binary_is_refused(serving, getter, answer, reason):
    server = serving(answer)
    assert refusal(getter(server), f"https://{NAME}:{server.port}/a") == (
        "Unavailable",
        f"binary_url could not be fetched: {reason}",
    )


def test_a_certificate_that_nobody_trusts_is_refused(serving, getter):
    server = serving(ok(b"binary"))
    name, message = refusal(getter(server, trusted=False), f"https://{NAME}:{server.port}/a")
    assert (name, "CERTIFICATE_VERIFY_FAILED" in message) == ("Unavailable", True)


def test_a_body_above_the_limit_is_refused(serving, getter, monkeypatch):
    monkeypatch.setattr(https_get, "BINARY_BYTES_MAX", 1000)
    fits, too_big = serving(ok(bytes(1000))), serving(ok(bytes(1001)))
    assert len(fetch(getter(fits), fits)) == 1000
    assert refusal(getter(too_big), f"https://{NAME}:{too_big.port}/a")[0] == "LimitExceeded"


def test_a_server_that_holds_the_line_ends_at_the_deadline(serving, getter):
    server = serving(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", hold=True)
    assert refusal(getter(server), f"https://{NAME}:{server.port}/a", seconds=0.3) == (
        "Unavailable",
        "binary_url could not be fetched: the host did not answer in time",
    )


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",  # noqa: S104 - an address to refuse, not to listen on
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd12::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "2002:7f00:1::",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::7f00:1",
        "not an address",
    ],
)
def test_an_address_that_is_not_public_is_known_as_such(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "64:ff9b::101:101"])
def test_a_public_address_is_known_as_such(address):
    assert is_public(address)


def test_the_own_names_of_this_machine_resolve_to_addresses_that_are_refused():
    addresses = https_get.resolve("localhost", 443)
    assert addresses
    assert not any(is_public(address) for address in addresses)
