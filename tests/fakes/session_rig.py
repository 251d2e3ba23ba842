"""A session over a cell file and a server of tests, with a clock that stands, and everything that is told."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from strongroom.workspace.session.cell import Cell, CellFile, Grant
from strongroom.workspace.session.client import SessionClient
from strongroom.workspace.session.remote import RemoteSession
from strongroom.workspace.session.states import SessionState
from tests.fakes.session_server import WAIT_S, Answer, SessionServer, keyring_of

ALICE = Grant(access_token="token-alice", refresh_token="refresh-alice", access_token_expires_at_ms=10_000_000)
BOB = Grant(access_token="token-bob", refresh_token="refresh-bob", access_token_expires_at_ms=10_000_000)
CACHED = Cell(grant=ALICE, user_id="alice", owner_id="alice", keyring=keyring_of("alice"))
OUT, IN, REAUTH = SessionState.SIGNED_OUT, SessionState.SIGNED_IN, SessionState.REAUTH_REQUIRED


class Rig:
    def __init__(
        self, server: SessionServer, tmp_path: Path, *, cached: bool = True, url: str = "", refreshes: bool = True
    ) -> None:
        self.server, self.file, self.now_ms = server, CellFile(tmp_path / "session.json"), 1_000_000
        if cached:
            self.file.store(CACHED)
        self.url, self.token_url = url or server.url, server.token_url if refreshes else ""
        self.told: list[SessionState] = []
        self.seen: list[tuple[SessionState, str]] = []
        self.reconnects = 0
        self.session = self.start()

    def start(self) -> RemoteSession:
        """As a new process would."""
        client = SessionClient(self.url, token_url=self.token_url, client_id="tests", timeout_s=10.0)
        session = RemoteSession(client, self.file, now_ms=lambda: self.now_ms)
        session.subscribe(lambda state: (self.told.append(state), self.seen.append((state, session.owner_id))))
        session.on_reconnect_signal(self._reconnect)
        return session

    def _reconnect(self) -> None:
        self.reconnects += 1

    @property
    def room(self) -> str:
        return self.url.replace("http", "ws", 1) + "/api/owners/alice/rooms/notes"


def held(
    rig: Rig, answer: Answer, work: Callable[[], object], *, meanwhile: Callable[[], object] | None = None
) -> BaseException | None:
    """Start ``work``, sign out, or do ``meanwhile``, while its request is under way, let the answer come, and return
    what ``work`` raised."""
    answer.hold = threading.Event()
    rig.server.plan.append(answer)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        rig.server.wait_for_request()
        (meanwhile or rig.session.sign_out)()
        answer.hold.set()
        return future.exception(WAIT_S)
