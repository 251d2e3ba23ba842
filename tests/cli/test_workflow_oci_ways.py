"""Registries that stall or lead astray: nobody waits without end, and a login is shown to its own registry only."""

import base64
import json
import threading

import pytest

from strongroom.cli.failure import Failure
from strongroom.cli.oci_reference import leads_here, parse
from strongroom.cli.oci_session import Registry
from tests.fakes.oci_registry import MANIFEST, OciRegistry, digest_of, pull_from, refusal_of, says
from tests.fakes.terminal import strongroom

WASM = b"\0asm\1\0\0\0"
LOGIN = "ada:s3cret-of-ada"


@pytest.fixture
def registry():
    with OciRegistry() as served:
        yield served


def endless(_seen):
    yield b"HTTP/1.1 200 OK\r\nContent-Type: " + MANIFEST.encode() + b"\r\n\r\n"
    for _ in range(1000):
        yield b"[" * 100_000


@pytest.mark.parametrize("where", ["/manifests/1.0", digest_of(WASM), "/token"])
def test_an_answer_without_an_end_is_cut_off(registry, tmp_path, where):
    registry.put(WASM)
    registry.login = LOGIN if where == "/token" else ""
    registry.answers["GET", where] = endless
    assert refusal_of(pull_from(registry), tmp_path)[0] == "SR-OCI-009"


@pytest.mark.parametrize(("size", "code"), [(1_000_000, ""), (1_000_001, "SR-OCI-009")])
def test_a_manifest_has_a_million_bytes_at_most(registry, tmp_path, size, code):
    registry.put(WASM)
    manifest = registry.manifests["1.0"]
    registry.put_manifest(b" " * (size - len(manifest)) + manifest)
    ended = pull_from(registry)
    assert ended.code == 0 if not code else refusal_of(ended, tmp_path)[0] == code


def test_the_body_of_a_redirect_is_not_read(registry, tmp_path):
    registry.put(WASM)
    registry.blobs["sha256:elsewhere"] = WASM

    def leads(seen):
        yield from (
            piece.replace(b"200 OK", b"307 Go\r\nLocation: /v2/team/hello/blobs/sha256:elsewhere")
            for piece in endless(seen)
        )

    registry.answers["GET", f"/blobs/{digest_of(WASM)}"] = leads
    assert (pull_from(registry).code, (tmp_path / "got.wasm").read_bytes()) == (0, WASM)


def test_a_download_that_breaks_off_leaves_nothing(registry, tmp_path):
    registry.put(WASM)
    registry.answers["GET", digest_of(WASM)] = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n\0as"
    assert refusal_of(pull_from(registry), tmp_path)[0] in {"SR-OCI-011", "SR-OCI-015"}


def test_an_answer_that_takes_too_long_is_given_up(registry, tmp_path, monkeypatch):
    monkeypatch.setattr("strongroom.cli.oci_session.WHOLE_S_MAX", -1.0)
    registry.put(WASM)
    assert refusal_of(pull_from(registry), tmp_path)[0] == "SR-OCI-010"


DRIBBLES = {
    "a header without an end": (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "100 Continue again and again": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "the size of a part without an end": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
    "trailers without an end": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n"),
}


@pytest.mark.parametrize(("start", "again"), DRIBBLES.values(), ids=DRIBBLES)
def test_a_registry_that_says_a_little_now_and_then_is_given_up(registry, tmp_path, monkeypatch, start, again):
    """Each read of it is in time; the whole is not."""
    hung_up, said_all = threading.Event(), []

    def dribbles(_seen):
        try:
            yield start
            for _ in range(600):
                yield again
                registry.site.closing.wait(0.02)
            said_all.append(True)
        finally:
            hung_up.set()

    registry.answers["GET", "/manifests/1.0"] = dribbles
    for whole_s in (0.05, 1, 10):
        monkeypatch.setattr("strongroom.cli.oci_session.WHOLE_S_MAX", whole_s)
        assert refusal_of(pull_from(registry), tmp_path)[0] == "SR-OCI-010"
        if registry.seen:  # else the end came before it had been asked
            break
    assert hung_up.wait(30)
    assert not said_all, "nothing more was read from it"


@pytest.mark.parametrize("scheme", ["bearer", "basic"])
@pytest.mark.parametrize("given", ["docker", "folder", "stdin"])
def test_a_login_comes_from_docker_or_from_stdin(registry, tmp_path, monkeypatch, scheme, given):
    registry.put(WASM)
    registry.login, registry.scheme = LOGIN, scheme
    auth = {"auths": {registry.host: {"auth": base64.b64encode(LOGIN.encode()).decode()}}}
    folder = tmp_path / (".docker" if given == "docker" else "elsewhere")
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(auth))
    if given == "folder":
        monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    ended = (
        pull_from(registry, None, "--login-stdin", stdin=f"{LOGIN}\n".encode())
        if given == "stdin"
        else pull_from(registry)
    )
    assert ended.code == 0, ended.err
    assert "s3cret" not in ended.out + ended.err


@pytest.mark.parametrize("scheme", ["bearer", "basic"])
def test_without_a_login_or_with_a_wrong_one_it_is_refused_once_and_what_the_registry_says_is_not_shown(
    registry, tmp_path, scheme
):
    registry.put(WASM)
    registry.login, registry.scheme = LOGIN, scheme
    for more, stdin in (((), b""), (("--login-stdin",), b"ada:wrong")):
        ended = pull_from(registry, None, *more, stdin=stdin)
        assert (ended.code, refusal_of(ended, tmp_path)[0]) == (77, "SR-OCI-004")
        assert "\x1b" not in ended.err
    assert len(registry.seen) < 10, "nobody is asked again and again"


def test_a_login_is_shown_to_its_own_registry_only(registry, tmp_path):
    registry.put(WASM)
    registry.login = LOGIN
    (tmp_path / ".docker").mkdir()
    auth = {"auths": {"registry.example": {"auth": base64.b64encode(LOGIN.encode()).decode()}}}
    (tmp_path / ".docker" / "config.json").write_text(json.dumps(auth))
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ada password s3cret-of-ada\n")
    assert refusal_of(pull_from(registry), tmp_path)[0] == "SR-OCI-004"
    assert [seen for seen in registry.seen if seen.values("authorization")] == []


@pytest.mark.parametrize("text", ["{", "[]", '{"auths": [7]}'])
def test_a_broken_configuration_of_docker_is_named(registry, tmp_path, text):
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text(text)
    assert refusal_of(pull_from(registry), tmp_path)[0] == "SR-OCI-012"


@pytest.mark.parametrize("login", [b"", b"ada", b":x", b"ada:", b"\n"])
def test_a_login_that_is_none_is_refused(registry, tmp_path, login):
    ended = pull_from(registry, None, "--login-stdin", stdin=login)
    assert refusal_of(ended, tmp_path)[0] == "SR-OCI-017"
    assert registry.seen == []


def test_a_redirect_of_a_download_is_followed_without_the_token(registry, tmp_path):
    registry.put(WASM)
    registry.login = LOGIN
    with OciRegistry() as store:
        store.put(WASM)
        place = f"http://{store.host}/v2/team/hello/blobs/{digest_of(WASM)}?signed=1"
        registry.answers["GET", f"/blobs/{digest_of(WASM)}"] = says(307, b"", f"Location: {place}")
        ended = pull_from(registry, None, "--login-stdin", stdin=LOGIN.encode())
        assert ended.code == 0, ended.err
        assert [seen.values("authorization") for seen in store.seen] == [[]]


@pytest.mark.parametrize("asks", ['Bearer realm="{}/token"', "Basic realm=x", 'Bearer realm="https://a.example/token"'])
def test_a_place_that_a_download_leads_to_gets_no_login_by_asking_for_one(registry, tmp_path, asks):
    registry.put(WASM)
    registry.login = LOGIN
    with OciRegistry() as store:
        store.answers["GET", "/x"] = says(401, b"", f"WWW-Authenticate: {asks.format('http://' + store.host)}")
        to = f"http://{store.host}/x"
        registry.answers["GET", f"/blobs/{digest_of(WASM)}"] = says(307, b"", f"Location: {to}")
        ended = pull_from(registry, None, "--login-stdin", stdin=LOGIN.encode())
        assert refusal_of(ended, tmp_path)[0] == "SR-OCI-004"
        assert [(seen.path, seen.values("authorization")) for seen in store.seen] == [("/x", [])]


def test_certificates_that_are_not_there_are_named_as_a_way_that_is_closed(tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    assert refusal_of(pull_from(None, "oci://registry.example/a"), tmp_path)[0] == "SR-OCI-003"


ELSEWHERE = "http://registry.example/v2/team/hello/x"


@pytest.mark.parametrize(
    ("method", "end", "status", "to"),
    [
        ("GET", "/manifests/1.0", 307, ELSEWHERE),
        ("GET", "/manifests/1.0", 302, "/v2/team/hello/manifests/2.0"),
        ("GET", digest_of(WASM), 307, "http://registry.example/plain"),
        ("GET", digest_of(WASM), 307, "ftp://127.0.0.1/x"),
        ("GET", digest_of(WASM), 307, "file:///etc/passwd"),
        ("GET", digest_of(WASM), 307, "https://127.0.0.1:99999/"),
        ("GET", digest_of(WASM), 307, "http://[::1"),
        ("GET", digest_of(WASM), 307, f"/v2/team/hello/blobs/{digest_of(WASM)}"),
    ],
)
def test_a_redirect_to_where_nothing_is_to_be_fetched_is_refused(registry, tmp_path, method, end, status, to):
    registry.put(WASM)
    registry.answers[method, end] = says(status, b"", f"Location: {to}")
    assert refusal_of(pull_from(registry), tmp_path)[0] == "SR-OCI-013"


def test_an_upload_goes_nowhere_else(registry, wasm):
    with OciRegistry() as other:
        registry.answers["POST", "/uploads/"] = says(202, b"", f"Location: http://{other.host}/take/it")
        ended = strongroom("workflow", "push", str(wasm), registry.place(), "--json")
        assert (ended.error["code"], other.seen) == ("SR-OCI-013", [])


def test_a_token_is_not_fetched_over_plain_http_from_elsewhere(tmp_path):
    with OciRegistry(login=LOGIN, realm="http://registry.example/token") as registry:
        registry.put(WASM)
        ended = pull_from(registry, None, "--login-stdin", stdin=LOGIN.encode())
        assert refusal_of(ended, tmp_path)[0] == "SR-OCI-013"


@pytest.mark.parametrize("answer", [b"[]", b"{", b'{"token": 7}', b'{"token": "a\\nb"}', b"[" * 90_000])
def test_a_token_that_is_none_is_a_refusal(registry, tmp_path, answer):
    registry.put(WASM)
    registry.login = LOGIN
    registry.answers["GET", "/token"] = says(200, answer)
    assert refusal_of(pull_from(registry), tmp_path)[0] == "SR-OCI-004"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
    ],
)
def test_a_registry_elsewhere_leads_nobody_to_this_machine_however_it_writes_that(host):
    session = Registry(parse("oci://registry.example/team/hello:1.0"), LOGIN.encode()).session
    session.token_place = f"https://{host}/token"
    with pytest.raises(Failure) as caught:
        session.request("GET", session.token_place)
    assert (caught.value.error.code, "this machine" in caught.value.error.why) == ("SR-OCI-013", True)


@pytest.mark.parametrize("host", ["registry.example", "192.0.2.1", "[2001:db8::1]", "128.1", "localhost.example", ""])
def test_other_names_and_addresses_lead_elsewhere(host):
    assert not leads_here(host.strip("[]"))


def test_after_a_token_was_fetched_its_place_is_nowhere_to_go(registry):
    registry.login = LOGIN
    registry.put(WASM)
    way = Registry(parse(f"oci://{registry.host}/team/hello:1.0"), LOGIN.encode())
    way.fetch("manifests/1.0", 10_000, MANIFEST)
    assert any("/token" in str(each) for each in registry.seen)
    assert way.session.token_place == ""
