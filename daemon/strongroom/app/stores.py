"""The store that plugins get: sealed by the host, one name space for each plugin and owner."""

from strongroom.engine.journal import now_ms
from strongroom.errors import InvalidInput, LimitExceeded
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import PLUGIN_STORES
from strongroom.storage import plugin_store
from strongroom.storage.database import Database

__all__ = ["SealedStore"]

KEY_BYTES_MAX = 512
"""A key is a name; it stands in the clear and is indexed."""
VALUE_BYTES_MAX = 1 << 20
"""A store holds records, not files."""
HALVES = ("\ud800", "\udfff")
"""The first and the last half of a surrogate pair, which no text on a wire or a disk holds."""


class SealedStore:
    """The values of one plugin."""

    def __init__(self, plugin: str, database: Database, keys: RecordKeys) -> None:
        self._plugin = plugin
        self._database = database
        self._keys = keys

    def get(self, key: str, *, owner: str = "") -> bytes | None:
        """The value, or nothing. Raises ``Tampered``, ``InvalidInput``."""
        _check_texts(key, owner)
        sealed = self._database.read(lambda connection: plugin_store.get(connection, self._plugin, owner, key))
        return None if sealed is None else self._keys.open(PLUGIN_STORES, (self._plugin, owner, key), sealed)

    def put(self, key: str, value: bytes, *, owner: str = "") -> None:
        """Replace the value; returns after the disk has it."""
        _check_texts(key, owner)
        _bounded("key", len(key.encode()), KEY_BYTES_MAX)
        _bounded("value", len(value), VALUE_BYTES_MAX)
        sealed = self._keys.seal(PLUGIN_STORES, (self._plugin, owner, key), value)
        self._database.write(
            lambda connection: plugin_store.put(connection, self._plugin, owner, key, sealed, updated_at=now_ms())
        ).result()

    def delete(self, key: str, *, owner: str = "") -> None:
        """Remove the value; returns after the disk has it."""
        _check_texts(key, owner)
        self._database.write(lambda connection: plugin_store.delete(connection, self._plugin, owner, key)).result()

    def list(self, prefix: str = "", *, owner: str = "") -> list[str]:
        """The keys that start with ``prefix``, in ascending order."""
        _check_texts(prefix, owner)
        return list(self._database.read(lambda c: plugin_store.list(c, self._plugin, owner, prefix)))


def _check_texts(key: str, owner: str) -> None:
    """Raises ``InvalidInput`` for what one database refuses and another one keeps."""
    first, last = HALVES
    for what, text in (("key", key), ("owner", owner)):
        if "\0" in text or any(first <= character <= last for character in text):
            raise InvalidInput(
                "SR-STORE-032",
                f"the {what} holds a NUL character or half of a surrogate pair",
                fix="name values by printable text, or by a hash in hex",
                field=what,
            )


def _bounded(what: str, size: int, limit: int) -> None:
    if size > limit:
        raise LimitExceeded(
            "SR-STORE-031",
            f"the {what} is {size} bytes, more than {limit}",
            fix="store less under more keys",
            size=size,
            limit=limit,
            setting=f"store_{what}_bytes_max",
        )
