"""``Key``: 32 secret bytes that can be used but not looked at.

Rule 1: raw bytes leave a ``Key`` only inside this package (a test reads the other packages for it).
Rule 2: showing, copying or pickling a key gives nothing.

Python cannot erase ``bytes``: a dropped key stays in memory until the allocator reuses the place. So keys are few, live
as long as they must, and the daemon writes no core dumps.
"""

import hmac
from hashlib import sha256
from typing import Final, NoReturn

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from strongroom.errors import InvalidInput, Tampered

__all__ = ["KEY_BYTES", "Key"]

KEY_BYTES: Final = 32  # AES-256, HMAC-SHA256 and HKDF-SHA256 all take this size

_FINGERPRINT_LABEL: Final = b"strongroom/key-fingerprint/v1"


class Key:
    """An opaque 32-byte key. Two keys are equal only if they are one object: nothing is compared by accident."""

    __slots__ = ("_cipher", "_extracted", "_raw")

    def __init__(self, raw: bytes) -> None:
        """Take ``raw`` as it is. Raises ``InvalidInput`` when it is not exactly 32 bytes."""
        if len(raw) != KEY_BYTES:
            raise InvalidInput(
                "SR-KEY-001",
                f"Encryption key must be {KEY_BYTES} bytes",
                why=f"of this one {len(raw)} were given",
                fix="give exactly 32 bytes",
                size=len(raw),
                limit=KEY_BYTES,
            )
        self._raw = bytes(raw)
        self._cipher: AESGCM | None = None
        self._extracted: tuple[bytes, bytes] | None = None

    @classmethod
    def from_secret(cls, secret: bytes) -> "Key":
        """SHA-256 of ``secret``: root n of its secret n (contracts/workspace-encryption.md 4)."""
        return cls(sha256(secret).digest())

    def derive(self, *, salt: bytes, info: bytes) -> "Key":
        """HKDF-SHA256 of this key, 32 bytes (RFC 5869)."""
        # A key is asked with one salt again and again, for each run: what that makes of it is kept.
        known = self._extracted
        if known is None or known[0] != salt:
            self._extracted = known = salt, _extract(self._raw, salt)
        return Key(_expand(known[1], info))

    def mac(self, data: bytes) -> bytes:
        """HMAC-SHA256 of ``data``, 32 bytes."""
        return hmac.digest(self._raw, data, "sha256")

    def check_mac(self, data: bytes, mac: bytes) -> None:
        """Raise ``Tampered`` unless ``mac`` is this key's MAC of ``data``. Takes the same time wherever they differ."""
        if not hmac.compare_digest(self.mac(data), mac):
            raise Tampered

    def fingerprint(self) -> str:
        """8 hex digits that tell keys apart and say nothing else about them. Safe to show."""
        return self.mac(_FINGERPRINT_LABEL)[:4].hex()

    def cipher(self) -> AESGCM:
        """AES-256-GCM under this key, made once. For this package only: callers elsewhere seal and open."""
        if self._cipher is None:
            self._cipher = AESGCM(self._raw)
        return self._cipher

    def __repr__(self) -> str:
        """Nothing."""
        return "<Key>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to pickle or copy: either would spread the bytes."""
        raise TypeError("a Key cannot be pickled or copied")


def _hkdf(raw: bytes, *, salt: bytes, info: bytes) -> bytes:
    return _expand(_extract(raw, salt), info)


def _extract(raw: bytes, salt: bytes) -> bytes:
    """RFC 5869 2.2: ``PRK = HMAC(salt, IKM)``. An empty salt is the one of zeros: HMAC pads its key with them."""
    return hmac.digest(salt, raw, "sha256")


def _expand(prk: bytes, info: bytes) -> bytes:
    """RFC 5869 2.3 for 32 bytes, which one block of SHA-256 has."""
    return hmac.digest(prk, info + b"\x01", "sha256")
