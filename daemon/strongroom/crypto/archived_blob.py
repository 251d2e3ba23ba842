"""Values of March 2026: ``{"v": 1, "ct": base64(nonce 12 ‖ ciphertext ‖ tag 16)}``, AES-256-GCM, nothing associated.

They are read, to be written anew in a format of today, and never written.
Source: contracts/workspace-encryption.md 15.
"""

from collections.abc import Mapping
from typing import Final, TypeGuard

from strongroom.crypto import aes_gcm
from strongroom.crypto.base64_text import decode_base64
from strongroom.crypto.keys import Key
from strongroom.errors import InvalidInput, Tampered

__all__ = ["is_archived_blob", "open_archived"]

VERSION: Final = 1
_MEMBERS: Final = {"v", "ct"}


def is_archived_blob(value: object) -> TypeGuard[Mapping[str, object]]:
    """Whether ``value`` has exactly the members ``v``, a number, and ``ct``, a text. Rows of tables have more."""
    return (
        isinstance(value, Mapping)
        and value.keys() == _MEMBERS
        and type(value["v"]) in (int, float)
        and isinstance(value["ct"], str)
    )


def open_archived(key: Key, value: Mapping[str, object]) -> bytes:
    """The plaintext of a value that ``is_archived_blob`` recognised.

    ``key`` is ``Key.from_secret`` of the deployment's secret, or that of a password with ``archived_salt``. Raises
    ``InvalidInput`` for another version than 1, ``Tampered`` for all else that is wrong with it.
    """
    if value["v"] != VERSION:
        raise InvalidInput(
            "SR-KEY-018",
            "an archived value is of a version that is not known",
            fix="update strongroom if a newer version wrote it; nothing was changed",
            field="v",
        )
    raw = decode_base64(str(value["ct"]))
    if raw is None:
        raise Tampered
    return aes_gcm.decrypt(key, raw, b"")
