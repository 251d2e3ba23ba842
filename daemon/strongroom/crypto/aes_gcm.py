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


def encrypt(key: Key, plaintext: bytes, associated: bytes) -> bytes:
    """``nonce 12 ‖ ciphertext ‖ tag 16``."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + key.cipher().encrypt(nonce, plaintext, associated)


def decrypt(key: Key, untrusted: bytes, associated: bytes) -> bytes:
    """The plaintext of what ``encrypt`` made. Raises ``Tampered`` for everything else, whatever is wrong with it."""
    if len(untrusted) < OVERHEAD_BYTES:
        raise Tampered
    try:
        return key.cipher().decrypt(untrusted[:NONCE_BYTES], untrusted[NONCE_BYTES:], associated)
    except InvalidTag:
        raise Tampered from None
