"""Compressed payloads: when one is worth it, and what is refused of those that others wrote."""

import gzip
import os
import tracemalloc
import zlib
from contextlib import suppress

import pytest
import zstandard

from strongroom.crypto import payload_format
from strongroom.crypto.compression import Codec, compressed, decompressed
from strongroom.errors import InvalidInput, LimitExceeded

TEXT = b'devl["' + b"workflow " * 500 + b'"]'
EVERY_CODEC = pytest.mark.parametrize("codec", list(Codec), ids=lambda codec: codec.name.lower())


def packed(codec, payload):
    """Compressed, however small it is."""
    body = gzip.compress(payload) if codec is Codec.GZIP else zstandard.ZstdCompressor().compress(payload)
    return codec.value.prefix + body


@EVERY_CODEC
def test_what_was_compressed_comes_back(codec):
    small = compressed(TEXT, codec)
    assert small[:4] == codec.value.prefix
    assert len(small) < len(TEXT) // 10
    assert decompressed(small) == TEXT


def test_zstd_is_written_at_level_3_and_gzip_names_no_time_and_no_file():
    assert compressed(TEXT, Codec.ZSTD)[4:] == zstandard.ZstdCompressor(level=3).compress(TEXT)
    assert compressed(TEXT, Codec.GZIP)[4:14] == bytes.fromhex("1f8b0800000000000003")


@EVERY_CODEC
def test_small_payloads_and_such_as_would_not_shrink_stay_as_they_are(codec):
    assert compressed(b"a" * 1023, codec) == b"a" * 1023
    assert compressed(b"a" * 1024, codec) != b"a" * 1024
    noise = os.urandom(4096)
    assert compressed(noise, codec) == noise


def test_at_least_5_percent_are_saved_with_the_prefix_counted(monkeypatch):
    for size, kept in ((950 - 4, True), (951 - 4, False)):
        monkeypatch.setattr("strongroom.crypto.compression._gzipped", lambda _payload, size=size: bytes(size))
        monkeypatch.setattr("strongroom.crypto.compression.COMPRESSED_BYTES_MIN", 1000)
        assert (compressed(b"a" * 1000, Codec.GZIP) != b"a" * 1000) is kept


@pytest.mark.parametrize("payload", [b"", b"abc", b"devl[42]", b"encr" + bytes(40), b"zip!", b"ZSTDx"])
def test_what_is_not_compressed_is_given_back(payload):
    assert decompressed(payload) == payload


@EVERY_CODEC
def test_every_cut_is_damaged(codec):
    whole = compressed(TEXT, codec)
    for length in range(4, len(whole)):
        with pytest.raises(InvalidInput, match="a compressed payload is damaged"):
            decompressed(whole[:length])


@EVERY_CODEC
def test_what_is_no_such_format_or_is_followed_by_something_is_damaged(codec):
    for body in (b"", b"\0" * 40, b"not compressed at all", os.urandom(64), compressed(TEXT, codec)[4:] + b"\0"):
        with pytest.raises(InvalidInput, match="a compressed payload is damaged"):
            decompressed(codec.value.prefix + body)
    twice = compressed(TEXT, codec)
    with pytest.raises(InvalidInput, match="something follows it"):
        decompressed(twice + twice[4:])


@EVERY_CODEC
def test_flipped_bits_are_damaged_or_give_bytes_within_the_limit(codec):
    whole = compressed(TEXT, codec)
    for bit in range(32, len(whole) * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        with suppress(InvalidInput, LimitExceeded):
            assert len(decompressed(bytes(flipped), bytes_max=10_000)) <= 10_000


@EVERY_CODEC
def test_a_limit_is_a_limit(codec):
    assert decompressed(packed(codec, b"a" * 5000), bytes_max=5000) == b"a" * 5000
    with pytest.raises(LimitExceeded, match="holds more than 4999 bytes") as caught:
        decompressed(packed(codec, b"a" * 5000), bytes_max=4999)
    assert caught.value.details["limit"] == 4999


def zstd_bomb(size):
    """A frame that does not say its size, so that it must be read to know it."""
    packer = zstandard.ZstdCompressor(level=1, write_content_size=False).compressobj()
    return b"zstd" + b"".join(packer.compress(bytes(2**20)) for _ in range(size // 2**20)) + packer.flush()


def gzip_bomb(size):
    packer = zlib.compressobj(1, wbits=31)
    return b"gzip" + b"".join(packer.compress(bytes(2**20)) for _ in range(size // 2**20)) + packer.flush()


@pytest.mark.parametrize("bomb", [zstd_bomb, gzip_bomb])
def test_a_bomb_takes_little_memory(bomb):
    payload = bomb(64 * 2**20)
    assert len(payload) < 2**19
    tracemalloc.start()
    try:
        with pytest.raises(LimitExceeded, match="holds more than 1000000 bytes"):
            decompressed(payload, bytes_max=1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 40 * 2**20
    finally:
        tracemalloc.stop()


def test_frames_that_say_their_size_and_such_that_do_not_are_read():
    for says in (True, False):
        packer = zstandard.ZstdCompressor(write_content_size=says).compressobj()
        assert decompressed(b"zstd" + packer.compress(TEXT) + packer.flush()) == TEXT
    lies = zstandard.ZstdCompressor(write_content_size=True).compress(bytes(2000))
    with pytest.raises(LimitExceeded):
        decompressed(b"zstd" + lies, bytes_max=1999)


def test_a_frame_that_says_that_it_is_too_large_is_refused_before_it_is_read():
    packed = b"zstd" + zstandard.ZstdCompressor().compress(b"devl" + bytes(10_000))
    with pytest.raises(LimitExceeded):
        decompressed(packed[:16], bytes_max=10_003)
    with pytest.raises(InvalidInput):
        decompressed(packed[:16], bytes_max=10_004)


def test_a_frame_that_asks_for_a_large_window_gets_none():
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    payload = b"zstd" + packer.compress(TEXT) + packer.flush()
    with pytest.raises(InvalidInput, match="asks for too much memory"):
        decompressed(payload, bytes_max=2**20)
    assert decompressed(payload, bytes_max=2**27) == TEXT


def test_what_is_too_large_is_not_compressed(monkeypatch):
    monkeypatch.setattr(payload_format, "PAYLOAD_BYTES_MAX", 2000)
    with pytest.raises(LimitExceeded, match="larger than 2000"):
        compressed(b"a" * 2001, Codec.ZSTD)
