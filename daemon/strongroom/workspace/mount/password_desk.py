"""``PasswordDesk``: mounting, unlocking, locking and changing the password of workspaces that have one of their own.

Rule 1: a password is set only for a workspace that holds nothing yet: under another key, what it holds would be gone.
Rule 2: a wrong password changes nothing.
Rule 3: while a password is changed both keys are there, and the old one goes once the log has no row under it.

Source: contracts/workspace-encryption.md 14.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from strongroom.crypto.keyring_entry import Keyring
from strongroom.errors import Conflict, InvalidInput, WrongState
from strongroom.workspace.mount.info import MountInfo
from strongroom.workspace.mount.mounts import Mounts
from strongroom.workspace.mount.passwords import Passwords, locked
from strongroom.workspace.mount.project_file import MountEntry
from strongroom.workspace.mount.project_state import STATE_NAME, ProjectState, provision
from strongroom.workspace.password import PasswordChange, change_password, open_with_password, set_password

__all__ = ["PasswordDesk"]

T = TypeVar("T")


class PasswordDesk:
    """What people do with passwords of mounts. Safe for any thread; one at a time, since each takes a processor."""

    def __init__(self, mounts: Mounts, passwords: Passwords) -> None:
        """``passwords`` is where ``mounts`` finds the keys."""
        self._mounts = mounts
        self._passwords = passwords
        self._one_at_a_time = threading.Lock()

    def mount(
        self, project_dir: Path, name: str, password: str, *, is_new: bool, declare: bool
    ) -> tuple[list[MountInfo], bool]:
        """As ``Mounts.mount`` for one mount with a password; an absent one is declared as such.

        With ``is_new`` a workspace that has no password and holds nothing gets this one. Raises ``NotFound`` (it has
        none yet, and ``is_new`` is not set), ``Forbidden`` (a wrong one), ``Conflict``, ``InvalidInput`` (no name), and
        what ``Mounts.mount`` does.
        """
        if not name:
            raise InvalidInput(
                "SR-MOUNT-062",
                "a password was given and no mount named",
                why="each mount has a password of its own",
                fix="name the mount that the password is for",
                field="name",
            )
        with self._one_at_a_time:
            chosen = self._mounts.chosen(project_dir, name, declare=declare, has_password=True)
            (entry,) = chosen.entries
            directory = chosen.file.directory
            _check_password(entry)
            state = provision(directory)
            path = self._record_path(state, entry)
            if is_new and not path.exists():
                log = state.make_log_path(self._mounts.server, chosen.owner_id, entry.workspace or entry.name)
                if log.exists():
                    raise Conflict(
                        "SR-MOUNT-034",
                        f"the workspace {name} cannot get a password: it holds data already",
                        why="what it holds is sealed with the keys of the session",
                        fix=f"mount another one with a password and copy its values; or move {log} away",
                        mount=name,
                    )
                keyring = set_password(path, password)
            else:
                keyring = open_with_password(path, password)
            infos, _ = self._with_keys(directory, name, keyring, lambda: self._mounts.mount(directory, name))
            return infos, chosen.declared

    def unlock(self, name: str, password: str) -> MountInfo:
        """Open a mount that is locked. One that is open checks the password and stays. Raises ``Forbidden``."""
        with self._one_at_a_time:
            directory, path = self._place(name)
            keyring = open_with_password(path, password)
            return self._with_keys(directory, name, keyring, lambda: self._mounts.open_again(name))

    def lock(self, name: str) -> None:
        """Close a mount and forget its keys. Raises ``StorageFault`` when something could not be written."""
        with self._one_at_a_time:
            directory, _ = self._place(name)
            try:
                self._mounts.shut(name, locked(name))
            finally:
                self._passwords.drop(directory, name)

    def change(self, name: str, old: str, new: str) -> PasswordChange:
        """Seal everything under another password. Asked again with the same two, it finishes what was interrupted."""
        with self._one_at_a_time:
            directory, path = self._place(name)
            opened = self._mounts.get(name)

            def settle() -> None:
                before, after = open_with_password(path, old), open_with_password(path, new)
                both = Keyring((*before.entries, *after.entries), promoted=after.writing_version)
                self._passwords.put(directory, name, both)
                opened.flush()
                opened.log.compact()

            done = change_password(opened.workspace, path, old, new, settle=settle)
            self._passwords.put(directory, name, open_with_password(path, new))
            return done

    def _with_keys(self, directory: Path, name: str, keyring: Keyring, open_it: Callable[[], T]) -> T:
        """Open it with ``keyring``; it stays locked when that fails."""
        try:
            before: Keyring | None = self._passwords.keyring(directory, name)
        except WrongState:
            before = None
        if before is None:
            self._passwords.put(directory, name, keyring)
        try:
            return open_it()
        except BaseException:
            if before is None:
                self._passwords.drop(directory, name)
            raise

    def _place(self, name: str) -> tuple[Path, Path]:
        directory, entry = self._mounts.declared(name)
        _check_password(entry)
        return directory, self._record_path(ProjectState(directory / STATE_NAME), entry)

    def _record_path(self, state: ProjectState, entry: MountEntry) -> Path:
        return state.password_path(self._mounts.server, self._mounts.owner_id, entry.workspace or entry.name)


def _check_password(entry: MountEntry) -> None:
    if not entry.has_password:
        raise WrongState(
            "SR-MOUNT-033",
            f"the workspace {entry.name} has no password",
            why="its keys come from the session",
            fix='only mounts with keys = "password" in strongroom.toml have one',
            mount=entry.name,
        )
