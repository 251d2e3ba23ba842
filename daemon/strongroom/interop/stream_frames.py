"""Streams as others write them: frames of ``length u32 big-endian ‖ payload``, joined and split as the transport likes.

A frame binds neither its stream nor its number, so frames can be left out or moved unnoticed: streams of our own are
chunks of ``srn1``. Source: contracts/run-encryption.md 9.
"""

from typing import Final

from strongroom.crypto.encp import BoxWriter, SealTarget
from strongroom.crypto.payload_format import PAYLOAD_BYTES_MAX
from strongroom.errors import LimitExceeded, Truncated
from strongroom.interop.payloads import OpeningKeys, WritingKeys, open_payload, write_payload

__all__ = ["FRAME_BYTES_MAX", "FrameReader", "FrameWriter", "frame_of", "open_frame"]

FRAME_BYTES_MAX: Final = PAYLOAD_BYTES_MAX
"""What stands behind the length, at most."""
LENGTH_BYTES: Final = 4


def frame_of(payload: bytes) -> bytes:
    """``payload`` behind its length. Raises ``LimitExceeded``."""
    _check_length(len(payload))
    return len(payload).to_bytes(LENGTH_BYTES, "big") + payload


def open_frame(payload: bytes, keys: OpeningKeys, *, strict: bool = True) -> bytes:
    """What the payload of one frame holds, as ``open_payload``. One that does not open says nothing of the others."""
    return open_payload(payload, keys, strict=strict)


class FrameWriter:
    """Writes the frames of one stream; to a run that it cannot read, all of them under one key agreement."""

    __slots__ = ("_keys", "_strict")

    def __init__(self, keys: OpeningKeys, *, strict: bool = True) -> None:
        """``keys`` as for ``write_payload``. Raises ``InvalidInput`` for a public key of low order."""
        self._keys: WritingKeys = BoxWriter(keys) if isinstance(keys, SealTarget) else keys
        self._strict = strict

    def frame(self, payload: bytes) -> bytes:
        """The frame of ``payload``, encrypted; in the clear only without a key, and only where it is not strict."""
        return frame_of(write_payload(payload, self._keys, strict=self._strict))


class FrameReader:
    """Puts frames together again from pieces of any size, and keeps no more than one frame and one piece."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, piece: bytes) -> list[bytes]:
        """The payloads of the frames that ``piece`` completes, in order.

        Raises ``LimitExceeded`` for a frame that says it is larger than one may be; the stream cannot go on then. Those
        before it come out first: it is said at the next call.
        """
        self._check_first()
        self._pending += piece
        payloads: list[bytes] = []
        start = 0
        while (length := self._length_at(start)) is not None:
            end = start + LENGTH_BYTES + length
            if length > FRAME_BYTES_MAX or len(self._pending) < end:
                break
            payloads.append(bytes(self._pending[start + LENGTH_BYTES : end]))
            start = end
        del self._pending[:start]
        if not payloads:
            self._check_first()
        return payloads

    def close(self) -> None:
        """Say that nothing follows. Raises ``Truncated`` in the middle of a frame, ``LimitExceeded`` like ``feed``."""
        self._check_first()
        if self._pending:
            raise Truncated(
                "SR-INTEROP-016",
                "a stream ends in the middle of a frame",
                why=f"{len(self._pending)} bytes of it are there",
                fix="read it again from the start of that frame",
                size=len(self._pending),
            )

    def _length_at(self, start: int) -> int | None:
        if len(self._pending) - start < LENGTH_BYTES:
            return None
        return int.from_bytes(self._pending[start : start + LENGTH_BYTES], "big")

    def _check_first(self) -> None:
        _check_length(self._length_at(0) or 0)


def _check_length(length: int) -> None:
    if length > FRAME_BYTES_MAX:
        raise LimitExceeded(
            "SR-INTEROP-015",
            f"a frame of {length} bytes is larger than {FRAME_BYTES_MAX}",
            fix="write smaller chunks; when reading, check that this is a stream of frames",
            size=length,
            limit=FRAME_BYTES_MAX,
        )
