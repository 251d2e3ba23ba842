"""Compressed payloads: ``"gzip"`` or ``"zstd"``, then what that program writes of the payload inside.

Rule 1: nothing is compressed unless its writer asks: the size of what was compressed tells of a secret that stands
beside text of somebody else's choosing.
Rule 2: small payloads and such as would hardly shrink stay as they are.
Rule 3: what comes from outside grows to at most ``bytes_max``.
Source: contracts/run-encryption.md 8.
"""

import zlib
from collections.abc import Iterator
from enum import Enum
from typing import Final

from zstandard import ZstdCompressor, ZstdDecompressor, ZstdError, frame_content_size

from strongroom.crypto.payload_format import PAYLOAD_BYTES_MAX, PREFIX_BYTES, Format, check_size, format_of
from strongroom.errors import InvalidInput, LimitExceeded

__all__ = ["Codec", "compressed", "decompressed"]

COMPRESSED_BYTES_MIN: Final = 1_024
"""Smaller payloads are not worth it."""
PERCENT_LEFT_MAX: Final = 95
"""What saves less than 5 % stays as it was."""
ZSTD_LEVEL: Final = 3
PIECE_BYTES: Final = 256
"""A block of four bytes may stand for 128 KiB, so of zstd so much is read at once: at most 11 MiB beyond the limit."""
WINDOW_BYTES_MIN: Final = 2**23
"""Every reader of zstd has room for such a window (RFC 8878, 3.1.1.1.2); none need be larger than what may come out."""
_GZIP_BITS: Final = 16 + zlib.MAX_WBITS


class Codec(Enum):
    """What a payload may be compressed with."""

    GZIP = Format.GZIP
    ZSTD = Format.ZSTD


def compressed(payload: bytes, codec: Codec) -> bytes:
    """``payload`` compressed, or as it was where it is small or would hardly shrink. Raises ``LimitExceeded``."""
    check_size(len(payload))
    if len(payload) < COMPRESSED_BYTES_MIN:
        return payload
    body = _gzipped(payload) if codec is Codec.GZIP else ZstdCompressor(level=ZSTD_LEVEL).compress(payload)
    packed = codec.value.prefix + body
    return packed if len(packed) * 100 <= len(payload) * PERCENT_LEFT_MAX else payload


def decompressed(payload: bytes, *, bytes_max: int = PAYLOAD_BYTES_MAX) -> bytes:
    """What a compressed payload holds; any other payload as it is.

    Raises ``LimitExceeded`` for more than ``bytes_max``, and ``InvalidInput`` for what is damaged, cut off, or followed
    by something else.
    """
    known = format_of(payload)
    if known is Format.GZIP:
        pieces = _unzipped(payload[PREFIX_BYTES:])
    elif known is Format.ZSTD:
        pieces = _unpacked(payload[PREFIX_BYTES:], bytes_max)
    else:
        return payload
    grown = bytearray()
    for piece in pieces:
        grown += piece
        if len(grown) > bytes_max:
            raise _too_large(bytes_max)
    return bytes(grown)


def _gzipped(payload: bytes) -> bytes:
    packer = zlib.compressobj(wbits=_GZIP_BITS)
    return packer.compress(payload) + packer.flush()


def _unzipped(body: bytes) -> Iterator[bytes]:
    reader = zlib.decompressobj(wbits=_GZIP_BITS)
    rest = body
    try:
        while not reader.eof:
            piece = reader.decompress(rest, 2**20)
            rest = reader.unconsumed_tail
            if not piece and not rest and not reader.eof:
                raise _damaged("it is cut off")
            yield piece
    except zlib.error:
        raise _damaged("it is no gzip") from None
    if reader.unused_data:
        raise _damaged("something follows it")


def _unpacked(body: bytes, bytes_max: int) -> Iterator[bytes]:
    try:
        # A frame that says its size is refused before it is read; many do not say it (-1).
        if frame_content_size(body) > bytes_max:
            raise _too_large(bytes_max)
        reader = ZstdDecompressor(max_window_size=max(bytes_max, WINDOW_BYTES_MIN)).decompressobj()
        for start in range(0, len(body), PIECE_BYTES):
            if reader.eof:
                raise _damaged("something follows it")
            yield reader.decompress(body[start : start + PIECE_BYTES])
    except ZstdError:
        raise _damaged("it is no zstd, or one that asks for too much memory") from None
    if not reader.eof:
        raise _damaged("it is cut off")
    if reader.unused_data:
        raise _damaged("something follows it")


def _damaged(why: str) -> InvalidInput:
    return InvalidInput(
        "SR-INTEROP-013", "a compressed payload is damaged", why=why, fix="fetch it again, whole", field="payload"
    )


def _too_large(limit: int) -> LimitExceeded:
    return LimitExceeded(
        "SR-INTEROP-014",
        f"a compressed payload holds more than {limit} bytes",
        fix="have it written in smaller ones",
        limit=limit,
    )
