"""The TPM-sealed keyring: one file with a key that the TPM seals, and the keyring under that key.

``"srtk" ‖ format u8 (1) ‖ registers u24 ‖ L16(public) ‖ L16(private) ‖ nonce 12 ‖ AES-256-GCM ciphertext ‖ tag 16``.
L16(x) is the length of x in two bytes and x. The associated data is everything in front of the nonce. A TPM seals 128
bytes at most and a keyring may have more, so it seals 32 random ones.
"""

import os
import stat
import struct
from collections.abc import Collection
from pathlib import Path
from typing import Final

from strongroom.crypto.aes_gcm import OVERHEAD_BYTES, decrypt, encrypt
from strongroom.crypto.keys import KEY_BYTES, Key
from strongroom.errors import InvalidInput, KeyMissing, Misconfigured, Tampered
from strongroom.tpm.sealing import REGISTERS, NotOfThisTpm, OtherRegisters, SealedByTpm, seal, unseal
from strongroom.tpm.wire import TpmWire, connected

__all__ = ["DEVICE", "FILE_BYTES_MAX", "TpmKeyFile", "open_machine_tpm", "seal_keyring"]

DEVICE: Final = Path("/dev/tpmrm0")
FILE_BYTES_MAX: Final = 70_000
"""A keyring has 65 536 at most, and the TPM's part some hundred."""
_MAGIC: Final = b"srtk\x01"
_PART_BYTES_MAX: Final = 1_024
"""A TPM2B_PUBLIC and a TPM2B_PRIVATE of a sealed key have about a hundred and two hundred."""


def seal_keyring(wire: TpmWire, text: str, registers: Collection[int]) -> bytes:
    """The file for a keyring of this ``text``, which this TPM opens while ``registers`` are what they are now.

    Raises ``InvalidInput`` for registers that no TPM has, ``Unavailable`` for a TPM that refuses.
    """
    wrong = sorted(set(registers) - set(REGISTERS))
    if wrong:
        raise InvalidInput(
            "SR-KEY-034",
            f"there are no registers {wrong}",
            fix=f"name those to which the keyring is bound, from 0 to {REGISTERS[-1]}, such as 7",
            field="pcrs",
        )
    raw = os.urandom(KEY_BYTES)
    sealed = seal(wire, raw, sum(1 << each for each in set(registers)))
    front = _front(sealed)
    return front + encrypt(Key(raw), text.encode(), front)


class TpmKeyFile:
    """The provider ``tpm-file``: opens ``path`` with the TPM at ``device``."""

    name = "tpm-file"

    def __init__(self, path: Path, device: Path = DEVICE) -> None:
        self._path = path
        self._device = device

    def load(self) -> bytes | None:
        """The keyring, or nothing where there is no file.

        Raises ``Misconfigured`` for a file or a TPM that cannot be used, ``KeyMissing`` where the TPM does not open it,
        ``Tampered``, ``Unavailable``.
        """
        try:
            with self._path.open("rb") as file:
                untrusted = file.read(FILE_BYTES_MAX + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._not_ours(error.strerror or type(error).__name__) from error
        sealed, front = self._parsed(untrusted)
        wire = open_machine_tpm(self._device)
        try:
            raw = unseal(wire, sealed)
        except OtherRegisters:
            raise self._closed(
                "SR-KEY-038",
                "a register that it is bound to has another value than when it was sealed",
                "start the machine as it was then, or seal the keyring again from its recovery file:"
                " strongroom keys seal-tpm",
            ) from None
        except NotOfThisTpm:
            raise self._closed(
                "SR-KEY-037",
                "another TPM sealed it, this one was cleared since, or the file was changed",
                "seal the keyring for this TPM from its recovery file: strongroom keys seal-tpm",
            ) from None
        finally:
            wire.close()
        if len(raw) != KEY_BYTES:
            raise Tampered(str(self._path))
        try:
            return decrypt(Key(raw), untrusted[len(front) :], front)
        except Tampered:
            raise Tampered(str(self._path)) from None

    def describe(self) -> str:
        """Where it is."""
        return str(self._path)

    def _parsed(self, untrusted: bytes) -> tuple[SealedByTpm, bytes]:
        """The TPM's part of the file, and everything in front of the nonce."""
        if len(untrusted) > FILE_BYTES_MAX:
            raise self._not_ours(f"it has more than {FILE_BYTES_MAX} bytes")
        if not untrusted.startswith(_MAGIC):
            raise self._not_ours("it does not begin as one")
        parts, position = [], len(_MAGIC) + 3
        for _ in range(2):
            size = int.from_bytes(untrusted[position : position + 2], "big")
            position += 2
            parts.append(untrusted[position : position + size])
            position += size
            if not 0 < size <= _PART_BYTES_MAX or position + OVERHEAD_BYTES > len(untrusted):
                raise self._not_ours("it ends early")
        registers = int.from_bytes(untrusted[len(_MAGIC) : len(_MAGIC) + 3], "big")
        return SealedByTpm(parts[0], parts[1], registers), untrusted[:position]

    def _not_ours(self, why: str) -> Misconfigured:
        return Misconfigured(
            "SR-KEY-035",
            f"{self._path} is no TPM-sealed keyring",
            why=why,
            fix="name the file that strongroom keys seal-tpm wrote, with keys.tpm_file",
            where="keys.tpm_file",
        )

    def _closed(self, code: str, why: str, fix: str) -> KeyMissing:
        return KeyMissing(code, f"the TPM at {self._device} does not open {self._path}", why=why, fix=fix)


def open_machine_tpm(path: Path) -> TpmWire:
    """A connection to the TPM at ``path``: a character device, or a UNIX socket of a software TPM.

    Raises ``Misconfigured``, which names the path and says what to do.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISSOCK(mode):
            return connected(path)
        if not stat.S_ISCHR(mode):
            raise _no_tpm(path, "it is another type of file")
        return TpmWire(os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY))
    except OSError as error:
        raise _no_tpm(path, error.strerror or type(error).__name__) from error


def _no_tpm(path: Path, why: str) -> Misconfigured:
    return Misconfigured(
        "SR-KEY-036",
        f"there is no TPM at {path} that can be used",
        why=why,
        fix="load its driver (tpm_tis, tpm_crb), let the host's user read and write it, or set keys.tpm_device",
        where="keys.tpm_device",
    )


def _front(sealed: SealedByTpm) -> bytes:
    parts = b"".join(struct.pack(">H", len(part)) + part for part in (sealed.public, sealed.private))
    return _MAGIC + sealed.registers.to_bytes(3, "big") + parts
