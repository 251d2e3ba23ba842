"""The API over TCP: never without TLS, and for nobody whom the callers' file does not name."""

import socket
import threading
from contextlib import contextmanager

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from strongroom.errors import Misconfigured
from strongroom.pb.strongroom.v1 import keys_pb2, keys_pb2_grpc
from strongroom.services.access import Access
from strongroom.services.caller_book import CallerBook
from strongroom.services.server import ApiServer
from strongroom.services.tls_port import TlsPort
from strongroom.settings.api import ApiSettings
from strongroom.settings.callers import CallerEntry
from strongroom.settings.roles import EVERYTHING
from tests.fakes.callers import bearer, grant, with_token
from tests.fakes.host_certificates import HostAuthority
from tests.services.test_access import Keys

BOOK = CallerBook(
    [
        with_token("operator", "token-of-operator", grant(EVERYTHING)),
        with_token("reader", "token-of-reader", grant(["read"])),
        CallerEntry(name="robot", certificate="Robot.example", grants=(grant(EVERYTHING),)),
        CallerEntry(name="former", certificate="former.example", grants=(grant(EVERYTHING),), ends_at=1),
    ]
)


class Place:
    """A server with a certificate, authorities of clients, and clients with theirs."""

    def __init__(self, directory):
        self.directory = directory
        self.hosts = HostAuthority(directory, "hosts")
        self.clients = HostAuthority(directory, "clients")
        self.strangers = HostAuthority(directory, "strangers")
        self.own = self.hosts.issue("localhost")
        self.refused = []

    def settings(self, **changed):
        fields = {
            "listen": "127.0.0.1:0",
            "tls_certificate_file": self.own.certificate,
            "tls_key_file": self.own.key,
        }
        return ApiSettings(**(fields | changed))

    @contextmanager
    def serving(self, **changed):
        port = TlsPort(self.settings(**changed))
        add = [lambda server: keys_pb2_grpc.add_KeysServiceServicer_to_server(Keys(), server)]
        access = Access(
            base=None,
            book=BOOK,
            on_refused=lambda *heard: self.refused.append((heard[1], heard[2].code)),
            has_certificates="tls_client_ca_file" in changed,
        )
        server = ApiServer(port, add, message_bytes_max=1_000_000, reflection=True, access=access)
        server.start()
        try:
            yield port
        finally:
            server.stop(0)

    def mutual(self):
        return self.serving(tls_client_ca_file=self.clients.path)

    @contextmanager
    def channel(self, port, certified=None):
        credentials = grpc.ssl_channel_credentials(
            self.hosts.path.read_bytes(),
            certified.key.read_bytes() if certified else None,
            certified.certificate.read_bytes() if certified else None,
        )
        with grpc.secure_channel(f"127.0.0.1:{port.port}", credentials) as channel:
            yield channel

    def status(self, port, certified=None, metadata=()):
        with self.channel(port, certified) as channel:
            stub = keys_pb2_grpc.KeysServiceStub(channel)
            return stub.Status(keys_pb2.KeysServiceStatusRequest(), timeout=10, metadata=metadata)

    def refusal(self, port, certified=None, metadata=()):
        with pytest.raises(grpc.RpcError) as refused:
            self.status(port, certified, metadata)
        return refused.value


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Place(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def place(made):
    made.refused.clear()
    return made


def test_a_token_gives_what_its_entry_says_and_nothing_comes_without_one(place):
    with place.serving() as port:
        assert place.status(port, metadata=bearer("token-of-operator")).writing_version == 1
        error = place.refusal(port)
        assert (error.code(), place.refused) == (grpc.StatusCode.PERMISSION_DENIED, [("", "SR-AUTH-006")])
        assert "nobody may call here without a token" in error.details()
        assert "reader has not the role admin" in place.refusal(port, metadata=bearer("token-of-reader")).details()
        assert "not known here" in place.refusal(port, metadata=bearer("token-of-nobody")).details()


def test_a_certificate_names_the_caller_whom_the_file_grants_something(place):
    with place.mutual() as port:
        assert place.status(port, place.clients.issue("robot.example")).writing_version == 1
        place.refusal(port, place.clients.issue("former.example"))
        assert place.refused == [("former", "SR-AUTH-004")]


def test_the_common_name_counts_only_where_there_is_no_other(place):
    with place.mutual() as port:
        assert place.refusal(port, place.clients.issue("robot.example", alternative="other.example"))
        assert place.refused == [("", "SR-AUTH-006")]
        assert place.status(port, place.clients.issue("other.example", alternative="robot.example")).writing_version


def test_a_known_authority_alone_gives_nothing(place):
    with place.mutual() as port:
        assert place.refusal(port, place.clients.issue("somebody.example")).code() is grpc.StatusCode.PERMISSION_DENIED
        assert place.refused == [("", "SR-AUTH-006")]


def test_without_a_certificate_of_that_authority_there_is_no_connection(place):
    with place.mutual() as port:
        for certified in (None, place.strangers.issue("robot.example"), place.clients.issue("robot.example", days=-2)):
            error = place.refusal(port, certified, bearer("token-of-operator"))
            assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert place.refused == []


def test_a_token_counts_beside_a_certificate_that_nobody_granted_anything(place):
    with place.mutual() as port:
        known = place.clients.issue("somebody.example")
        assert place.status(port, known, bearer("token-of-operator")).writing_version == 1
        # The token says who it is, so a wrong one is refused beside a certificate that would do.
        error = place.refusal(port, place.clients.issue("robot.example"), bearer("token-of-nobody"))
        assert "the token is not known here" in error.details()


@pytest.mark.parametrize("metadata", [(), bearer("token-of-nobody"), (("authorization", "Basic x"),)])
def test_whoever_is_not_known_is_refused_before_his_message_is_read(place, metadata):
    unsent = threading.Event()

    def message():
        unsent.wait(30)
        yield b""

    with place.serving() as port, place.channel(port) as channel:
        call = channel.stream_unary("/strongroom.v1.KeysService/Status")
        with pytest.raises(grpc.RpcError) as refused:
            call(message(), timeout=20, metadata=metadata)
        unsent.set()
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert len(place.refused) == 1


def test_nothing_is_spoken_in_the_clear(place):
    with place.serving() as port:
        with grpc.insecure_channel(f"127.0.0.1:{port.port}") as channel:
            stub = keys_pb2_grpc.KeysServiceStub(channel)
            with pytest.raises(grpc.RpcError) as refused:
                stub.Status(keys_pb2.KeysServiceStatusRequest(), timeout=10, metadata=bearer("token-of-operator"))
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        with socket.create_connection(("127.0.0.1", port.port), 10) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert b"HTTP" not in plain.recv(1000)


def test_health_and_reflection_answer_nobody_there(place):
    with place.serving() as port, place.channel(port) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("missing", ["tls_certificate_file", "tls_key_file"])
def test_a_host_that_would_listen_without_tls_does_not_start(place, missing):
    with pytest.raises(Misconfigured, match="without TLS") as caught:
        TlsPort(place.settings(**{missing: None})).check()
    assert caught.value.code == "SR-AUTH-007"


def faults(place):
    empty, other = place.directory / "empty.pem", place.hosts.issue("other")
    empty.write_text("")
    large = place.directory / "large.pem"
    large.write_bytes(b"x" * 1_000_001)
    open_key = place.directory / "open.key"
    open_key.write_bytes(place.own.key.read_bytes())
    open_key.chmod(0o640)
    nowhere = place.directory / "nowhere.pem"
    yield {"tls_certificate_file": nowhere}, "No such file"
    yield {"tls_certificate_file": empty}, "TLS does not take it"
    yield {"tls_certificate_file": large}, "more than 1000000 bytes"
    yield {"tls_certificate_file": other.certificate}, "TLS does not take it"
    yield {"tls_key_file": nowhere}, "no such file"
    yield {"tls_key_file": open_key}, "others can read it (mode 0640)"
    yield {"tls_key_file": place.directory}, "not a regular file"
    yield {"tls_client_ca_file": nowhere}, "No such file"
    yield {"tls_client_ca_file": empty}, "no PEM certificate of an authority"
    yield {"tls_client_ca_file": place.own.key}, "no PEM certificate of an authority"


def test_files_that_tls_cannot_use_are_named_before_anything_listens(place, capfd):
    for changed, why in faults(place):
        with pytest.raises(Misconfigured) as caught:
            TlsPort(place.settings(**changed)).check()
        assert caught.value.code == "SR-AUTH-008"
        assert why in caught.value.why
    assert capfd.readouterr().err == ""


def test_an_address_that_is_taken_is_named(place):
    with place.serving() as port:
        again = ApiServer(
            TlsPort(place.settings(listen=f"127.0.0.1:{port.port}")), [], message_bytes_max=1000, reflection=False
        )
        with pytest.raises(Misconfigured, match=f"cannot listen on 127.0.0.1:{port.port}") as caught:
            again.start()
        again.stop(0)
    assert caught.value.code == "SR-AUTH-009"


@pytest.mark.parametrize("text", ["127.0.0.1", ":7", "a b:7", "host:65536", "host:x", "[::1:7", "unix:/x", "host:7/x"])
def test_what_is_no_address_is_refused_with_the_settings(text):
    with pytest.raises(ValueError, match="write HOST:PORT"):
        ApiSettings(listen=text)


@pytest.mark.parametrize("text", ["", "127.0.0.1:7", "[::1]:7", "host.example:65535", "0.0.0.0:443"])
def test_an_address_may_be_a_name_or_either_kind_of_number(text):
    assert ApiSettings(listen=text).listen == text
