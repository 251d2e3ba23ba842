"""HPKE in base mode, single shot (RFC 9180): a message that only the holder of one key can open, bound to ``info``.

The suite is fixed: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. A message is ``enc 32 ‖ ciphertext ‖ tag 16``.
The library has no associated data for single-shot messages, so all context is in ``info``. Base mode does not say who
sealed: whoever needs that signs the message.
Source: contracts/attestation.md 14.1.
"""

from typing import Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from strongroom.errors import InvalidInput, Tampered

__all__ = ["OVERHEAD_BYTES", "SUITE", "KemKey", "seal_message", "spki_of"]

SUITE: Final = (0x20, 1, 2)
"""The registered numbers of key encapsulation, key derivation and cipher."""
OVERHEAD_BYTES: Final = 48
PUBLIC_BYTES: Final = 32
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_SPKI_PREFIX: Final = bytes.fromhex("302a300506032b656e032100")


class KemKey:
    """The private half, which opens messages. It shows nothing and cannot be pickled; ``public`` has 32 bytes."""

    __slots__ = ("_private", "public")

    def __init__(self, private: X25519PrivateKey) -> None:
        """``generate`` and ``from_raw`` make one."""
        self._private = private
        self.public: bytes = private.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> "KemKey":
        """A fresh random key."""
        return cls(X25519PrivateKey.generate())

    @classmethod
    def from_raw(cls, raw: bytes) -> "KemKey":
        """The key of these 32 private bytes. Raises ``InvalidInput`` for another length."""
        try:
            return cls(X25519PrivateKey.from_private_bytes(raw))
        except ValueError as error:
            raise InvalidInput("SR-HPKE-001", "a private X25519 key has 32 bytes", size=len(raw)) from error

    def open(self, message: bytes, *, info: bytes) -> bytes:
        """The plaintext of a message sealed to this key under ``info``. Raises ``Tampered`` for everything else."""
        try:
            return _SUITE.decrypt(message, self._private, info)
        except (InvalidTag, ValueError):
            raise Tampered("sealed message") from None

    def __repr__(self) -> str:
        """The public half, which is public."""
        return f"<KemKey {self.public.hex()}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to pickle or copy: either would spread the bytes."""
        raise TypeError("a KemKey cannot be pickled or copied")


def seal_message(public: bytes, plaintext: bytes, *, info: bytes) -> bytes:
    """``plaintext`` for the holder of ``public`` (32 bytes), under ``info``; 48 bytes longer.

    Raises ``InvalidInput`` for a key of another length or one under which anybody could open it.
    """
    try:
        return _SUITE.encrypt(plaintext, X25519PublicKey.from_public_bytes(public), info)
    except ValueError as error:
        raise InvalidInput("SR-HPKE-002", "this public X25519 key is not usable", field="public key") from error


def spki_of(public: bytes) -> bytes:
    """SubjectPublicKeyInfo of a raw X25519 key, 44 bytes."""
    return _SPKI_PREFIX + public
