"""A workflow's binary as it was uploaded: raw, brotli, or base64 of brotli.

The id and the hash of a workflow are over the bytes as uploaded, with base64 alone removed; nothing is compressed anew.
Source: contracts/cre-guest.md sections 4 and 14.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from typing import Final, Literal

import brotli

from strongroom.errors import InvalidInput, LimitExceeded
from strongroom.guest.limits import GuestLimits

__all__ = ["StoredBinary", "decode_upload"]

MAGIC: Final = b"\x00asm"
_BASE64: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n \t")
_STEP_BYTES: Final = 1 << 20

Encoding = Literal["raw", "brotli"]


@dataclass(frozen=True, slots=True)
class StoredBinary:
    """The bytes that are stored and hashed, and how they are encoded."""

    data: bytes = field(repr=False)
    encoding: Encoding
    sha256: str
    """64 hex digits over ``data``."""
    wasm_bytes_max: int

    def wasm(self) -> bytes:
        """The raw module, decompressed within its limit. Raises ``InvalidInput`` and ``LimitExceeded``."""
        return self.data if self.encoding == "raw" else _decompress(self.data, self.wasm_bytes_max)


def decode_upload(untrusted: bytes, limits: GuestLimits) -> StoredBinary:
    """What to store for an upload; a raw module is known by its magic, everything else must decompress to one.

    Raises ``LimitExceeded`` for one that is too large, compressed or not, and ``InvalidInput`` for a broken one.
    """
    if untrusted[:4] == MAGIC:
        if len(untrusted) > limits.binary_bytes_max:
            raise _too_large_raw(len(untrusted), limits.binary_bytes_max)
        return StoredBinary(untrusted, "raw", hashlib.sha256(untrusted).hexdigest(), limits.binary_bytes_max)
    # Base64 takes 4 bytes for 3, and a line break for each 76 of them.
    if len(untrusted) > limits.binary_compressed_bytes_max * 3 // 2:
        raise _too_large_compressed(len(untrusted), limits.binary_compressed_bytes_max)
    data = _without_base64(untrusted)
    if len(data) > limits.binary_compressed_bytes_max:
        raise _too_large_compressed(len(data), limits.binary_compressed_bytes_max)
    stored = StoredBinary(data, "brotli", hashlib.sha256(data).hexdigest(), limits.binary_bytes_max)
    if stored.wasm()[:4] != MAGIC:
        raise InvalidInput(
            "SR-BIN-003",
            "the binary is not a WebAssembly module",
            why="it decompresses to something else",
            fix="upload a .wasm file, raw, compressed with brotli, or base64 of the compressed one",
            field="binary",
        )
    return stored


def _without_base64(data: bytes) -> bytes:
    """``data`` decoded when it is base64; compressed bytes practically never look like it."""
    if not data or not _BASE64.issuperset(data):
        return data
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except binascii.Error:
        return data


def _decompress(data: bytes, bytes_max: int) -> bytes:
    decompressor = brotli.Decompressor()
    pieces: list[bytes] = []
    size = 0
    try:
        piece = decompressor.process(data, output_buffer_limit=_STEP_BYTES)
        while True:
            pieces.append(piece)
            size += len(piece)
            if size > bytes_max:
                raise LimitExceeded(
                    "SR-BIN-002",
                    "decompressed binary size reached the maximum allowed size",
                    why=f"it is larger than {bytes_max} bytes",
                    fix="make the workflow smaller, or raise limits.binary_bytes_max",
                    size=size,
                    limit=bytes_max,
                    setting="limits.binary_bytes_max",
                )
            if decompressor.is_finished():
                return b"".join(pieces)
            if not piece or decompressor.can_accept_more_data():
                raise _broken("the stream ends too early")
            piece = decompressor.process(b"", output_buffer_limit=_STEP_BYTES)
    except brotli.error as error:
        raise _broken(str(error)) from None


def _broken(why: str) -> InvalidInput:
    return InvalidInput(
        "SR-BIN-001",
        "failed to decompress binary",
        why=why,
        fix="upload a .wasm file, raw, compressed with brotli, or base64 of the compressed one",
        field="binary",
    )


def _too_large_compressed(size: int, limit: int) -> LimitExceeded:
    return LimitExceeded(
        "SR-BIN-004",
        "compressed binary size exceeds the maximum allowed size",
        why=f"it has {size} bytes, the limit is {limit}",
        fix="make the workflow smaller, or raise limits.binary_compressed_bytes_max",
        size=size,
        limit=limit,
        setting="limits.binary_compressed_bytes_max",
    )


def _too_large_raw(size: int, limit: int) -> LimitExceeded:
    return LimitExceeded(
        "SR-BIN-005",
        "binary size exceeds the maximum allowed size",
        why=f"it has {size} bytes, the limit is {limit}",
        fix="make the workflow smaller, or raise limits.binary_bytes_max",
        size=size,
        limit=limit,
        setting="limits.binary_bytes_max",
    )
