"""Mounts over a directory of tests: a session that a test steers, providers, and a connection that only counts."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strongroom.keyring.root import RootKeyring, parse_secrets
from strongroom.plugin.mounts import Mount, MountContext, MountProvider
from strongroom.settings.workspaces import WorkspaceSettings
from strongroom.workspace.document import Document
from strongroom.workspace.mount.mounts import Mounts
from strongroom.workspace.mount.opened import OpenedMount
from strongroom.workspace.mount.passwords import Passwords
from strongroom.workspace.session.cell import CellFile, Grant
from strongroom.workspace.session.client import SessionAnswer
from strongroom.workspace.session.local import LocalSession
from strongroom.workspace.session.remote import RemoteSession
from strongroom.workspace.session.session import Session
from tests.fakes.session_server import keyring_of


class StubServer:
    """A session's server in memory: the token is the owner. ``secrets`` make the keyring."""

    base_url = "https://session.example"
    refreshes = False

    def __init__(self, secrets: str = "1:a-secret-of-tests") -> None:
        self.secrets = secrets
        self.owner_of: dict[str, str] = {}

    def fetch(self, access_token: str) -> SessionAnswer:
        owner = self.owner_of.get(access_token, access_token)
        return SessionAnswer(user_id=owner, email="", owner_id=owner, keyring=keyring_of(owner, self.secrets))

    def refresh(self, grant: Grant, *, now_ms: int) -> Grant:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class FakeCollaboration:
    """A connection that is nowhere."""

    document: Document
    relay: str
    context: MountContext
    state: str = "connected"
    problem: str = ""
    disposed: int = 0

    def dispose(self) -> None:
        self.disposed += 1


class MountRig:
    """One host. ``restart`` is the next process over the same state."""

    def __init__(
        self,
        tmp_path: Path,
        *,
        session: Session | None = None,
        providers: Sequence[MountProvider] = (),
        settings: WorkspaceSettings | None = None,
        connects: bool = True,
    ) -> None:
        self.state_dir = tmp_path / "state"
        self.project = tmp_path / "project"
        self.project.mkdir(exist_ok=True)
        self.root: RootKeyring = parse_secrets("1:a-root-secret")
        self.session = session or LocalSession(self.root, "shared")
        self.providers = list(providers)
        self.settings = settings
        self.connections: list[FakeCollaboration] = []
        self.dialed: list[tuple[str, Sequence[str]]] = []
        self.now_s = 100.0
        self._connects = connects
        self.passwords = Passwords()
        self.mounts = self._new()

    def restart(self) -> Mounts:
        self.mounts.close()
        self.mounts = self._new()
        return self.mounts

    def declare(self, text: str, project: Path | None = None) -> None:
        ((project or self.project) / "strongroom.toml").write_text(text)

    def open(self, name: str = "notes") -> OpenedMount:
        """Mount it and return it."""
        self.mounts.mount(self.project, name)
        return self.mounts.get(name)

    def dial(self, url: str, subprotocols: Sequence[str]) -> Any:
        self.dialed.append((url, tuple(subprotocols)))
        return object()

    def _new(self) -> Mounts:
        return Mounts(
            self.state_dir,
            session=self.session,
            providers=lambda: {provider.name: provider for provider in self.providers},
            open_web_socket=self.dial,
            connect=self._connect if self._connects else None,
            settings=self.settings,
            passwords=self.passwords,
            monotonic_s=lambda: self.now_s,
        )

    def _connect(self, document: Document, relay: str, context: MountContext) -> FakeCollaboration:
        self.connections.append(FakeCollaboration(document, relay, context))
        return self.connections[-1]


def remote(tmp_path: Path, owner: str = "alice", server: StubServer | None = None) -> RemoteSession:
    """A session that is signed in as ``owner``, whose cell is a file."""
    session = RemoteSession(server or StubServer(), CellFile(tmp_path / "keys" / "session.json"))
    if owner:
        session.sign_in(Grant(access_token=owner))
    return session


@dataclass
class Watched:
    """A mount of a provider that counts its end, and may fail at it."""

    context: MountContext
    order: list[str]
    inner: Mount | None = None
    fails: bool = False
    at_end: Callable[[], object] = lambda: None
    collaboration: None = None

    @property
    def workspace(self) -> Any:
        return self.inner.workspace

    def dispose(self) -> None:
        self.order.append(self.context.mount)
        self.at_end()
        if self.fails:
            raise RuntimeError("of the provider")


@dataclass
class Watching:
    """A provider whose mounts end in ``order``; ``gate`` holds each opening until all have begun."""

    name: str = "watching"
    order: list[str] = field(default_factory=list)
    contexts: list[MountContext] = field(default_factory=list)
    gate: threading.Barrier | None = None
    fail_for: dict[str, BaseException] = field(default_factory=dict)
    fails_at_end: bool = False
    before: Callable[[MountContext], object] = lambda context: None
    at_end: Callable[[], object] = lambda: None

    def provider(self) -> MountProvider:
        return MountProvider(name=self.name, open=self.open, description="watches")

    def open(self, context: MountContext) -> Mount:
        self.contexts.append(context)
        if self.gate is not None:
            self.gate.wait(20)
        self.before(context)
        inner = context.open_workspace(None)
        if context.mount in self.fail_for:
            raise self.fail_for[context.mount]
        return Watched(context, self.order, inner, self.fails_at_end, self.at_end)
