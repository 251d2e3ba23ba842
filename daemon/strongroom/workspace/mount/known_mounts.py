"""What is known of the mounts of a host: looking, which waits for nobody who opens or closes."""

from pathlib import Path

from strongroom.workspace.mount.choosing import Chosen, choose
from strongroom.workspace.mount.faults import not_mounted, workspace_signed_out
from strongroom.workspace.mount.info import KnownProject, MountInfo, info_of
from strongroom.workspace.mount.known import Known
from strongroom.workspace.mount.open_set import OpenSet
from strongroom.workspace.mount.opened import OpenedMount
from strongroom.workspace.mount.opening import check_signed_in, server_of
from strongroom.workspace.mount.project_file import MountEntry
from strongroom.workspace.mount.register import Register
from strongroom.workspace.session.session import Session
from strongroom.workspace.session.states import SessionState

__all__ = ["KnownMounts"]


class KnownMounts:
    """The part of ``Mounts`` that opens and closes nothing. Safe for any thread."""

    def __init__(self, session: Session, register: Register, open_set: OpenSet) -> None:
        self._session = session
        self._register = register
        self._open = open_set

    @property
    def server(self) -> str:
        """Where owners are known: the address of the session's server, or ``local`` for keys of this host."""
        return server_of(self._session)

    @property
    def owner_id(self) -> str:
        """Whose workspaces are mounted now; empty while nobody is signed in."""
        return self._session.owner_id or ""

    def opened(self) -> list[OpenedMount]:
        """Those that are open, by name."""
        return self._open.all()

    def all(self) -> list[MountInfo]:
        """Every mount that is to be open, by name, also those that failed."""
        return [self._info(known) for known in self._register.mounted()]

    def known(self) -> list[Known]:
        """Everything that is remembered, open or not."""
        return self._register.all()

    def projects(self) -> list[KnownProject]:
        """What is not open and was once: unmounted projects and those that failed, with the key versions of this host
        that they need. Those whose keys came from a session's server need none of them."""
        return self._register.projects(without=self._open.has)

    def forget(self, name: str) -> bool:
        """Do not count the project of that name any more; whether there was one."""
        found = next((project for project in self.projects() if project.name == name), None)
        if found is not None:
            self._register.forget(found)
        return found is not None

    def chosen(self, project_dir: Path, name: str, *, declare: bool, has_password: bool = False) -> Chosen:
        """What ``mount`` means; an absent mount is declared by it."""
        return choose(
            project_dir,
            name,
            declare=declare,
            check=lambda file: check_signed_in(file, self._session),
            has_password=has_password,
        )

    def declared(self, name: str) -> tuple[Path, MountEntry]:
        """The project of a mount of this host, and what its file says of it now."""
        chosen = self.chosen(self._known(name).project_dir, name, declare=False)
        return chosen.file.directory, chosen.entries[0]

    def _known(self, name: str) -> Known:
        known = self._register.find(name)
        if known is None:
            raise not_mounted(name)
        return known

    def _info(self, known: Known) -> MountInfo:
        if self._open.has(known):
            return info_of(known, "open", None)
        if self._session.state is SessionState.SIGNED_OUT:
            return info_of(known, "signed-out", workspace_signed_out(str(known.project_dir)))
        return info_of(known, "failed", self._open.failure(known.name))
