"""Keccak-256 as Ethereum uses it, which is not SHA3-256: the padding byte is 0x01 instead of 0x06.

Owners are shown with an EIP-55 checksum, whose case comes from this hash. The standard library has only the SHA-3
padding, so the permutation stands here. It hashes addresses, a few dozen bytes at a time; nothing secret.
Source: FIPS 202 for the permutation, EIP-55 for its use.
"""

from typing import Final

__all__ = ["keccak256"]

RATE_BYTES: Final = 136
_MASK: Final = (1 << 64) - 1


def keccak256(data: bytes) -> bytes:
    """The 32-byte Keccak-256 digest of ``data``."""
    padding = RATE_BYTES - len(data) % RATE_BYTES
    tail = b"\x81" if padding == 1 else b"\x01" + bytes(padding - 2) + b"\x80"
    padded = data + tail
    state = [0] * 25
    for start in range(0, len(padded), RATE_BYTES):
        for lane in range(RATE_BYTES // 8):
            at = start + lane * 8
            state[lane] ^= int.from_bytes(padded[at : at + 8], "little")
        state = _permute(state)
    return b"".join(lane.to_bytes(8, "little") for lane in state[:4])


def _permute(state: list[int]) -> list[int]:
    """Keccak-f[1600]: 24 rounds over 25 lanes, lane (x, y) at index x + 5 * y."""
    register = 1
    for _ in range(24):
        columns = [state[x] ^ state[x + 5] ^ state[x + 10] ^ state[x + 15] ^ state[x + 20] for x in range(5)]
        for index in range(25):
            state[index] ^= columns[(index + 4) % 5] ^ _rotate(columns[(index + 1) % 5], 1)
        x, y, current = 1, 0, state[1]
        for step in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            current, state[x + 5 * y] = state[x + 5 * y], _rotate(current, (step + 1) * (step + 2) // 2)
        for row in range(0, 25, 5):
            lanes = state[row : row + 5]
            for x in range(5):
                state[row + x] = lanes[x] ^ (~lanes[(x + 1) % 5] & lanes[(x + 2) % 5] & _MASK)
        for bit in range(7):
            register = ((register << 1) ^ ((register >> 7) * 0x71)) % 256
            if register & 2:
                state[0] ^= 1 << ((1 << bit) - 1)
    return state


def _rotate(lane: int, count: int) -> int:
    count %= 64
    return ((lane << count) | (lane >> (64 - count))) & _MASK
