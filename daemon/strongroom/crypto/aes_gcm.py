"""AES-256-GCM with the nonce kept out of everybody's hands.

A repeated nonce would give GCM's authentication key away, so it is always drawn here, at random. 2^32 messages a key is
the bound for random 96-bit nonces (NIST SP 800-38D 8.3); run keys are held to 2^24.
"""

import os
from typing import Final

from cryptography.exceptions import InvalidTag

from strongroom.crypto.keys import Key
from strongroom.errors import Tampered

__all__ = ["OVERHEAD_BYTES", "TAG_BYTES", "decrypt", "encrypt"]

TAG_BYTES: Final = 16
NONCE_BYTES: Final = 12
OVERHEAD_BYTES: Final = NONCE_BYTES + TAG_BYTES
VIEWED_BYTES_MIN: Final = 4096
"""From here on a view costs less than a copy."""


def encrypt(key: Key, plaintext: bytes, associated: bytes, *, head: bytes = b"") -> bytes:
    """``head ‖ nonce 12 ‖ ciphertext ‖ tag 16``. Only what is in ``associated`` binds the head too."""
    nonce = os.urandom(NONCE_BYTES)
    # In this order the ciphertext, which may be long, is copied once.
    return head + nonce + key.cipher().encrypt(nonce, plaintext, associated)


def decrypt(key: Key, untrusted: bytes, associated: bytes, *, behind: int = 0) -> bytes:
    """The plaintext of what ``encrypt`` made with a head of ``behind`` bytes.

    Raises ``Tampered`` for everything else, whatever is wrong with it.
    """
    if len(untrusted) < behind + OVERHEAD_BYTES:
        raise Tampered
    begin = behind + NONCE_BYTES
    sealed = untrusted[begin:] if len(untrusted) < VIEWED_BYTES_MIN else memoryview(untrusted)[begin:]
    try:
        return key.cipher().decrypt(untrusted[behind:begin], sealed, associated)
    except InvalidTag:
        raise Tampered from None
