"""The commands of examples/webhook/README.md, run as a reader runs them, and what its client says of what is wrong."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
CLIENT = ROOT / "examples" / "clients" / "start_by_http.py"
TIMEOUT_S = 60
PORT = "8477"
WORKFLOW = "0" * 64


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return str(found.getsockname()[1])


class Reader:
    """A fresh clone as far as the page sees one, in an empty home, on a port that is free."""

    def __init__(self, home):
        self.home, self.port = home, free_port()
        self.clone = home / "clone"
        (self.clone / "tests" / "guests").mkdir(parents=True)
        (self.clone / ".venv").symlink_to(sys.prefix)
        (self.clone / "examples").symlink_to(ROOT / "examples")
        (self.clone / "tests" / "guests" / "c").symlink_to(ROOT / "tests" / "guests" / "c")
        (self.clone / "plugins.yaml").write_text((ROOT / "plugins.yaml").read_text().replace(PORT, self.port))
        cache = str(ROOT / ".cache" / "zig")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("STRONGROOM_", "XDG_"))}
        own = {"HOME": str(home), "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
        self.environment = {**kept, **own}
        page = (ROOT / "examples" / "webhook" / "README.md").read_text().replace(PORT, self.port)
        found = re.findall(r"^<!-- webhook: (\w+) -->\n```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
        self.blocks = dict(found)

    def shell(self, *kinds):
        return ["bash", "-e", "-o", "pipefail", "-c", "\n".join(self.blocks.get(kind, kind) for kind in kinds)]

    def run(self, *kinds):
        done = subprocess.run(
            self.shell(*kinds),
            cwd=self.clone,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout


@pytest.fixture
def reader():
    # Not below pytest's own folder: the path of a Unix socket must be short.
    home = Path(tempfile.mkdtemp(prefix="sr-"))
    yield Reader(home)
    shutil.rmtree(home)


@pytest.fixture
def host(reader):
    """The first shell of the page."""
    options = {"cwd": reader.clone, "env": reader.environment, "stdout": subprocess.PIPE, "text": True}
    shell = subprocess.Popen(reader.shell("host"), start_new_session=True, **options)
    try:
        for line in shell.stdout:
            if "strongroom is ready" in line:
                break
        threading.Thread(target=shell.stdout.read, daemon=True).start()
        yield shell
    finally:
        os.killpg(shell.pid, signal.SIGINT)
        shell.wait(TIMEOUT_S)


@pytest.mark.usefixtures("host")
def test_a_reader_starts_the_workflow_by_a_signed_request_as_the_page_says(reader):
    address = reader.run("key").strip()
    assert re.fullmatch("0x[0-9a-f]{40}", address)
    assert (reader.home / "caller.key").stat().st_mode & 0o777 == 0o600
    registered = reader.run("register")
    assert "http-trigger@1.0.0-alpha · registered" in registered
    called = json.loads(reader.run("register", "call").splitlines()[-1])
    assert called["status"] == "ACCEPTED"
    again = json.loads(reader.run("register", "call").splitlines()[-1])
    assert again == called
    look = reader.run("register", "look")
    assert "· 1 event" in look
    assert "1 events" not in look
    listed = json.loads(reader.run(reader.blocks["register"].splitlines()[0], "strongroom run list --json"))
    assert [run["event_id"] for run in listed["runs"]] == ["order-1"]
    by_hand = reader.run(
        reader.blocks["register"].splitlines()[0], "strongroom run execute webhook --payload '{}' --json"
    )
    assert json.loads(by_hand)["result"] == "hello, world, from nobody's key"


def test_the_guest_that_is_built_as_the_page_says_is_the_one_that_is_there(reader):
    reader.run("build")
    assert (reader.clone / "webhook.wasm").read_bytes() == (ROOT / "examples/webhook/webhook.wasm").read_bytes()


def client(*arguments):
    command = [sys.executable, str(CLIENT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "caller.key"
    made = client("--new-key", path)
    assert made.returncode == 0, made.stderr
    assert client("--key", path).stdout == made.stdout
    return path


class Strange(BaseHTTPRequestHandler):
    """Answers with whatever ``said`` is."""

    said = (200, b"hello")

    def do_POST(self):
        status, text = type(self).said
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments):
        del arguments


def answered(key, status, text):
    kind = type("Saying", (Strange,), {"said": (status, text)})
    with HTTPServer(("127.0.0.1", 0), kind) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        return client("--key", key, f"http://127.0.0.1:{server.server_port}/", WORKFLOW, "{}")


BUSY = b'{"error": {"code": -32001, "message": "too often", "data": {"reason": "overloaded", "retryAfterSeconds": 9}}}'


@pytest.mark.parametrize(
    ("status", "text", "said"),
    [
        (429, BUSY, "overloaded: too often; again in 9 s"),
        (400, b'{"error": {"message": "no"}}', "400: no"),
        (502, b"<html>bad gateway", "502: <html>bad gateway"),
        (500, b'{"error": "x"}', '500: {"error": "x"}'),
        (200, b"hello", "is not an HTTP trigger"),
        (200, b"[]", "is not an HTTP trigger"),
    ],
)
def test_the_client_says_what_the_other_side_said(key, status, text, said):
    done = answered(key, status, text)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_client_says_what_is_wrong_in_one_line(key, tmp_path):
    (tmp_path / "no.key").write_text("a secret that is none\n")
    url = f"http://127.0.0.1:{free_port()}/"
    cases = {
        "Connection refused; is http-trigger enabled": ("--key", key, url, WORKFLOW, "{}"),
        "No such file or directory; --new-key": ("--key", tmp_path / "none", url, WORKFLOW, "{}"),
        "holds no private key": ("--key", tmp_path / "no.key", url, WORKFLOW, "{}"),
        "the input is not JSON": ("--key", key, url, WORKFLOW, "{who: x}"),
        "File exists": ("--new-key", key),
        "is not an HTTP trigger": ("--key", key, "127.0.0.1", WORKFLOW, "{}"),
        "its address begins with http:// or https://": ("--key", key, "ftp://127.0.0.1/", WORKFLOW, "{}"),
    }
    for said, arguments in cases.items():
        done = client(*arguments)
        assert (done.returncode, done.stdout) == (1, ""), said
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert "secret that is none" not in done.stderr
    assert client("--key", key, url).returncode == 2
