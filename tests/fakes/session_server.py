"""A session's server: answers as it is told, keeps what it was asked, and can hold an answer back."""

import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

from strongroom.crypto.keyring_entry import Keyring
from strongroom.keyring.owner_keyring import derive_keyring
from strongroom.keyring.root import parse_secrets

WAIT_S = 20.0


def keyring_of(owner_id: str, secrets: str = "1:a-secret-of-tests") -> Keyring:
    return derive_keyring(parse_secrets(secrets), owner_id)


def session_body(owner_id: str = "alice", *, secrets: str = "1:a-secret-of-tests", **more: Any) -> dict[str, Any]:
    entries = keyring_of(owner_id, secrets).entries
    return {
        "user": {"id": owner_id, "email": f"{owner_id}@example.com", "image": None},
        "ownerId": owner_id,
        "keyring": [{"version": e.version, "keyBytesBase64": e.key_bytes_base64} for e in entries],
        **more,
    }


@dataclass
class Asked:
    method: str
    path: str
    authorization: str
    form: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class Answer:
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    hold: threading.Event | None = None
    raw: bytes | None = None


class SessionServer:
    """``plan`` holds answers in order; after them, and for what it does not name, ``usual`` answers by token.

    With ``hang_up`` nobody gets an answer.
    """

    def __init__(self, wrap: Callable[[Any], Any] = lambda socket: socket) -> None:
        self.asked: list[Asked] = []
        self.plan: deque[Answer] = deque()
        self.owners = {"token-alice": "alice", "token-bob": "bob"}
        self.secrets = "1:a-secret-of-tests"
        self.hang_up = False
        self.arrived = threading.Semaphore(0)
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer._handle(self)

            def do_POST(self) -> None:
                outer._handle(self)

            def log_message(self, *_: Any) -> None:
                """A test says what it wants to know."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.socket = wrap(self._server.socket)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token_url(self) -> str:
        return f"{self.url}/oauth2/token"

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    def wait_for_request(self) -> None:
        assert self.arrived.acquire(timeout=WAIT_S), "nobody asked"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(WAIT_S)

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        length = int(request.headers.get("Content-Length") or 0)
        form = parse_qs(request.rfile.read(length).decode()) if length else {}
        authorization = request.headers.get("Authorization") or ""
        with self._lock:
            self.asked.append(Asked(request.command, request.path, authorization, form))
            answer = self.plan.popleft() if self.plan else self._usual(request.command, authorization)
        self.arrived.release()
        if self.hang_up:
            request.close_connection = True
            return
        if answer.hold is not None:
            assert answer.hold.wait(WAIT_S), "the test did not let the answer go"
        content = answer.raw if answer.raw is not None else json.dumps(answer.body).encode()
        try:
            request.send_response(answer.status)
            for name, value in {"Content-Length": str(len(content)), **answer.headers}.items():
                request.send_header(name, value)
            request.end_headers()
            request.wfile.write(content)
        except OSError:
            """Whoever asked has gone away."""

    def _usual(self, method: str, authorization: str) -> Answer:
        if method == "POST":
            number = sum(asked.method == "POST" for asked in self.asked)
            body = {"access_token": f"token-fresh-{number}", "refresh_token": f"refresh-{number}", "expires_in": 3600}
            return Answer(body=body)
        token = authorization.removeprefix("Bearer ")
        owner = "alice" if token.startswith("token-fresh") else self.owners.get(token)
        if owner is None:
            return Answer(401, {"error": "no such token"})
        return Answer(body=session_body(owner, secrets=self.secrets, addition="is dropped"))
