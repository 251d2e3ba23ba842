"""The vault's key: one secret in a file, three keys derived from it.

The box key opens what owners seal to the vault; the shelf key seals values at rest; the signing key signs challenges
and releases. Whoever reads the file reads every secret of this host, so a file that others can read is refused.
"""

import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.attest.vault_identity import PRODUCTION_STORE, TEST_STORE
from strongroom.crypto.box import BoxKey
from strongroom.crypto.key_files import read_private_file, write_private_file
from strongroom.crypto.keys import Key
from strongroom.crypto.signing import SigningKey
from strongroom.plugin import Misconfigured

__all__ = ["VaultKey", "create_key_file", "load_key_file"]

KEY_FILE_BYTES_MAX: Final = 1_024  # a comment and 64 hex digits
SECRET_BYTES: Final = 32
UNUSABLE: Final = "SR-VAULT-003"
_SALT: Final = b"strongroom-vault-1"
_LINE: Final = re.compile(r"strongroom-vault-1:([0-9a-f]{64})")
_HEADER: Final = "# The key of a strongroom vault: it opens every secret of this host. Back it up; keep it private.\n"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class VaultKey:
    """All three keys. ``key_id`` is safe to show; it names the file, whatever the kind of store."""

    box: BoxKey
    shelf: Key
    signing: SigningKey
    key_id: str

    @classmethod
    def from_secret(cls, secret: bytes, *, store: str = PRODUCTION_STORE) -> "VaultKey":
        """The keys that belong to the 32 bytes of a key file, for a ``production`` or a ``test`` store.

        A test store gets keys of its own: what was sealed to one kind opens in no other, whatever file was given.
        """
        root = Key.from_secret(secret)
        key_id = root.derive(salt=_SALT, info=b"shelf").fingerprint()
        if store == TEST_STORE:
            root = root.derive(salt=_SALT, info=b"test store")
        box = root.derive(salt=_SALT, info=b"box").mac(b"x25519 seed")
        signing = root.derive(salt=_SALT, info=b"signing").mac(b"ed25519 seed")
        shelf = root.derive(salt=_SALT, info=b"shelf")
        return cls(BoxKey.from_hex(box.hex()), shelf, SigningKey.from_raw(signing), key_id)

    def __repr__(self) -> str:
        """Shows the id only."""
        return f"<VaultKey {self.key_id}>"


def create_key_file(path: Path) -> None:
    """Write a fresh key to ``path`` with mode 0600, synced. Raises ``Misconfigured`` when something is there."""
    content = f"{_HEADER}strongroom-vault-1:{secrets.token_hex(SECRET_BYTES)}\n"
    try:
        write_private_file(path, content.encode())
    except FileExistsError:
        raise _refused(path, "it exists", "choose another file: a vault key is never overwritten") from None
    except OSError as error:
        raise _refused(path, error.strerror or "it cannot be created", "choose a file in your own directory") from None


def load_key_file(path: Path, *, store: str = PRODUCTION_STORE) -> VaultKey:
    """The keys of the file for one kind of store. Raises ``FileNotFoundError``, or ``Misconfigured`` for a file that
    must not be used."""
    text = read_private_file(path, bytes_max=KEY_FILE_BYTES_MAX, code=UNUSABLE, what="vault key")
    lines = [line.strip() for line in text.decode("ascii", "replace").splitlines()]
    keys = [line for line in lines if line and not line.startswith("#")]
    match = _LINE.fullmatch(keys[0]) if len(keys) == 1 and len(text) <= KEY_FILE_BYTES_MAX else None
    if match is None:
        raise _refused(
            path,
            "it does not hold one line strongroom-vault-1:<64 hex digits>",
            "restore it from a backup: what is stored opens under no other key. Only for a vault that keeps no secret"
            " yet, make a new one: python -m strongroom_vault init-key FILE",
        )
    return VaultKey.from_secret(bytes.fromhex(match[1]), store=store)


def _refused(path: Path, why: str, fix: str) -> Misconfigured:
    return Misconfigured(UNUSABLE, f"vault key file {path} cannot be used", why=why, fix=fix, where=str(path))
