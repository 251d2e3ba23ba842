"""Structures of a TPM 2.0 as they travel: what it attests to, its signature, and a public key with its attributes.

Rule 1: everything is big-endian and sized; each reader consumes all of its bytes and refuses one more.
Rule 2: only what a quote by an attestation key can hold is read: a quote over one bank of SHA-256, signed with ECDSA
P-256 or RSASSA 2048, both with SHA-256.
Source: TPM 2.0 Library, part 2, 10.12 and 12.2; contracts/attestation.md 9.1.
"""

import struct
from dataclasses import dataclass
from typing import Final

from strongroom.attest.codes import ALGORITHM
from strongroom.attest.evidence import malformed
from strongroom.errors import EvidenceRejected

__all__ = [
    "ECC",
    "ECDSA",
    "RSA",
    "RSASSA",
    "SHA256_ALG",
    "TpmQuote",
    "TpmReader",
    "TpmSignature",
    "parse_attest",
    "parse_signature",
]

SHA256_ALG: Final = 0x000B
ECC: Final = 0x0023
RSA: Final = 0x0001
ECDSA: Final = 0x0018
RSASSA: Final = 0x0014
_MAGIC: Final = 0xFF544347
_QUOTE_TYPE: Final = 0x8018
_SELECT_BYTES_MAX: Final = 4
"""Bytes of a bank's bitmap: 32 registers, and a PC has 24."""
_SCALAR_BYTES_MAX: Final = 32
_RSA_SIGNATURE_BYTES: Final = 256
_DIGEST_BYTES: Final = 32


class TpmReader:
    """Reads one structure from front to back. Every method raises ``EvidenceRejected`` where the bytes end too early.

    ``check`` names the structure in refusals.
    """

    __slots__ = ("_data", "_position", "check")

    def __init__(self, check: str, untrusted: bytes) -> None:
        """Start at the first byte of ``untrusted``."""
        self.check = check
        self._data = untrusted
        self._position = 0

    def raw(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        end = self._position + size
        if end > len(self._data):
            raise malformed(self.check, got=f"{len(self._data)} bytes", wanted=f"at least {end}")
        found = self._data[self._position : end]
        self._position = end
        return found

    def number(self, size: int) -> int:
        """A number of ``size`` bytes."""
        return int.from_bytes(self.raw(size), "big")

    def sized(self) -> bytes:
        """Bytes behind their length, which has two bytes."""
        return self.raw(self.number(2))

    def finish(self) -> None:
        """Raise ``EvidenceRejected`` unless everything was read."""
        left = len(self._data) - self._position
        if left:
            raise malformed(self.check, got=f"{left} bytes after the end", wanted="nothing there")


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmQuote:
    """A TPMS_ATTEST of a quote. ``selection`` are the numbers of the registers, ascending; ``attest`` what is signed.

    ``is_clock_safe`` is False while the clock may repeat values that it had before a crash.
    """

    attest: bytes
    qualified_signer: bytes
    extra_data: bytes
    clock_ms: int
    reset_count: int
    restart_count: int
    is_clock_safe: bool
    firmware_version: int
    selection: tuple[int, ...]
    pcr_digest: bytes


@dataclass(frozen=True, slots=True)
class TpmSignature:
    """A TPMT_SIGNATURE: the numbers r and s for ECDSA, or the bytes for RSASSA. ``key_type`` is ``ECC`` or ``RSA``."""

    key_type: int
    r: int = 0
    s: int = 0
    rsassa: bytes = b""


def parse_attest(place: str, untrusted: bytes) -> TpmQuote:
    """The quote in ``untrusted``, all of it. ``place`` is the prefix of the checks that refuse, such as ``tpm``.

    Raises ``EvidenceRejected`` for anything else, and for more than one bank of registers or another than SHA-256.
    """
    reader = TpmReader(f"{place}/1 attest", untrusted)
    magic, kind = reader.number(4), reader.number(2)
    if magic != _MAGIC or kind != _QUOTE_TYPE:
        raise malformed(f"{place}/1 magic", got=f"{magic:08x} {kind:04x}", wanted=f"{_MAGIC:08x} {_QUOTE_TYPE:04x}")
    qualified_signer, extra_data = reader.sized(), reader.sized()
    clock_ms, reset_count, restart_count, safe, firmware = struct.unpack(">QIIBQ", reader.raw(25))
    if safe > 1:
        raise malformed(f"{place}/1 safe", got=str(safe), wanted="0 or 1")
    selection = _selection(place, reader)
    pcr_digest = reader.sized()
    reader.finish()
    if len(pcr_digest) != _DIGEST_BYTES:
        raise malformed(f"{place}/1 pcrDigest", got=f"{len(pcr_digest)} bytes", wanted=f"{_DIGEST_BYTES} bytes")
    return TpmQuote(
        attest=untrusted,
        qualified_signer=qualified_signer,
        extra_data=extra_data,
        clock_ms=clock_ms,
        reset_count=reset_count,
        restart_count=restart_count,
        is_clock_safe=safe == 1,
        firmware_version=firmware,
        selection=selection,
        pcr_digest=pcr_digest,
    )


def parse_signature(place: str, untrusted: bytes) -> TpmSignature:
    """The signature in ``untrusted``, all of it. Raises ``EvidenceRejected`` for any other scheme or hash."""
    reader = TpmReader(f"{place}/1 signature", untrusted)
    scheme, hash_algorithm = reader.number(2), reader.number(2)
    if scheme not in {ECDSA, RSASSA} or hash_algorithm != SHA256_ALG:
        got = f"scheme {scheme:04x}, hash {hash_algorithm:04x}"
        wanted = f"{ECDSA:04x} or {RSASSA:04x}, {SHA256_ALG:04x}"
        raise EvidenceRejected(ALGORITHM, f"{place}/1 scheme", got=got, wanted=wanted)
    if scheme == ECDSA:
        r, s = reader.sized(), reader.sized()
        reader.finish()
        if max(len(r), len(s)) > _SCALAR_BYTES_MAX:
            raise malformed(f"{place}/1 signature", got=f"{len(r)} and {len(s)} bytes", wanted="at most 32 each")
        return TpmSignature(ECC, r=int.from_bytes(r, "big"), s=int.from_bytes(s, "big"))
    rsassa = reader.sized()
    reader.finish()
    if len(rsassa) != _RSA_SIGNATURE_BYTES:
        got = f"{len(rsassa)} bytes"
        raise EvidenceRejected(ALGORITHM, f"{place}/1 scheme", got=got, wanted=f"{_RSA_SIGNATURE_BYTES} bytes")
    return TpmSignature(RSA, rsassa=rsassa)


def _selection(place: str, reader: TpmReader) -> tuple[int, ...]:
    """Which registers were quoted, of the one bank that may be."""
    banks = reader.number(4)
    if banks != 1:
        raise malformed(f"{place}/6 selection", got=f"{banks} banks", wanted="one, of SHA-256")
    algorithm, size = reader.number(2), reader.number(1)
    if algorithm != SHA256_ALG:
        wanted = f"{SHA256_ALG:04x}, SHA-256"
        raise EvidenceRejected(ALGORITHM, f"{place}/6 selection", got=f"bank {algorithm:04x}", wanted=wanted)
    if size > _SELECT_BYTES_MAX:
        raise malformed(f"{place}/6 selection", got=f"{size} bytes", wanted=f"at most {_SELECT_BYTES_MAX}")
    bitmap = int.from_bytes(reader.raw(size), "little")  # bit p % 8 of byte p / 8 is register p
    return tuple(register for register in range(8 * size) if bitmap >> register & 1)
