"""``RecordKeys``: MACs of rows, sealed records and keyed digests, each under the subroot of its purpose.

The MAC of a row covers its table's name and every column that is not empty, sorted by name, each with its name, type
and value length-prefixed. Empty columns are left out, so a column that is added later with an empty default leaves the
MACs of old rows valid.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from strongroom.crypto.framing import LENGTHS, encoded, length_prefixed
from strongroom.crypto.record import PREFIX, open_record, seal_record
from strongroom.errors import InvalidInput, KeyMissing, Tampered
from strongroom.keyring.root import RECORD_MAC, RootKeyring
from strongroom.keyring.unopened import KEY_MISSING, TAMPERED, Unopened, reason_of, unheard

__all__ = ["RecordKeys"]

PLANS_KEPT_MAX: Final = 64  # one for each table whose rows have a MAC, a few times over

_FINGERPRINT_SUFFIX: Final = " fingerprint"  # a key that seals is not used for digests as well


class RecordKeys:
    """Authenticates and seals everything that is not a run's journal. Safe to call from several threads."""

    def __init__(self, root: RootKeyring) -> None:
        """Use the subroots of ``root``."""
        self._root = root
        self.on_unopened: Unopened = unheard
        """Told why, of each thing that did not open or is not authentic."""

    @property
    def writing_version(self) -> int:
        """The version that seals now. It may be another one at the next question."""
        return self._root.writing_version

    @property
    def versions(self) -> tuple[int, ...]:
        """Every version that this host holds."""
        return self._root.versions

    def mac(self, table: str, columns: Mapping[str, str | bytes | int | None], *, key_version: int) -> bytes:
        """HMAC-SHA256 over the row, 32 bytes. Zero is a value; ``None``, ``""`` and ``b""`` are not."""
        return self._root.subroot(RECORD_MAC, key_version).mac(_row_bytes(table, columns))

    def check(
        self, table: str, columns: Mapping[str, str | bytes | int | None], *, key_version: int, mac: bytes
    ) -> None:
        """Raise ``Tampered`` unless ``mac`` is the row's MAC under ``key_version``.

        A value of a type that is never written, which SQLite would keep all the same, is tampering as well.
        """
        try:
            self._root.subroot(RECORD_MAC, key_version).check_mac(_row_bytes(table, columns), mac)
        except (Tampered, TypeError, InvalidInput):
            self.on_unopened(TAMPERED)
            raise Tampered(table) from None
        except KeyMissing:
            self.on_unopened(KEY_MISSING)
            raise

    def seal(
        self, purpose: str, place: Sequence[str | bytes], plaintext: bytes, *, key_version: int | None = None
    ) -> bytes:
        """``plaintext`` sealed for ``purpose``, under the writing version or another; it opens at ``place`` only."""
        version = self.writing_version if key_version is None else key_version
        return seal_record(self._root.subroot(purpose, version), version, place, plaintext)

    def open(self, purpose: str, place: Sequence[str | bytes], blob: bytes) -> bytes:
        """What was sealed at ``place``. Raises ``Tampered``, or ``KeyMissing`` for an unknown version."""
        try:
            return open_record(lambda version: self._root.subroot(purpose, version), place, blob)
        except (Tampered, KeyMissing) as error:
            self.on_unopened(reason_of(error, blob, PREFIX))
            raise

    def fingerprint(self, purpose: str, data: bytes, *, key_version: int) -> bytes:
        """A keyed digest of ``data``, 32 bytes: equal data can be recognised, and nothing guessed without the key."""
        return self._root.subroot(purpose + _FINGERPRINT_SUFFIX, key_version).mac(data)


def _row_bytes(table: str, columns: Mapping[str, str | bytes | int | None]) -> bytes:
    """What the MAC of a row covers. Written flat: it is most of what authentication costs a run."""
    parts = [length_prefixed(table)]
    for name, text_label, bytes_label, int_label in _plan(tuple(columns)):
        value = columns[name]
        if isinstance(value, str):
            if not value:
                continue
            label, raw = text_label, encoded(value)
        elif isinstance(value, bytes):
            if not value:
                continue
            label, raw = bytes_label, value
        # bool is an int to Python but not to the database, so its MAC would depend on where the row came from.
        elif isinstance(value, int) and not isinstance(value, bool):
            label, raw = int_label, b"%d" % value
        elif value is None:
            continue
        else:
            raise TypeError(f"column {name} of {table} is of type {type(value).__name__}")
        size = len(raw)
        parts += (label, LENGTHS[size] if size < len(LENGTHS) else size.to_bytes(8, "big"), raw)
    return b"".join(parts)


@lru_cache(PLANS_KEPT_MAX)
def _plan(names: tuple[str, ...]) -> tuple[tuple[str, bytes, bytes, bytes], ...]:
    """The columns in their order, each with its label as text, as bytes and as a number."""
    return tuple((name, *(length_prefixed(name, kind) for kind in "sbi")) for name in sorted(names))  # type: ignore[misc]  # mypy cannot count a starred generator
