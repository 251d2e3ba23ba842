"""``SigningKey``: an Ed25519 key that signs and is not looked at, and the framing of everything it signs.

``to_sign(tag, body) = "STRONGROOM-SIG-v1" ‖ L(tag) ‖ L(body)``: a signature for one purpose is none for another.
Source: contracts/attestation.md 13.
"""

import hashlib
from pathlib import Path
from typing import Final, NoReturn

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strongroom.crypto.framing import length_prefixed
from strongroom.crypto.key_files import read_private_file, write_private_file
from strongroom.crypto.key_text import private_bytes, private_line
from strongroom.crypto.public_keys import PublicKey
from strongroom.errors import InvalidInput, Misconfigured

__all__ = ["SIGNATURE_BYTES", "SigningKey", "is_signed", "key_id", "to_sign"]

SIGNATURE_BYTES: Final = 64
FILE_BYTES_MAX: Final = 1_024
_LABEL: Final = b"STRONGROOM-SIG-v1"
_FILE_LABEL: Final = "signing-key-1"


class SigningKey:
    """The private half. It shows nothing and cannot be pickled; ``public`` are its 32 public bytes."""

    __slots__ = ("_private", "public")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        """``generate`` and ``from_raw`` make one."""
        self._private = private
        self.public: bytes = private.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> "SigningKey":
        """A fresh random key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_raw(cls, raw: bytes) -> "SigningKey":
        """The key of this seed of 32 bytes. Raises ``InvalidInput`` for another length."""
        try:
            return cls(Ed25519PrivateKey.from_private_bytes(raw))
        except ValueError as error:
            raise InvalidInput("SR-SIGN-001", "the seed of a signing key has 32 bytes", size=len(raw)) from error

    @classmethod
    def load(cls, path: Path) -> "SigningKey":
        """The key that ``save`` wrote. Raises ``FileNotFoundError``, and ``Misconfigured`` when others may read the
        file or it holds no key."""
        content = read_private_file(path, bytes_max=FILE_BYTES_MAX, code="SR-SIGN-002", what="signing key")
        found = cls.from_text(content.decode("ascii", "replace"))
        if found is None:
            raise Misconfigured(
                "SR-SIGN-003",
                f"{path} holds no signing key",
                why=f"it is not the one line strongroom-{_FILE_LABEL}:<64 hex digits>",
                fix="give the private file and not the public one (.pub); if it is lost, restore it from a backup, or"
                " make a new key and pin its public half wherever the old one was",
                where=str(path),
            )
        return found

    @classmethod
    def from_text(cls, text: str) -> "SigningKey | None":
        """The key that stands in a file of ``save``, None for any other text."""
        raw = private_bytes(_FILE_LABEL, text.strip())
        return cls.from_raw(raw) if raw is not None else None

    def save(self, path: Path) -> None:
        """Write the private half to a new file with mode 0600. Raises ``FileExistsError`` rather than replace a key.

        The line says that it is private: a file of bare digits would pass for a public key, which programs print.
        """
        line = private_line(_FILE_LABEL, self._private.private_bytes_raw())
        write_private_file(path, f"{line}\n".encode())

    def sign(self, tag: str, body: bytes) -> bytes:
        """The signature of ``body`` for the purpose ``tag``, 64 bytes."""
        return self._private.sign(to_sign(tag, body))

    def sign_raw(self, data: bytes) -> bytes:
        """The signature of ``data`` as it stands, for formats that frame it themselves (COSE, JWT)."""
        return self._private.sign(data)

    def __repr__(self) -> str:
        """The public half, which is public."""
        return f"<SigningKey {self.public.hex()}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to pickle or copy: either would spread the bytes."""
        raise TypeError("a SigningKey cannot be pickled or copied")


def key_id(public: bytes) -> bytes:
    """The id of a raw Ed25519 key: its SHA-256, 32 bytes."""
    return hashlib.sha256(public).digest()


def to_sign(tag: str, body: bytes) -> bytes:
    """What is signed when ``body`` is signed for the purpose ``tag``."""
    return _LABEL + length_prefixed(tag) + length_prefixed(body)


def is_signed(public: bytes, tag: str, body: bytes, signature: bytes) -> bool:
    """Whether ``signature`` is that of ``body`` for ``tag`` under the raw Ed25519 key ``public``."""
    try:
        key = PublicKey.of_ed25519(public)
    except InvalidInput:
        return False
    return key.verify_ed25519(signature, to_sign(tag, body))
