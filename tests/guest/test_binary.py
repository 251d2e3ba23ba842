"""Binaries in their three spellings, and everything that is none of them."""

import base64
import hashlib

import brotli
import pytest

from strongroom.errors import InvalidInput, LimitExceeded, StrongroomError
from strongroom.guest.binary import decode_upload
from strongroom.guest.limits import GuestLimits

LIMITS = GuestLimits()
WASM = b"\0asm\1\0\0\0" + bytes(range(256)) * 50
PACKED = brotli.compress(WASM)


@pytest.mark.parametrize(
    ("upload", "stored", "encoding"),
    [
        (WASM, WASM, "raw"),
        (PACKED, PACKED, "brotli"),
        (base64.b64encode(PACKED), PACKED, "brotli"),
        (base64.encodebytes(PACKED), PACKED, "brotli"),
    ],
    ids=["raw", "brotli", "base64", "base64 in lines"],
)
def test_the_bytes_as_uploaded_are_stored_and_hashed(upload, stored, encoding):
    binary = decode_upload(upload, LIMITS)
    assert (binary.data, binary.encoding) == (stored, encoding)
    assert binary.sha256 == hashlib.sha256(stored).hexdigest()
    assert binary.wasm() == WASM


@pytest.mark.parametrize(
    ("upload", "reason"),
    [
        (b"", "failed to decompress binary"),
        (b"hello", "failed to decompress binary"),
        (PACKED + b"x", "failed to decompress binary"),
        (base64.b64encode(PACKED)[:-5], "failed to decompress binary"),
        (base64.b64encode(base64.b64encode(PACKED)), "failed to decompress binary"),
        (brotli.compress(b"text"), "not a WebAssembly module"),
        (brotli.compress(b""), "not a WebAssembly module"),
        (base64.b64encode(WASM), "failed to decompress binary"),
    ],
    ids=["empty", "text", "appended", "cut base64", "base64 twice", "packed text", "packed nothing", "base64 of raw"],
)
def test_a_broken_binary_says_what_is_wrong(upload, reason):
    with pytest.raises(InvalidInput, match=reason) as caught:
        decode_upload(upload, LIMITS)
    assert caught.value.details["field"] == "binary"


def test_every_cut_of_a_compressed_binary_is_refused():
    for size in range(len(PACKED)):
        with pytest.raises(InvalidInput):
            decode_upload(PACKED[:size], LIMITS)


def test_no_flipped_bit_does_more_than_be_refused_or_change_the_content():
    for at in range(0, len(PACKED) * 8, 3):
        damaged = bytearray(PACKED)
        damaged[at // 8] ^= 1 << at % 8
        try:
            assert decode_upload(bytes(damaged), LIMITS).data == bytes(damaged)
        except StrongroomError:
            continue


@pytest.mark.parametrize(
    ("upload", "limits", "reason", "setting"),
    [
        (WASM, {"binary_bytes_max": 100}, "binary size exceeds", "limits.binary_bytes_max"),
        (
            PACKED,
            {"binary_compressed_bytes_max": 100},
            "compressed binary size exceeds the maximum allowed size",
            "limits.binary_compressed_bytes_max",
        ),
        (
            PACKED,
            {"binary_bytes_max": len(WASM) - 1},
            "decompressed binary size reached the maximum allowed size",
            "limits.binary_bytes_max",
        ),
    ],
    ids=["raw", "compressed", "decompressed"],
)
def test_a_binary_that_is_too_large_names_the_limit(upload, limits, reason, setting):
    with pytest.raises(LimitExceeded, match=reason) as caught:
        decode_upload(upload, GuestLimits(**limits))
    assert caught.value.details["setting"] == setting
    assert caught.value.details["size"] > caught.value.details["limit"]


def test_a_binary_of_exactly_the_limit_is_accepted():
    assert decode_upload(PACKED, GuestLimits(binary_bytes_max=len(WASM))).wasm() == WASM


def test_a_bomb_is_stopped_at_its_limit():
    bomb = brotli.compress(bytes(200_000_000), quality=1)
    with pytest.raises(LimitExceeded, match="decompressed binary size") as caught:
        decode_upload(bomb, LIMITS)
    # It stops within one step of the limit instead of unpacking the rest.
    assert caught.value.details["size"] < LIMITS.binary_bytes_max + 20_000_000
