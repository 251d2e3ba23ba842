"""RSA keys from seeds: the library makes random ones only, and 4096 bits take it seconds.

A prime begins at a number spelled by SHA-256 of its seed; how far the next prime is from there was searched once. These
keys are in the open: they protect nothing.
"""

from functools import cache
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import rsa

EXPONENT = 65537

# Seed -> bits of each prime, and the distance of p and q from where their seeds begin.
PRIMES = {
    "snp ark": (2048, 1172, 66),
    "snp issuer": (2048, 182, 2192),
    "tpm ak": (1024, 348, 272),
    "tpm other ak": (1024, 2480, 938),
}


def _start(seed, bits):
    stream = b"".join(sha256(f"{seed} {block}".encode()).digest() for block in range(bits // 256))
    return int.from_bytes(stream, "big") | 3 << (bits - 2) | 1


@cache
def rsa_key(seed):
    """The private key of this seed, twice as long as its primes."""
    bits, *distances = PRIMES[seed]
    p, q = (_start(f"{seed} {name}", bits) + distance for name, distance in zip("pq", distances, strict=True))
    d = pow(EXPONENT, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(EXPONENT, p * q)
    )
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)
