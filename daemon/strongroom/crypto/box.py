"""Sealed boxes: a value that only the holder of an X25519 key can read, from a sender without a key of its own.

The vault and enclave runners use them: values travel through the daemon, which can open none of them. The construction
is libsodium's ``crypto_box_seal`` (X25519, XSalsa20-Poly1305, fresh sender key for each box).
"""

import re
from pathlib import Path
from typing import Final, NoReturn

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from strongroom.crypto.key_files import read_private_file, write_private_file
from strongroom.crypto.key_text import private_bytes, private_line
from strongroom.errors import InvalidInput, Misconfigured, Tampered

__all__ = ["BoxKey", "seal_to"]

FILE_BYTES_MAX: Final = 1_024
_FILE_LABEL: Final = "box-key-1"
_HEX_KEY: Final = re.compile(r"[0-9a-fA-F]{64}\Z")


class BoxKey:
    """The private half, which opens boxes. It shows nothing and cannot be pickled."""

    __slots__ = ("_private", "public_hex")

    def __init__(self, private: PrivateKey) -> None:
        """Wrap ``private``; ``generate``, ``from_hex`` and ``load`` are the ways to get one."""
        self._private = private
        self.public_hex = bytes(private.public_key).hex()

    @classmethod
    def generate(cls) -> "BoxKey":
        """A fresh random key."""
        return cls(PrivateKey.generate())

    @classmethod
    def from_hex(cls, private_hex: str) -> "BoxKey":
        """The key with this private half, 64 hex digits. Raises ``InvalidInput`` for anything else."""
        if not _HEX_KEY.match(private_hex):
            raise InvalidInput("SR-BOX-001", "a private box key is 64 hex digits", field="private key")
        return cls(PrivateKey(bytes.fromhex(private_hex)))

    @classmethod
    def load(cls, path: Path) -> "BoxKey":
        """The key that ``save`` wrote. Raises ``Misconfigured`` when group or others may read it, or it is no key."""
        content = read_private_file(path, bytes_max=FILE_BYTES_MAX, code="SR-BOX-003", what="box key")
        raw = private_bytes(_FILE_LABEL, content.decode("ascii", "replace").strip())
        if raw is None:
            raise Misconfigured(
                "SR-BOX-004",
                f"{path} holds no box key",
                why=f"it is not the one line strongroom-{_FILE_LABEL}:<64 hex digits>",
                fix="restore it from a backup; values sealed to the lost key cannot be opened",
                where=str(path),
            )
        return cls(PrivateKey(raw))

    def save(self, path: Path) -> None:
        """Write the private half to a new file with mode 0600. Raises ``FileExistsError`` rather than replace a key."""
        write_private_file(path, f"{private_line(_FILE_LABEL, bytes(self._private))}\n".encode())

    def open(self, sealed: bytes) -> bytes:
        """The value in a box sealed to this key. Raises ``Tampered`` for everything else."""
        try:
            return bytes(SealedBox(self._private).decrypt(sealed))
        except (CryptoError, ValueError):
            raise Tampered("sealed box") from None

    def __repr__(self) -> str:
        """The public half, which is public."""
        return f"<BoxKey {self.public_hex}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to pickle or copy: either would spread the bytes."""
        raise TypeError("a BoxKey cannot be pickled or copied")


def seal_to(public_hex: str, value: bytes) -> bytes:
    """A box of ``value`` for the holder of ``public_hex``, 48 bytes longer. The sender itself cannot open it.

    Raises ``InvalidInput`` when the key is not 64 hex digits or is a low-order point, under which every box could be
    opened by anybody.
    """
    if not _HEX_KEY.match(public_hex):
        raise InvalidInput("SR-BOX-002", "a public box key is 64 hex digits", field="public key")
    try:
        return bytes(SealedBox(PublicKey(bytes.fromhex(public_hex))).encrypt(value))
    except (CryptoError, RuntimeError):
        raise InvalidInput(
            "SR-BOX-002",
            "this public box key is not usable",
            why="it is a low-order point of the curve",
            fix="ask its owner for the key again",
            field="public key",
        ) from None
