"""The identity of runners whose evidence is simulated: a key that a development CA certifies for a day.

The plugin issues it, because the CA's key is a file and a sealed runner can read none. It proves nothing, and its
certificate says so.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from strongroom.crypto.dev_authority import LEAF_LIVES, DevelopmentAuthority
from strongroom.crypto.public_keys import PublicKey
from strongroom.crypto.signing import SigningKey

__all__ = ["NO_IDENTITY", "IdentityIssuer", "IssuedIdentity"]

RENEWED_AFTER: Final = LEAF_LIVES / 2
"""A runner that waits for half a day more still has a valid certificate at the end of its execution."""
SEED_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedIdentity:
    """Seed of a signing key, its certificate, and the CA's, both in DER."""

    seed: bytes = field(repr=False)
    certificate: bytes
    authority: bytes


NO_IDENTITY: Final = IssuedIdentity(seed=b"", certificate=b"", authority=b"")
"""For kinds whose evidence a device makes."""


class IdentityIssuer:
    """Issues identities, and a fresh one before the last becomes old. For one thread."""

    def __init__(self, authority: DevelopmentAuthority) -> None:
        """``load`` reads the authority from its file."""
        self._authority = authority
        self._identity = NO_IDENTITY
        self._renew_at: datetime | None = None

    @classmethod
    def load(cls, path: Path) -> "IdentityIssuer":
        """From the file of a development CA. Raises ``Misconfigured``."""
        return cls(DevelopmentAuthority.load(path))

    @property
    def certificate(self) -> bytes:
        """That of the CA."""
        return self._authority.certificate

    def identity(self, *, now: datetime) -> IssuedIdentity:
        """The one in use; a fresh one when there is none, when it is old, and when the clock went back."""
        renew_at = self._renew_at
        if renew_at is None or not renew_at - RENEWED_AFTER - timedelta(minutes=1) <= now < renew_at:
            seed = secrets.token_bytes(SEED_BYTES)
            public = PublicKey.of_ed25519(SigningKey.from_raw(seed).public)
            certificate = self._authority.certify(public, now=now)
            self._identity = IssuedIdentity(seed=seed, certificate=certificate, authority=self._authority.certificate)
            self._renew_at = now + RENEWED_AFTER
        return self._identity
