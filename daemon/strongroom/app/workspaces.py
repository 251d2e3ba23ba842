"""Wires what workspaces need: session, relay, mounts, and the desks in front of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.engine.journal import now_ms
from strongroom.engine.rotation_mounts import HostWorkspaces
from strongroom.engine.workspace_upkeep import WorkspaceUpkeep
from strongroom.engine.workspaces import WorkspaceDesk
from strongroom.keyring.root import RootKeyring
from strongroom.plugin.mounts import Collaboration, MountContext, MountProvider, WebSocket
from strongroom.settings.model import Settings
from strongroom.storage.directories import private_directory
from strongroom.workspace.document import Document
from strongroom.workspace.mount.copies import Copies
from strongroom.workspace.mount.mounts import Mounts
from strongroom.workspace.mount.password_desk import PasswordDesk
from strongroom.workspace.mount.passwords import Passwords
from strongroom.workspace.mount.project_file import LOCAL_RELAY
from strongroom.workspace.session.cell import CellFile
from strongroom.workspace.session.checking import Checks
from strongroom.workspace.session.local import LocalSession
from strongroom.workspace.session.remote import RemoteSession
from strongroom.workspace.sync.client import SyncClient
from strongroom.workspace.sync.relay import Relay
from strongroom.workspace.sync.relay_tokens import RelayTokens
from strongroom.workspace.sync.room_url import RoomAddress, room_url
from strongroom.workspace.sync.subprotocols import BEARER

__all__ = ["WorkspaceParts", "workspace_parts"]

CELL_NAME: Final = "session.json"
COPIES_NAME: Final = "copies.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceParts:
    """The objects of workspaces that the daemon's life and its services need."""

    session: LocalSession | RemoteSession
    checks: Checks | None
    relay: Relay
    mounts: Mounts
    passwords: PasswordDesk
    desk: WorkspaceDesk
    upkeep: WorkspaceUpkeep
    for_keys: HostWorkspaces

    def start(self) -> None:
        """Start the relay, and open what was open. A project that fails is listed and stops nothing."""
        self.relay.start()
        if self.checks is not None:
            self.checks.start()
        self.mounts.reopen_known()

    def rotated(self) -> None:
        """The root keyring has changed: every open workspace gets its keys anew."""
        if isinstance(self.session, LocalSession):
            self.session.rotated()

    def close(self) -> None:
        """Write what waits and close everything, the relay last: mounts leave it in order."""
        if self.checks is not None:
            self.checks.close()
        self.mounts.close()
        self.relay.stop()
        self.session.close()


def workspace_parts(
    settings: Settings,
    root: RootKeyring,
    providers: Callable[[], Mapping[str, MountProvider]],
    *,
    hide: Callable[[str], object] = str,
) -> WorkspaceParts:
    """Everything, not yet started; ``hide`` is told of tokens that are shown to others.

    Raises ``Misconfigured`` and, for a damaged list of mounts, ``StorageFault``.
    """
    section = settings.workspaces
    directory = private_directory(settings.state_dir / "workspaces", "state_dir")
    session: LocalSession | RemoteSession
    checks = None
    if section.session_url:
        # Loaded here only, as the libraries for web sockets are where one is opened: most hosts talk to nobody.
        from strongroom.workspace.session.client import SessionClient

        client = SessionClient(
            section.session_url,
            token_url=section.token_url,
            client_id=section.client_id,
            timeout_s=section.session_timeout_ms / 1000,
            ca_file=section.session_ca_file,
        )
        session = RemoteSession(client, CellFile(section.session_file or directory / CELL_NAME))
        checks = Checks(session, every_s=section.session_check_every_ms / 1000)
    else:
        session = LocalSession(root, section.owner_id)
    relay = Relay(settings.relay, settings.state_dir)
    tokens = RelayTokens(settings.relay.client_tokens_file)
    passwords = Passwords()
    mounts = Mounts(
        settings.state_dir,
        session=session,
        providers=providers,
        open_web_socket=_Dialer(tokens, section.session_ca_file, hide),
        connect=_Connector(relay),
        settings=section,
        passwords=passwords,
    )
    copies = Copies(directory / COPIES_NAME)
    return WorkspaceParts(
        session=session,
        checks=checks,
        relay=relay,
        mounts=mounts,
        passwords=PasswordDesk(mounts, passwords),
        desk=WorkspaceDesk(mounts),
        upkeep=WorkspaceUpkeep(mounts, copies, now_ms=now_ms),
        for_keys=HostWorkspaces(mounts, copies, is_own=lambda: isinstance(session, LocalSession)),
    )


class _Dialer:
    """Connects to relays elsewhere, with the session's bearer or the operator's token for that address."""

    def __init__(self, tokens: RelayTokens, authorities_file: Path | None, hide: Callable[[str], object]) -> None:
        self._tokens = tokens
        self._authorities_file = authorities_file
        self._hide = hide

    def __call__(self, url: str, subprotocols: Sequence[str]) -> WebSocket:
        """A connection. Raises ``Forbidden``, ``InvalidInput``, ``Misconfigured`` and ``Unavailable``."""
        from strongroom.workspace.sync.dial import dial

        shown = [each.removeprefix(BEARER) for each in subprotocols if each.startswith(BEARER)]
        dialects = [each for each in subprotocols if not each.startswith(BEARER)]
        bearer = shown[0] if shown else self._tokens.bearer_for(url)
        if bearer:
            self._hide(bearer)
        return dial(url, dialects, bearer=bearer, authorities_file=self._authorities_file)


class _Connector:
    """Joins the room of a mounted workspace: on this daemon's own relay, or on one elsewhere."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def __call__(self, document: Document, relay: str, context: MountContext) -> Collaboration:
        """A client that has been started. Raises ``InvalidInput`` for an address that is none."""
        if relay == LOCAL_RELAY:

            def own(_url: str, _subprotocols: Sequence[str]) -> WebSocket:
                return self._relay.connect_local(context.owner_id, document.guid, context.device_id)

            client = SyncClient(document, LOCAL_RELAY, open_web_socket=own)
        else:
            url = room_url(relay, RoomAddress(context.owner_id, document.guid), context.device_id)
            client = SyncClient(
                document,
                url,
                open_web_socket=context.open_web_socket,
                on_reconnect_signal=context.on_reconnect_signal,
            )
        client.start()
        return client
