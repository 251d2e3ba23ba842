"""``Mounts``: every mounted workspace of this host, across restarts.

Rule 1: a project that cannot be opened stops neither the host nor its neighbours; it is listed with its reason.
Rule 2: signing out closes every workspace before it returns, and drops its keys.
Rule 3: what was unmounted leaves behind which key versions it still needs.
Rule 4: whoever changes what is open holds ``_changing``; whoever only looks waits for nobody who opens or closes.

Source: contracts/workspace-encryption.md 13.
"""

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from strongroom.errors import Conflict, StrongroomError, Unavailable
from strongroom.plugin.mounts import MountProvider, WebSocket
from strongroom.settings.workspaces import WorkspaceSettings
from strongroom.telemetry import logs
from strongroom.workspace.mount.choosing import Chosen, check_room, check_unique
from strongroom.workspace.mount.faults import not_mounted
from strongroom.workspace.mount.info import MountInfo
from strongroom.workspace.mount.infrastructure import Connector
from strongroom.workspace.mount.known import Known, KnownFile
from strongroom.workspace.mount.known_mounts import KnownMounts
from strongroom.workspace.mount.leases import Leases
from strongroom.workspace.mount.open_set import OpenSet
from strongroom.workspace.mount.opened import OpenedMount
from strongroom.workspace.mount.opening import Opener, dispose_quietly
from strongroom.workspace.mount.passwords import LOCKED, Passwords
from strongroom.workspace.mount.register import Register
from strongroom.workspace.mount.side_by_side import side_by_side
from strongroom.workspace.mount.wiping import Wiped, wipe_project
from strongroom.workspace.session.local import SOURCE
from strongroom.workspace.session.session import Session
from strongroom.workspace.session.states import SessionState

__all__ = ["KNOWN_NAME", "Mounts", "OpenMount"]

KNOWN_NAME: Final = "known.json"
CLOSE_S_MAX: Final = 60.0
"""For all of them: what waits for the disk is written, and a log that is due is compacted."""
OpenMount = OpenedMount
log = logs.get("workspace.mount")


class Mounts(KnownMounts):
    """The mounts of one host. Safe for any thread."""

    def __init__(
        self,
        state_dir: Path,
        *,
        session: Session,
        providers: Callable[[], Mapping[str, MountProvider]],
        open_web_socket: Callable[[str, Sequence[str]], WebSocket],
        connect: Connector | None = None,
        settings: WorkspaceSettings | None = None,
        passwords: Passwords | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read what is remembered below ``state_dir/workspaces``; nothing is opened yet.

        ``providers()`` is asked at every opening: plugins come and go. ``connect`` joins a relay; without it a mount
        that names one fails. Raises ``StorageFault`` when the list of mounts is damaged.
        """
        register = Register(KnownFile(state_dir / "workspaces" / KNOWN_NAME))
        super().__init__(session, register, OpenSet(monotonic_s))
        self._settings = settings or WorkspaceSettings()
        self._passwords = passwords or Passwords()
        self._leases = Leases()
        self._opener = Opener(
            session=session,
            providers=providers,
            open_web_socket=open_web_socket,
            connect=connect,
            may_write=register.may_write,
            passwords=self._passwords,
        )
        self._changing = threading.RLock()
        self._closed = False
        self._end_watching = session.subscribe(self._on_session)

    def mount(self, project_dir: Path, name: str = "", *, declare: bool = True) -> tuple[list[MountInfo], bool]:
        """Open one mount of a project, or all that its file declares. Returns them, and whether the file was written.

        ``declare`` adds an absent one to ``strongroom.toml``, which is made in ``project_dir`` where there is none.
        What is open already stays, and connects again where it waits to. All are opened or none. Raises ``NotFound``,
        ``Conflict`` (another project has the name), ``Misconfigured``, ``Unavailable`` (signed out, or another daemon
        has the project), ``LimitExceeded``, and what ``mount_open_failed`` makes of a failure.
        """
        with self._changing:
            self._check_running()
            chosen = self.chosen(project_dir, name, declare=declare)
            check_unique(chosen, self._register.find, self._open.get)
            missing = [entry for entry in chosen.entries if self._open.get(entry.name) is None]
            check_room(len(self._open), len(missing), self._settings.mounts_max)
            if missing:
                self._open_all(chosen.with_entries(missing))
            if len(missing) < len(chosen.entries):
                # Whoever mounts again has corrected a token, or wants a relay to be tried now.
                self._session.reconnect()
            return [self._info(self._known(entry.name)) for entry in chosen.entries], chosen.declared

    def open_again(self, name: str) -> MountInfo:
        """Open one that is to be open and is not. Raises why it cannot be."""
        with self._changing:
            self._check_running()
            known = self._known(name)
            if not self._open.has(known):
                self._reopen(known)
                self._release_leases()
            failure = self._open.failure(name)
            if failure is not None:
                raise failure
            return self._info(known)

    def shut(self, name: str, why: StrongroomError) -> None:
        """Close one that is to be open, and say ``why`` to whoever asks for it. Raises ``StorageFault``."""
        with self._changing:
            self._known(name)
            opened = self._open.pop(name)
            self._open.fail(name, why)
            try:
                if opened is not None:
                    opened.dispose()
            finally:
                self._release_leases()

    def unmount(self, name: str) -> None:
        """Close one and do not open it at the next start. Raises ``NotFound``, and ``StorageFault`` when something
        could not be written; it is closed all the same."""
        with self._changing:
            known = self._known(name)
            opened = self._open.pop(name)
            try:
                if opened is not None:
                    self._count([opened])
                    opened.dispose()
            finally:
                self._passwords.drop(known.project_dir, name)
                self._register.unmounted(name)
                self._release_leases()

    def get(self, name: str) -> OpenedMount:
        """One that is open, whose owner is signed in and whose project is where it was.

        One that failed is tried again first. Raises ``NotFound``, or why it is not open.
        """
        opened = self._open.get(name) or self._retried(name)
        opened.keys()
        if opened.is_behind:
            with self._changing:
                opened.take_keyring(self._session.keyring)
        opened.check_in_place()
        return opened

    def check_room(self, name: str, *, value_bytes: int, is_new: bool = True) -> None:
        """Raises ``LimitExceeded`` when no value may be that large, or a new entry finds no room in the mount."""
        settings = self._settings
        self.get(name).check_room(
            value_bytes=value_bytes,
            value_bytes_max=settings.value_bytes_max,
            entries_max=settings.entries_max if is_new else None,
        )

    def wipe(self, project_dir: Path, server: str, owner_id: str, *, dry_run: bool) -> Wiped:
        """Delete what an owner has in a project that is not mounted. Raises as ``wipe_project`` does."""
        with self._changing:
            self._check_running()
            try:
                return wipe_project(
                    project_dir, server, owner_id, self.opened(), self._leases, self._register, dry_run=dry_run
                )
            finally:
                self._release_leases()

    def reopen_known(self) -> list[MountInfo]:
        """Open what is to be open. Whatever fails is in the answer with its reason; nothing is raised for it."""
        with self._changing:
            if not self._closed:
                waiting = [known for known in self._register.mounted() if not self._open.has(known)]
                if waiting:
                    works = [partial(self._reopen, known) for known in waiting]
                    # Each has its own limit.
                    side_by_side(works, timeout_s=math.inf, name="mounts", late=lambda _: None)
                self._release_leases()
        return self.all()

    def sign_out(self) -> None:
        """Sign the session out. When it returns every workspace is closed. Raises ``WrongState`` for a local one."""
        self._session.sign_out()
        self._close_all()

    def rekey(self) -> None:
        """Hand the keyring of now to every open workspace, after a rotation. Nothing is sealed again by it."""
        with self._changing:
            for opened in (each for each in self.opened() if not each.has_password):
                try:
                    opened.take_keyring(self._session.keyring)
                except StrongroomError as error:
                    why = f"{error.code} {error}"
                    log.error("a workspace did not take the new keyring", extra={"mount": opened.name, "why": why})

    def close(self) -> None:
        """Close all of them, and open them again at the next start."""
        self._end_watching()
        with self._changing:
            self._closed = True
            self._close_all()

    # Opening and closing; ``_changing`` is held.

    def _open_all(self, chosen: Chosen) -> None:
        project_dir, own = chosen.file.directory, self._session.source == SOURCE
        before = [
            (entry.name, self._register.opening(entry.name, project_dir, chosen.owner_id, entry.provider, own=own))
            for entry in chosen.entries
        ]
        try:
            state, lease = self._leases.take(project_dir)
            mounts = self._opener.open(project_dir, chosen.entries, chosen.owner_id, state=state, lease=lease)
        except BaseException:
            for name, old in before:
                self._register.not_opened(name, project_dir, old)
            self._release_leases()
            raise
        self._open.add(mounts)
        self._register.counted(mounts, mounted=True)

    def _reopen(self, known: Known) -> None:
        try:
            chosen = self.chosen(known.project_dir, known.name, declare=False)
            if known.owner_id and chosen.owner_id != known.owner_id:
                raise Conflict(
                    "SR-MOUNT-027",
                    f"the workspace {known.name} belongs to another owner",
                    why=f"{known.owner_id} mounted it, and {chosen.owner_id} is signed in",
                    fix=f"sign in as {known.owner_id}, or unmount it",
                )
            project_dir = chosen.file.directory
            state, lease = self._leases.take(project_dir)
            (opened,) = self._opener.open(project_dir, chosen.entries, chosen.owner_id, state=state, lease=lease)
        except StrongroomError as error:
            self._open.fail(known.name, error)
            if error.code != LOCKED:
                log.error(
                    "a workspace was not opened", extra={"mount": known.name, "code": error.code, "why": str(error)}
                )
            return
        self._open.add([opened])
        self._register.counted([opened])

    def _close_all(self) -> None:
        with self._changing:
            mounts = self._open.pop_all()
            self._count(mounts)
            works = [partial(dispose_quietly, opened) for opened in mounts]
            side_by_side(works, timeout_s=CLOSE_S_MAX, name="unmounts", late=lambda _: None)
            # Not before: what waited for the disk was sealed with them.
            self._passwords.clear()
            self._release_leases()

    def _count(self, mounts: Iterable[OpenedMount]) -> None:
        try:
            self._register.counted(mounts)
        except StrongroomError as error:
            # What was noted while they were open is never less than what they hold.
            log.error("what mounts need was not counted", extra={"code": error.code, "why": str(error)})

    def _release_leases(self) -> None:
        self._leases.keep_only({opened.project_dir for opened in self._open.all()})

    def _retried(self, name: str) -> OpenedMount:
        # Under the lock: somebody may unmount it meanwhile.
        with self._changing:
            known = self._known(name)
            self._check_running()
            if self._open.may_retry(name):
                self._reopen(known)
                self._release_leases()
            opened = self._open.get(name)
        if opened is None:
            raise self._open.failure(name) or not_mounted(name)
        return opened

    def _on_session(self, state: SessionState) -> None:
        """What the session tells: in the thread that changed it, and before whoever signed out goes on."""
        if state is SessionState.SIGNED_OUT:
            self._close_all()
        elif state is SessionState.SIGNED_IN:
            self.rekey()
            self.reopen_known()

    def _check_running(self) -> None:
        if self._closed:
            raise Unavailable("SR-MOUNT-031", "this host is ending", fix="ask the next one")
