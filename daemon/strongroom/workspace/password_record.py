"""What lies beside a workspace with a password: the salt, and how to tell whether a password is the right one.

None of it is secret: the salt belongs to the data and is copied with it, so that the same password gives the same key
everywhere. A check is a MAC under the key over salt and version; it says no more about the password than any sealed
value does. While a password is being changed there are two, because values of both kinds exist until it is done.
Source: contracts/workspace-encryption.md 14.
"""

import hmac
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.crypto.framing import length_prefixed
from strongroom.crypto.key_files import read_private_file, write_private_file
from strongroom.crypto.keyring_entry import is_key_version
from strongroom.crypto.keys import Key
from strongroom.crypto.password_key import SALT_BYTES
from strongroom.errors import Misconfigured, StorageFault

__all__ = ["PasswordRecord", "load_record", "save_record"]

FILE_BYTES_MAX: Final = 4_096  # one record has some 400
CHECK_BYTES: Final = 32
_FORMAT: Final = 1
_KDF: Final = "PBKDF2-HMAC-SHA256, 600000 iterations"
_LABEL: Final = b"strongroom/workspace-password/v1"


@dataclass(frozen=True, slots=True)
class PasswordRecord:
    """The salt, 32 bytes, and for each key version the check of its password: one, or two during a change.

    The last version is the one that writes.
    """

    salt: bytes
    checks: tuple[tuple[int, bytes], ...]

    def is_right(self, version: int, key: Key) -> bool:
        """Whether ``key`` is the one of ``version``."""
        return hmac.compare_digest(dict(self.checks)[version], check_of(self.salt, version, key))


def check_of(salt: bytes, version: int, key: Key) -> bytes:
    """What tells that ``key`` is the one of ``version``, 32 bytes."""
    return key.mac(length_prefixed(_LABEL, salt, bytes((version,))))


def load_record(path: Path) -> PasswordRecord | None:
    """The record at ``path``; ``None`` where there is none. Raises ``Misconfigured`` for anything else."""
    try:
        content = read_private_file(path, bytes_max=FILE_BYTES_MAX, code="SR-WS-110", what="workspace password")
    except FileNotFoundError:
        return None
    try:
        if len(content) > FILE_BYTES_MAX:
            raise ValueError("it is too large")
        return _parsed(json.loads(content))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Misconfigured(
            "SR-WS-111",
            f"the record of a workspace's password at {path} is damaged",
            why="it is not what strongroom writes there",
            fix="restore it from a backup of the workspace: without its salt no password opens the values",
            where=str(path),
        ) from None


def save_record(path: Path, record: PasswordRecord) -> None:
    """Put ``record`` in the place of what is there, at once and synced. Raises ``StorageFault`` and changes nothing."""
    document = {
        "format": _FORMAT,
        "kdf": _KDF,
        "salt": record.salt.hex(),
        "keys": [{"version": version, "check": check.hex()} for version, check in record.checks],
    }
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        write_private_file(beside, f"{json.dumps(document, indent=1)}\n".encode())
        beside.replace(path)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise StorageFault(
            "SR-WS-112",
            f"the record of a workspace's password cannot be written to {path}",
            why=error.strerror or type(error).__name__,
            fix="see that the directory can be written and has room, then try again; nothing was changed",
            where=str(path),
        ) from error


def _parsed(document: object) -> PasswordRecord:
    if not isinstance(document, dict) or document.keys() != {"format", "kdf", "salt", "keys"}:
        raise ValueError("its members")
    if document["format"] != _FORMAT or document["kdf"] != _KDF:
        raise ValueError("its format")
    salt = bytes.fromhex(document["salt"])
    checks = tuple((each["version"], bytes.fromhex(each["check"])) for each in document["keys"])
    versions = {version for version, _ in checks}
    if len(salt) != SALT_BYTES or not 1 <= len(checks) <= 2 or len(versions) != len(checks):
        raise ValueError("its sizes")
    if not all(is_key_version(version) and len(check) == CHECK_BYTES for version, check in checks):
        raise ValueError("a key")
    return PasswordRecord(salt, checks)
