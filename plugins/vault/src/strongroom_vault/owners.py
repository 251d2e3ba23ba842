"""The public keys of owners, from the configuration: whose signature of a manifest counts."""

from collections.abc import Mapping
from pathlib import Path

from strongroom.attest.vault_identity import TEST_STORE
from strongroom_vault.public_files import read_public_key

__all__ = ["DEVELOPMENT_OWNER_NAME", "OwnerKeys"]

DEVELOPMENT_OWNER_NAME = "development-owner.pub"


class OwnerKeys:
    """Ed25519 keys by owner. In a store for tests one development key stands for every owner that has none."""

    def __init__(self, keys: Mapping[str, bytes], development: bytes | None = None) -> None:
        self._keys = keys
        self._development = development

    @classmethod
    def load(cls, owners: Mapping[str, str], *, store: str, home: Path) -> "OwnerKeys":
        """Those of the configuration: hex, or files that hold it. Raises ``Misconfigured``."""
        keys = {owner: read_public_key(text, what=f"key of owner 0x{owner}") for owner, text in owners.items()}
        development = home / DEVELOPMENT_OWNER_NAME
        is_there = store == TEST_STORE and development.exists()
        return cls(keys, read_public_key(str(development), what="development owner key") if is_there else None)

    def key_of(self, owner: str) -> bytes | None:
        """The raw key of ``owner`` (40 lower-case hex digits), None where nobody can sign for it."""
        return self._keys.get(owner, self._development)
