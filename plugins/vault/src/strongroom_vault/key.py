"""The vault's key: one secret in a file, two keys derived from it.

The box key opens what owners seal to the vault; the shelf key seals values at rest. Whoever reads the file reads every
secret of this host, so a file that others can read is refused.
"""

import os
import re
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.crypto.box import BoxKey
from strongroom.crypto.keys import Key
from strongroom.plugin import Misconfigured

__all__ = ["VaultKey", "create_key_file", "load_key_file"]

KEY_FILE_BYTES_MAX: Final = 1_024  # a comment and 64 hex digits
SECRET_BYTES: Final = 32
_LINE: Final = re.compile(r"strongroom-vault-1:([0-9a-f]{64})")
_HEADER: Final = "# The key of a strongroom vault: it opens every secret of this host. Back it up; keep it private.\n"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class VaultKey:
    """Both keys. ``key_id`` is safe to show."""

    box: BoxKey
    shelf: Key
    key_id: str

    @classmethod
    def from_secret(cls, secret: bytes) -> "VaultKey":
        """The keys that belong to the 32 bytes of a key file."""
        root = Key.from_secret(secret)
        seed = root.derive(salt=b"strongroom-vault-1", info=b"box").mac(b"x25519 seed")
        shelf = root.derive(salt=b"strongroom-vault-1", info=b"shelf")
        return cls(BoxKey.from_hex(seed.hex()), shelf, shelf.fingerprint())

    def __repr__(self) -> str:
        """Shows the id only."""
        return f"<VaultKey {self.key_id}>"


def create_key_file(path: Path) -> None:
    """Write a fresh key to ``path`` with mode 0600, synced. Raises ``Misconfigured`` when something is there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise _refused(path, "it exists", "choose another file: a vault key is never overwritten") from None
    except OSError as error:
        raise _refused(path, error.strerror or "it cannot be created", "choose a file in your own directory") from None
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{_HEADER}strongroom-vault-1:{secrets.token_hex(SECRET_BYTES)}\n")
        file.flush()
        os.fsync(file.fileno())
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def load_key_file(path: Path) -> VaultKey:
    """The key in ``path``. Raises ``FileNotFoundError``, or ``Misconfigured`` for a file that must not be used."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _refused(path, error.strerror or "it cannot be read", "give a regular file, not a link") from None
    try:
        # Before anything is made of it: what is no file, such as a directory, would be left open.
        _check_access(path, os.fstat(descriptor))
        text = os.read(descriptor, KEY_FILE_BYTES_MAX + 1)
    finally:
        os.close(descriptor)
    lines = [line.strip() for line in text.decode("ascii", "replace").splitlines()]
    keys = [line for line in lines if line and not line.startswith("#")]
    match = _LINE.fullmatch(keys[0]) if len(keys) == 1 and len(text) <= KEY_FILE_BYTES_MAX else None
    if match is None:
        raise _refused(
            path,
            "it does not hold one line strongroom-vault-1:<64 hex digits>",
            "restore it from a backup, or make a new one: python -m strongroom_vault init-key FILE",
        )
    return VaultKey.from_secret(bytes.fromhex(match[1]))


def _check_access(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _refused(path, "it is not a regular file", "give a file that holds a vault key")
    if status.st_uid not in {os.geteuid(), 0}:
        raise _refused(path, f"it belongs to user {status.st_uid}", "give it to the user of the vault, or to root")
    if status.st_mode & 0o077:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        raise _refused(path, f"others can read it (mode {mode})", f"chmod 600 {path}, and think about who has read it")


def _refused(path: Path, why: str, fix: str) -> Misconfigured:
    return Misconfigured("SR-VAULT-003", f"vault key file {path} cannot be used", why=why, fix=fix, where=str(path))
