"""The keys that sign reports: one secret of 32 bytes, and a key for each algorithm derived from it.

The secret is made at the first start and kept in the sealed store of the host, or comes from a file of the operator.
"""

import hashlib
import os
import re
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import coincurve
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strongroom.plugin import Misconfigured, Store, keccak256

__all__ = ["SigningKeys", "key_from_file", "key_from_store"]

STORE_KEY: Final = "signing-secret"
SECRET_BYTES: Final = 32
KEY_FILE_BYTES_MAX: Final = 1_024  # a comment and 64 hex digits
_LINE: Final = re.compile(r"strongroom-consensus-1:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SigningKeys:
    """Signs 32-byte digests. Both algorithms are deterministic: the same digest has the same signature."""

    ecdsa: coincurve.PrivateKey = field(repr=False)
    ed25519: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def from_secret(cls, secret: bytes) -> "SigningKeys":
        """The keys that belong to 32 secret bytes."""
        return cls(_secp256k1(secret), Ed25519PrivateKey.from_private_bytes(_derived(secret, b"ed25519", 0)))

    @property
    def ecdsa_public(self) -> bytes:
        """The 65 bytes of the uncompressed point: 0x04, x, y."""
        return self.ecdsa.public_key.format(compressed=False)

    @property
    def ed25519_public(self) -> bytes:
        """32 bytes."""
        return self.ed25519.public_key().public_bytes_raw()

    @property
    def address(self) -> bytes:
        """The 20 bytes that contracts know the ECDSA key by: the end of Keccak-256 over x and y."""
        return keccak256(self.ecdsa_public[1:])[-20:]

    @property
    def config_digest(self) -> bytes:
        """32 bytes that name who signs: BLAKE2b-256 over both public keys, n = 1 and f = 0."""
        named = self.ecdsa_public + self.ed25519_public + bytes((1, 0))
        return hashlib.blake2b(named, digest_size=32, person=b"consensus conf 1").digest()

    def sign_ecdsa(self, digest: bytes) -> bytes:
        """65 bytes: r, s, v, with v 0 or 1 and the lower s (RFC 6979 for the nonce)."""
        return self.ecdsa.sign_recoverable(digest, hasher=None)

    def sign_ed25519(self, digest: bytes) -> bytes:
        """64 bytes (RFC 8032)."""
        return self.ed25519.sign(digest)

    def __repr__(self) -> str:
        """Shows the address only."""
        return f"<SigningKeys 0x{self.address.hex()}>"


def key_from_store(store: Store) -> tuple[SigningKeys, bool]:
    """The keys of this host, and whether they were made just now."""
    secret = store.get(STORE_KEY)
    if secret is not None:
        return SigningKeys.from_secret(secret), False
    secret = secrets.token_bytes(SECRET_BYTES)
    store.put(STORE_KEY, secret)
    return SigningKeys.from_secret(secret), True


def key_from_file(path: Path) -> SigningKeys:
    """The keys in ``path``. Raises ``Misconfigured`` for a file that must not be used."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _refused(path, error.strerror or "it cannot be read", "give a regular file, not a link") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _refused(path, "it is not a regular file", "give a file that holds a key")
        if status.st_uid not in {os.geteuid(), 0}:
            raise _refused(path, f"it belongs to user {status.st_uid}", "give it to the user of this host, or to root")
        if status.st_mode & 0o077:
            mode = f"{stat.S_IMODE(status.st_mode):04o}"
            raise _refused(path, f"others can read it (mode {mode})", f"chmod 600 {path}")
        text = os.read(descriptor, KEY_FILE_BYTES_MAX + 1)
    finally:
        os.close(descriptor)
    lines = [line.strip() for line in text.decode("ascii", "replace").splitlines()]
    keys = [line for line in lines if line and not line.startswith("#")]
    match = _LINE.fullmatch(keys[0]) if len(keys) == 1 and len(text) <= KEY_FILE_BYTES_MAX else None
    if match is None:
        raise _refused(
            path,
            "it does not hold one line strongroom-consensus-1:<64 hex digits>",
            f"umask 077; echo strongroom-consensus-1:$(openssl rand -hex 32) > {path}",
        )
    return SigningKeys.from_secret(bytes.fromhex(match[1]))


def _derived(secret: bytes, purpose: bytes, attempt: int) -> bytes:
    """32 bytes for one purpose. BLAKE2b with a key is a MAC, so one of them says nothing of another."""
    return hashlib.blake2b(bytes((attempt,)), digest_size=32, key=secret, person=purpose).digest()


def _secp256k1(secret: bytes) -> coincurve.PrivateKey:
    """The first candidate below the order of the curve; the second is needed once in 2^128."""
    attempt = 0
    while True:
        try:
            return coincurve.PrivateKey(_derived(secret, b"secp256k1", attempt))
        except ValueError:
            attempt += 1


def _refused(path: Path, why: str, fix: str) -> Misconfigured:
    return Misconfigured("SR-CONSENSUS-001", f"consensus key file {path} cannot be used", why=why, fix=fix)
