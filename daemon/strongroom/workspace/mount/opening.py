"""Opening mounts: all at once, and all or none.

1. The project's file is read. 2. Who is signed out is refused. 3. Names are checked. 4. The state directory is made and
the lease taken. 5. Every mount is opened on a thread of its own. 6. One failure closes the opened ones in reverse and
raises the first of them (MountOpenFailed).

Source: contracts/workspace-encryption.md 13.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from strongroom.crypto.keyring_entry import Keyring
from strongroom.errors import PluginFault, StrongroomError, TimedOut, Unavailable
from strongroom.plugin.mounts import Mount, MountContext, MountProvider, WebSocket
from strongroom.telemetry import logs
from strongroom.workspace.mount.faults import mount_open_failed, workspace_signed_out
from strongroom.workspace.mount.infrastructure import Builder, Connector
from strongroom.workspace.mount.lease import Lease
from strongroom.workspace.mount.opened import OpenedMount
from strongroom.workspace.mount.passwords import Passwords
from strongroom.workspace.mount.project_file import MountEntry, ProjectFile, check_names
from strongroom.workspace.mount.project_state import ProjectState
from strongroom.workspace.mount.side_by_side import TookTooLong, side_by_side
from strongroom.workspace.persistence.names import device_id, y_doc_client_id
from strongroom.workspace.session.local import SOURCE
from strongroom.workspace.session.session import Session, signed_out
from strongroom.workspace.session.states import SessionState

__all__ = ["LOCAL", "OWN_PROVIDER", "Opener", "check_signed_in", "server_of"]

OPEN_S_MAX: Final = 120.0
"""A workspace of a hundred thousand entries opens in two seconds; sixteen open at once, also on a slow disk."""
OWN_PROVIDER: Final = MountProvider(
    name="workspace",
    description="a workspace without a schema",
    open=lambda context: context.open_workspace(None),
)
"""What ``provider`` means where a project's file says nothing."""
LOCAL: Final = "local"
"""The server of owners whose keys are this host's own."""
log = logs.get("workspace.mount")


def server_of(session: Session) -> str:
    """Where the owner of a session is known."""
    return LOCAL if session.source == SOURCE else session.source


def check_signed_in(project: ProjectFile, session: Session) -> str:
    """The owner whose keys open the mounts of ``project``; then its names are checked.

    Raises ``Unavailable`` (WorkspaceAuthSignedOut) before anything is said of the names, and ``Misconfigured``.
    """
    owner_id = session.owner_id
    if session.state is SessionState.SIGNED_OUT or not owner_id:
        raise workspace_signed_out(str(project.directory))
    check_names(project.mounts, project.path)
    return owner_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Opener:
    """What opening needs of the host."""

    session: Session
    providers: Callable[[], Mapping[str, MountProvider]]
    open_web_socket: Callable[[str, Sequence[str]], WebSocket]
    connect: Connector | None
    may_write: Callable[[str, Path, int], None]
    passwords: Passwords
    open_s_max: float = OPEN_S_MAX

    def open(
        self,
        project_dir: Path,
        entries: Sequence[MountEntry],
        owner_id: str,
        *,
        state: ProjectState,
        lease: Lease,
    ) -> list[OpenedMount]:
        """All of ``entries``, in their order, or none. The lease stays with the caller.

        Raises what ``mount_open_failed`` makes of the first failure.
        """

        def one(entry: MountEntry) -> OpenedMount:
            return self._one(project_dir, entry, owner_id, state=state, lease=lease)

        works = [partial(one, entry) for entry in entries]
        outcomes = side_by_side(works, timeout_s=self.open_s_max, name="mount", late=dispose_quietly)
        mounts = [outcome for outcome in outcomes if isinstance(outcome, OpenedMount)]
        if len(mounts) == len(entries):
            return mounts
        for opened in reversed(mounts):
            dispose_quietly(opened)
        name, cause = next(
            (entry.name, outcome)
            for entry, outcome in zip(entries, outcomes, strict=True)
            if isinstance(outcome, BaseException)
        )
        raise mount_open_failed(name, self._too_late() if isinstance(cause, TookTooLong) else cause)

    def _too_late(self) -> TimedOut:
        return TimedOut(
            "SR-MOUNT-032",
            f"opening took more than {self.open_s_max:g} s",
            why="its provider hangs, or the disk does",
            fix="see the log of the daemon; what opens after all is closed again",
        )

    def _one(
        self,
        project_dir: Path,
        entry: MountEntry,
        owner_id: str,
        *,
        state: ProjectState,
        lease: Lease,
    ) -> OpenedMount:
        provider = self._provider(entry)
        # A password's versions are no versions of this host.
        may_write = _anything if entry.has_password else partial(self.may_write, entry.name, project_dir)
        builder = Builder(entry, state, self.connect, may_write, server=server_of(self.session))
        builder.context = self._context(project_dir, entry, owner_id, builder)
        with contextlib.ExitStack() as undo:
            undo.callback(_dispose_built, entry.name, builder)
            mount = provider.open(builder.context)
            built = builder.built
            if built is None or not _is_mount(mount):
                raise PluginFault(
                    "SR-MOUNT-019",
                    f"the provider {provider.name} returned no mount",
                    why="it opened no workspace with open_workspace, or what it returned is none",
                    fix="return what open_workspace returned, or an object with workspace, collaboration and dispose()",
                    plugin=provider.name,
                )
            undo.pop_all()
        return OpenedMount(
            entry=entry,
            project_dir=project_dir,
            owner_id=owner_id,
            built=built,
            mount=mount,
            lease=lease,
        )

    def _provider(self, entry: MountEntry) -> MountProvider:
        known = {OWN_PROVIDER.name: OWN_PROVIDER, **self.providers()}
        found = known.get(entry.provider)
        if found is None:
            raise Unavailable(
                "SR-MOUNT-022",
                f"no plugin provides mount:{entry.provider}",
                why=f"{entry.where} names it, and this host has {', '.join(sorted(known))}",
                fix="enable its plugin in plugins.yaml; `strongroom plugin list` shows what is away, and why",
                provider=entry.provider,
            )
        return found

    def _context(self, project_dir: Path, entry: MountEntry, owner_id: str, builder: Builder) -> MountContext:
        device = device_id(entry.name)

        def keyring() -> Keyring:
            try:
                of_session = self.session.keyring(owner_id)
            except Unavailable as error:
                raise signed_out(device) from error
            return self.passwords.keyring(project_dir, entry.name) if entry.has_password else of_session

        def open_web_socket(url: str, subprotocols: Sequence[str]) -> WebSocket:
            return self.open_web_socket(url, [*subprotocols, *self.session.subprotocols(url)])

        return MountContext(
            project_dir=project_dir,
            mount=entry.name,
            y_doc_client_id=y_doc_client_id(str(project_dir)),
            device_id=device,
            owner_id=owner_id,
            keyring=keyring,
            open_web_socket=open_web_socket,
            on_reconnect_signal=self.session.on_reconnect_signal,
            open_workspace=builder.open_workspace,
        )


def _anything(_version: int) -> None:
    """Nothing has to be written down."""


def _is_mount(mount: Mount) -> bool:
    return all(hasattr(mount, name) for name in ("workspace", "collaboration")) and callable(
        getattr(mount, "dispose", None)
    )


def dispose_quietly(opened: OpenedMount) -> None:
    """Close a mount; why it did not close cleanly is logged."""
    try:
        opened.dispose()
    except StrongroomError as error:
        why = {"mount": opened.name, "code": error.code, "why": str(error)}
        log.error("a mount did not close cleanly", extra=why)


def _dispose_built(name: str, builder: Builder) -> None:
    if builder.built is not None:
        try:
            builder.built.dispose()
        except StrongroomError as error:
            log.error("a mount did not close cleanly", extra={"mount": name, "code": error.code})
