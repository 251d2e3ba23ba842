"""Asking a session's server: what it may answer, how much, how slowly, and where a token may go."""

import datetime
import ipaddress
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from strongroom.errors import Forbidden, Misconfigured, Unavailable
from strongroom.settings.layers import load
from strongroom.workspace.session.cell import Grant
from strongroom.workspace.session.client import SessionClient, origin_of
from tests.fakes.session_server import Answer, SessionServer, keyring_of, session_body

GRANT = Grant(access_token="token-old", refresh_token="refresh-old", access_token_expires_at_ms=1_000)


@pytest.fixture
def server():
    with SessionServer() as running:
        yield running


def client_of(server: SessionServer, *, url: str = "", timeout_s: float = 5.0, ca_file=None) -> SessionClient:
    return SessionClient(
        url or server.url, token_url=server.token_url, client_id="tests", timeout_s=timeout_s, ca_file=ca_file
    )


def test_a_session_has_user_owner_and_keyring_and_drops_what_is_unknown(server):
    answer = client_of(server).fetch("token-alice")
    assert (answer.user_id, answer.email, answer.owner_id) == ("alice", "alice@example.com", "alice")
    assert answer.keyring == keyring_of("alice")
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.authorization) == ("GET", "/api/session", "Bearer token-alice")


def test_the_repr_of_an_answer_shows_no_key(server):
    answer = client_of(server).fetch("token-alice")
    assert answer.keyring.entries[0].key_bytes_base64 not in repr(answer)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_the_grants_fault(server, status):
    server.plan.append(Answer(status, {}))
    with pytest.raises(Forbidden, match=f"it answered {status}") as caught:
        client_of(server).fetch("token-alice")
    assert caught.value.code == "SR-SESSION-005"


@pytest.mark.parametrize("status", [204, 400, 404, 429, 500, 502, 503])
def test_another_status_says_nothing_of_the_grant(server, status):
    server.plan.append(Answer(status, raw=b""))
    with pytest.raises(Unavailable, match=f"it answered {status}"):
        client_of(server).fetch("token-alice")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(raw=b"<html>sign in</html>"),
        Answer(raw=b"\xff"),
        Answer(body=[]),
        Answer(body={}),
        Answer(body={**session_body(), "user": "alice"}),
        Answer(body={**session_body(), "ownerId": 7}),
        Answer(body={**session_body(), "keyring": []}),
        Answer(body={**session_body(), "keyring": [{"version": 1, "keyBytesBase64": "-_-_"}]}),
        Answer(raw=b"[" * 100_000),
        Answer(raw=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}),
    ],
    ids=["page", "bytes", "list", "empty", "user", "owner", "no key", "url base64", "nested", "compressed"],
)
def test_an_answer_that_is_no_session_is_none(server, answer):
    server.plan.append(answer)
    with pytest.raises(Unavailable, match="is no session") as caught:
        client_of(server).fetch("token-alice")
    assert caught.value.code == "SR-SESSION-012"


def test_an_answer_has_a_size(server):
    server.plan.append(Answer(raw=b" " * 300_000))
    with pytest.raises(Unavailable, match="more than 262144 bytes"):
        client_of(server).fetch("token-alice")


def test_an_answer_that_never_comes_is_not_waited_for(server):
    hold = threading.Event()
    server.plan.append(Answer(body=session_body(), hold=hold))
    try:
        with pytest.raises(Unavailable) as caught:
            client_of(server, timeout_s=0.2).fetch("token-alice")
        assert caught.value.code == "SR-SESSION-007"
    finally:
        hold.set()


def test_a_server_that_is_not_there_says_nothing_of_the_grant_and_no_token_is_in_the_error(server):
    client = client_of(server, url="http://127.0.0.1:1")
    with pytest.raises(Unavailable) as caught:
        client.fetch("token-alice")
    assert "token-alice" not in f"{caught.value}{caught.value.__cause__}{caught.value.details}"


def test_a_redirect_on_the_same_origin_is_followed_with_the_token(server):
    server.plan.append(Answer(307, headers={"Location": "/moved/session"}))
    assert client_of(server).fetch("token-alice").owner_id == "alice"
    assert server.paths() == ["/api/session", "/moved/session"]


@pytest.mark.parametrize("location", ["https://elsewhere.example/", "//elsewhere.example/api", "", "http://[", "ftp:x"])
def test_a_redirect_to_another_origin_gets_no_token(server, location):
    server.plan.append(Answer(302, headers={"Location": location}))
    with pytest.raises(Unavailable, match="which gets no token"):
        client_of(server).fetch("token-alice")
    assert len(server.asked) == 1


def test_another_port_is_another_origin(server):
    with SessionServer() as other:
        server.plan.append(Answer(302, headers={"Location": f"{other.url}/api/session"}))
        with pytest.raises(Unavailable, match="which gets no token"):
            client_of(server).fetch("token-alice")
        assert other.asked == []


def test_redirects_in_a_circle_end(server):
    server.plan.extend(Answer(302, headers={"Location": "/api/session"}) for _ in range(10))
    with pytest.raises(Unavailable, match="redirects more than 3 times"):
        client_of(server).fetch("token-alice")


def test_a_refresh_is_what_oauth_wants_and_keeps_what_is_not_rotated(server):
    grant = client_of(server).refresh(GRANT, now_ms=1_000_000)
    assert (grant.access_token, grant.refresh_token) == ("token-fresh-1", "refresh-1")
    assert grant.access_token_expires_at_ms == 1_000_000 + 3_600_000
    (asked,) = server.asked
    assert asked.form == {"grant_type": ["refresh_token"], "refresh_token": ["refresh-old"], "client_id": ["tests"]}
    server.plan.append(Answer(body={"access_token": "token-next"}))
    kept = client_of(server).refresh(GRANT, now_ms=1_000_000)
    assert (kept.refresh_token, kept.access_token_expires_at_ms) == ("refresh-old", 0)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_refresh_is_the_grants_fault(server, status):
    server.plan.append(Answer(status, {"error": "invalid_grant"}))
    with pytest.raises(Forbidden):
        client_of(server).refresh(GRANT, now_ms=0)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"access_token": ""},
        {"access_token": "a\nb"},
        {"access_token": "a", "expires_in": "soon"},
        {"access_token": "a", "expires_in": -1},
    ],
)
def test_a_refresh_without_a_token_is_none(server, body):
    server.plan.append(Answer(body=body))
    with pytest.raises(Unavailable, match="is no session"):
        client_of(server).refresh(GRANT, now_ms=0)


def test_a_refresh_token_follows_no_redirect_at_all(server):
    server.plan.append(Answer(307, headers={"Location": "/elsewhere"}))
    with pytest.raises(Unavailable, match="which gets no token"):
        client_of(server).refresh(GRANT, now_ms=0)


def test_a_web_socket_has_the_origin_of_its_handshake():
    assert origin_of("wss://relay.example/api") == origin_of("https://relay.example:443")
    assert origin_of("ws://127.0.0.1:80/") == origin_of("http://127.0.0.1")
    assert origin_of("ws://relay.example") != origin_of("https://relay.example")


@pytest.fixture
def authority(tmp_path):
    """A certificate for 127.0.0.1 that is its own authority, and the context of a server that has it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    authority_file = tmp_path / "authority.pem"
    authority_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return authority_file, context


def test_tls_is_verified_against_the_authority_that_is_named(authority):
    authority_file, context = authority
    with SessionServer(wrap=lambda socket: context.wrap_socket(socket, server_side=True)) as server:
        url = server.url.replace("http://", "https://")
        assert client_of(server, url=url, ca_file=authority_file).fetch("token-alice").owner_id == "alice"
        with pytest.raises(Unavailable, match="certificate is not trusted"):
            client_of(server, url=url).fetch("token-alice")
        with pytest.raises(Unavailable, match="certificate is not trusted"):
            client_of(server, url=url.replace("127.0.0.1", "localhost"), ca_file=authority_file).fetch("token-alice")
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("http://session.example", "begin with https://"),
        ("ftp://session.example", "it is not a URL"),
        ("session.example", "it is not a URL"),
        ("https://user:word@session.example", "a user, a query or a fragment"),
        ("https://session.example/?a=b", "a user, a query or a fragment"),
        ("https://[bad", "it is not a URL"),
    ],
)
@pytest.mark.parametrize("key", ["session_url", "token_url"])
def test_the_settings_take_https_and_this_machine_only(tmp_path, key, value, reason):
    with pytest.raises(Misconfigured, match=reason) as caught:
        load("dev", {f"workspaces.{key}": value}, tmp_path, {"HOME": str(tmp_path)})
    assert "word" not in str(caught.value)


@pytest.mark.parametrize(
    "value", ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:9/x/", "https://a.example"]
)
def test_the_settings_take_an_address(tmp_path, value):
    loaded = load("dev", {"workspaces.session_url": value}, tmp_path, {"HOME": str(tmp_path)})
    assert loaded.settings.workspaces.session_url == value.rstrip("/")


@pytest.mark.parametrize("owner", ["", "o" * 257, "a\nb"])
def test_an_owner_of_the_settings_is_a_word(tmp_path, owner):
    with pytest.raises(Misconfigured, match="1 to 256 characters"):
        load("dev", {"workspaces.owner_id": owner}, tmp_path, {"HOME": str(tmp_path)})


def test_the_owner_is_shared_unless_the_settings_say_otherwise(tmp_path):
    loaded = load("dev", {}, tmp_path, {"HOME": str(tmp_path)})
    assert (loaded.settings.workspaces.owner_id, loaded.settings.workspaces.session_url) == ("shared", "")
