"""The key of a cache that outlives a promotion: made under the version that writes, believed under every one held."""

from strongroom.errors import Tampered
from strongroom.keyring.root import CACHE_MAC, RootKeyring

__all__ = ["CacheKey"]


class CacheKey:
    """Authenticates files that can be made again. What a retired version authenticated is a miss."""

    def __init__(self, root: RootKeyring) -> None:
        self._root = root

    def mac(self, data: bytes) -> bytes:
        """32 bytes over ``data``."""
        return self._root.subroot(CACHE_MAC, self._root.writing_version).mac(data)

    def check_mac(self, data: bytes, mac: bytes) -> None:
        """Raises ``Tampered`` unless a version that is held made ``mac`` of ``data``."""
        held = self._root.changed()
        for version in held.versions:
            try:
                held.subroot(CACHE_MAC, version).check_mac(data, mac)
            except Tampered:
                continue
            return
        raise Tampered("a cached file")
