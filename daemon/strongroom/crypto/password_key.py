"""The key that a password gives: PBKDF2-HMAC-SHA256, 600 000 iterations.

The salt is random, one for each workspace, and no secret: it lies beside the data and travels with it, so the same
password gives the same key on every device. Archived data has a salt derived from names, which is for reading only.
Source: contracts/workspace-encryption.md 14.
"""

import hashlib
import os
from typing import Final

from strongroom.crypto.keys import KEY_BYTES, Key
from strongroom.crypto.workspace_text import text_bytes
from strongroom.errors import InvalidInput, LimitExceeded

__all__ = ["PASSWORD_BYTES_MAX", "SALT_BYTES", "archived_salt", "key_of_password", "new_salt"]

SALT_BYTES: Final = 32
ARCHIVED_SALT_BYTES: Final = 16
PASSWORD_BYTES_MAX: Final = 4_096  # longer than any passphrase; more is a file that was given by mistake
ITERATIONS: Final = 600_000


def new_salt() -> bytes:
    """A fresh random salt, 32 bytes."""
    return os.urandom(SALT_BYTES)


def archived_salt(user_id: str, workspace_id: str) -> bytes:
    """The salt of data from March 2026, 16 bytes. Nothing stands between the names, so two pairs can share one."""
    return hashlib.sha256(text_bytes(user_id + workspace_id)).digest()[:ARCHIVED_SALT_BYTES]


def key_of_password(password: str, salt: bytes) -> Key:
    """The key of ``password``, which takes a good part of a second, as it is meant to.

    The empty password has a key as well: archived data may have been sealed with it. Raises ``InvalidInput`` for
    a salt of another size than 32 or 16 bytes, ``LimitExceeded`` above 4096 bytes of password.
    """
    raw = text_bytes(password)
    if len(raw) > PASSWORD_BYTES_MAX:
        raise LimitExceeded(
            "SR-KEY-016",
            f"a password of more than {PASSWORD_BYTES_MAX} bytes is not taken",
            fix="check that it is the password",
            size=len(raw),
            limit=PASSWORD_BYTES_MAX,
        )
    if len(salt) not in (SALT_BYTES, ARCHIVED_SALT_BYTES):
        raise InvalidInput(
            "SR-KEY-017",
            f"the salt of a password has {SALT_BYTES} bytes",
            why=f"this one has {len(salt)}",
            fix="restore the salt from a backup of the workspace",
            field="salt",
            size=len(salt),
        )
    return Key(hashlib.pbkdf2_hmac("sha256", raw, salt, ITERATIONS, KEY_BYTES))
