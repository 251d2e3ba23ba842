"""Use what a sealed process will use, once, while it can still open files.

The library loads parts of itself when they are first used. Nothing of what is made here is kept.
"""

from strongroom.crypto import hpke
from strongroom.crypto.signing import SigningKey, is_signed

__all__ = ["use_once"]

_TAG = "first-use"


def use_once() -> None:
    """Make a key of either kind; sign, check, seal and open an empty message."""
    signing, kem = SigningKey.generate(), hpke.KemKey.generate()
    is_signed(signing.public, _TAG, b"", signing.sign(_TAG, b""))
    kem.open(hpke.seal_message(kem.public, b"", info=b""), info=b"")
    hpke.KemKey.from_raw(bytes(32))
    SigningKey.from_raw(bytes(32))
