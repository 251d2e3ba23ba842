"""A password as the source of a workspace's keys, instead of a keyring that a host derives.

Rule 1: the password itself is kept nowhere. A forgotten one means that the values are gone: say so before it is set.
Rule 2: a new password is a new key version. Both are there until everything is sealed under the new one, so a change
that was interrupted leaves values that one of the two passwords opens, and it can be finished.
Rule 3: a change keeps the time and place of every entry, so that an edit made elsewhere meanwhile wins over it.
Source: contracts/workspace-encryption.md 14.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.crypto.keyring_entry import KEY_VERSION_MAX, Keyring, entry_of
from strongroom.crypto.keys import Key
from strongroom.crypto.password_key import key_of_password, new_salt
from strongroom.errors import Conflict, Forbidden, InvalidInput, NotFound
from strongroom.workspace.password_record import PasswordRecord, check_of, load_record, save_record
from strongroom.workspace.workspace import Workspace

__all__ = ["PasswordChange", "change_password", "open_with_password", "set_password"]

BATCH_ENTRIES_MAX: Final = 1_000
"""Sealed again in one transaction: some 10 ms during which nobody else reads or writes."""


@dataclass(frozen=True, slots=True)
class PasswordChange:
    """What a change of password did: entries sealed again, and entries that stay unreadable as they were."""

    sealed_again: int
    unreadable: int


def set_password(path: Path, password: str) -> Keyring:
    """Make the record at ``path`` for a workspace that has no password yet, and the keyring that ``password`` gives.

    Raises ``InvalidInput`` for an empty password, ``Conflict`` when there is a record: another salt would make all
    values unreadable; ``LimitExceeded`` for one far too long, ``StorageFault``.
    """
    _require_password(password)
    if load_record(path) is not None:
        raise Conflict(
            "SR-WS-113",
            "this workspace has a password",
            fix="open it with that one, or change it",
            where=str(path),
        )
    salt = new_salt()
    key = key_of_password(password, salt)
    save_record(path, PasswordRecord(salt, ((1, check_of(salt, 1, key)),)))
    return Keyring((entry_of(1, key),))


def open_with_password(path: Path, password: str) -> Keyring:
    """The keyring that ``password`` gives with the record at ``path``.

    While a change is unfinished either password is taken, and gives its own version only. Raises ``NotFound`` where
    there is no record, ``Forbidden`` for a wrong password.
    """
    record = _record(path)
    version, key = _proven(record, password)
    return Keyring((entry_of(version, key),))


def change_password(
    workspace: Workspace, path: Path, old: str, new: str, *, settle: Callable[[], None]
) -> PasswordChange:
    """Seal everything of ``workspace`` under ``new``. Asked again with the same two, it finishes what was interrupted.

    ``settle`` is called when every value is sealed anew and before the old key is forgotten: it has the log on disk
    written, without rows under the old key. The workspace has the new key alone afterwards. What neither key opens
    stays as it is and is counted; so does what another device sealed under the old one and sends later, so devices
    should be in step first. Raises ``InvalidInput`` for an empty new password or the same one, ``Forbidden`` for a
    wrong old one, ``WrongState`` for a plain workspace, ``NotFound``, ``StorageFault``, and what ``settle`` raises.
    """
    _require_password(new)
    if old == new:
        raise InvalidInput("SR-WS-114", "the new password is the old one", fix="choose another one", field="password")
    record = _record(path)
    first, *rest = record.checks
    old_key, new_key = key_of_password(old, record.salt), key_of_password(new, record.salt)
    old_version, new_version = first[0], rest[0][0] if rest else first[0] % KEY_VERSION_MAX + 1
    if not record.is_right(old_version, old_key) or (rest and not record.is_right(new_version, new_key)):
        raise _wrong_password()
    entries = (entry_of(old_version, old_key), entry_of(new_version, new_key))
    workspace.reactivate(Keyring(entries, promoted=old_version))
    added = (new_version, check_of(record.salt, new_version, new_key))
    if not rest:
        # First, so that nothing is ever sealed under a key whose version is not written down.
        save_record(path, PasswordRecord(record.salt, (first, added)))
    workspace.reactivate(Keyring(entries, promoted=new_version))
    sealed_again = 0
    for array in workspace.arrays():
        store = workspace.store(array)
        while count := store.upgrade(BATCH_ENTRIES_MAX):
            sealed_again += count
    settle()
    save_record(path, PasswordRecord(record.salt, (added,)))
    workspace.reactivate(Keyring((entry_of(new_version, new_key),)))
    return PasswordChange(sealed_again, len(workspace.unreadable()))


def _record(path: Path) -> PasswordRecord:
    record = load_record(path)
    if record is None:
        raise NotFound(
            "SR-WS-115",
            "this workspace has no password here",
            why=f"there is no record at {path}",
            fix="copy it from where the workspace was made, or set a password if it was never used with one",
            where=str(path),
        )
    return record


def _proven(record: PasswordRecord, password: str) -> tuple[int, Key]:
    key = key_of_password(password, record.salt)
    for version, _ in record.checks:
        if record.is_right(version, key):
            return version, key
    raise _wrong_password()


def _require_password(password: str) -> None:
    if not password:
        raise InvalidInput("SR-KEY-015", "a password cannot be empty", fix="choose one", field="password")


def _wrong_password() -> Forbidden:
    return Forbidden(
        "SR-KEY-019",
        "the password is not that of this workspace",
        fix="try again; a forgotten password cannot be found, and nothing opens the values without it",
    )
