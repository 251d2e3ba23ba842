"""``KeyMaterial``: the key of one run, given out to whoever may open that run elsewhere.

It is the one thing that shows the bytes of a key, so it is made by name (``key_material``), for one run at a time, and
only by the two packages whose ``get_key_material`` promises it (a test reads the others for it). The keys that runs are
derived from are never given out.
Source: contracts/run-encryption.md 6 and 14 row 9.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NoReturn

from strongroom.crypto.keys import Key

__all__ = ["ALGORITHM", "KDF", "KeyMaterial", "key_material"]

ALGORITHM: Final = "AES-256-GCM"
KDF: Final = "HKDF-SHA256"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class KeyMaterial:
    """The 32 bytes of a run's key, and from what they were derived. ``repr`` shows nothing of it.

    Python cannot erase ``bytes``: drop it as soon as it was handed over.
    """

    key: bytes
    derivation_context: Mapping[str, str]
    algorithm: str = ALGORITHM
    kdf: str = KDF

    def __repr__(self) -> str:
        """Nothing."""
        return "<KeyMaterial>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to pickle or copy: either would spread the bytes."""
        raise TypeError("a KeyMaterial cannot be pickled or copied")


def key_material(run_key: Key, derivation_context: Mapping[str, str]) -> KeyMaterial:
    """The bytes of ``run_key``, which must be the key of one run, with what it was derived from."""
    return KeyMaterial(run_key._raw, MappingProxyType(dict(derivation_context)))  # noqa: SLF001 - keys are looked at inside this package
