"""Keccak-256 against digests that other implementations print."""

import pytest

from strongroom.crypto.keccak import keccak256

VECTORS = {
    b"": "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",
    b"abc": "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45",
    b"The quick brown fox jumps over the lazy dog": "4d741b6f1eb29cb2a9b9911c82f56fa8d73b04959d3d9d222895df6c0b28aa15",
}


@pytest.mark.parametrize("data", list(VECTORS), ids=lambda data: f"{len(data)} bytes")
def test_a_digest_equals_the_published_one(data):
    assert keccak256(data).hex() == VECTORS[data]


def test_every_length_around_a_block_border_pads_to_another_digest():
    digests = {keccak256(bytes(size)) for size in range(130, 280)}
    assert len(digests) == 150
