"""Reading our own structures strictly: a map has exactly the keys that it must have, and each value its type and size.

Refusals name the place and say what stood there by type and size, never by value: some of these maps hold secrets.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Final

from strongroom.attest.evidence import check_size, malformed

__all__ = ["DIGEST_BYTES", "SECRETS_MAX", "TEXT_BYTES_MAX", "Fields", "checked_text"]

DIGEST_BYTES: Final = 32
TEXT_BYTES_MAX: Final = 128
"""Of an id, a name or a build: as long as the protocol lets them be."""
SECRETS_MAX: Final = 256
"""Secrets of one release: what one execution can be expected to use."""
UINT_END: Final = 2**64


class Fields:
    """The values of one map. Every method raises ``EvidenceRejected`` for a value of another type or size."""

    __slots__ = ("_map", "_place")

    def __init__(self, place: str, untrusted: object, keys: Iterable[str]) -> None:
        """Take a map that has exactly ``keys``; ``place`` names it in refusals."""
        wanted = frozenset(keys)
        if not isinstance(untrusted, dict):
            raise malformed(place, got=_kind(untrusted), wanted="a map")
        missing, unknown = wanted - untrusted.keys(), len(untrusted.keys() - wanted)
        if missing or unknown:
            got = f"{', '.join(sorted(missing)) or 'no key'} missing, {unknown} unknown"
            raise malformed(f"{place} keys", got=got, wanted=", ".join(sorted(wanted)))
        self._place = place
        self._map: Mapping[str, Any] = untrusted  # Any: each value is looked at when it is asked for

    def of(self, key: str, keys: Iterable[str]) -> "Fields":
        """The map at ``key``, which has exactly ``keys``."""
        return Fields(f"{self._place} {key}", self._map[key], keys)

    def text(self, key: str, *, bytes_max: int = TEXT_BYTES_MAX) -> str:
        """A text of 1 to ``bytes_max`` bytes in UTF-8."""
        return checked_text(f"{self._place} {key}", self._map[key], bytes_max)

    def choice(self, key: str, wanted: Iterable[str]) -> str:
        """One of the texts ``wanted``."""
        found, allowed = self.text(key), sorted(wanted)
        if found not in allowed:
            raise malformed(f"{self._place} {key}", got="another text", wanted=" or ".join(allowed))
        return found

    def uint(self, key: str, *, minimum: int = 0) -> int:
        """A whole number of at least ``minimum`` that 64 bits hold."""
        return _uint(f"{self._place} {key}", self._map[key], minimum)

    def raw(self, key: str, size: int = DIGEST_BYTES) -> bytes:
        """Bytes, exactly ``size`` of them."""
        found = self._map[key]
        if not isinstance(found, bytes) or len(found) != size:
            raise malformed(f"{self._place} {key}", got=_kind(found), wanted=f"{size} bytes")
        return found

    def blob(self, key: str, *, bytes_max: int) -> bytes:
        """Bytes, at most ``bytes_max`` of them."""
        return _blob(f"{self._place} {key}", self._map[key], bytes_max)

    def blobs(self, key: str, *, bytes_max: int, count_max: int) -> tuple[bytes, ...]:
        """A list of at most ``count_max`` byte strings."""
        place = f"{self._place} {key}"
        return tuple(_blob(f"{place} {n}", each, bytes_max) for n, each in enumerate(self.items(key, count_max)))

    def items(self, key: str, count_max: int) -> list[Any]:
        """A list of at most ``count_max`` values, whatever they are. Any: the caller looks at each."""
        found = self._map[key]
        if not isinstance(found, list) or len(found) > count_max:
            raise malformed(f"{self._place} {key}", got=_kind(found), wanted=f"a list of at most {count_max}")
        return found

    def names(self, key: str) -> tuple[tuple[str, str], ...]:
        """Secrets, each [namespace, key], sorted by their bytes and unique."""
        found = tuple(
            (checked_text(f"{place} namespace", each[0]), checked_text(f"{place} key", each[1]))
            for place, each in self._rows(key, 2)
        )
        _check_sorted(f"{self._place} {key}", found)
        return found

    def versions(self, key: str) -> tuple[tuple[str, str, int], ...]:
        """Secrets, each [namespace, key, version], sorted by the bytes of namespace and key, and unique."""
        found = tuple(
            (
                checked_text(f"{place} namespace", each[0]),
                checked_text(f"{place} key", each[1]),
                _uint(f"{place} version", each[2]),
            )
            for place, each in self._rows(key, 3)
        )
        _check_sorted(f"{self._place} {key}", tuple(each[:2] for each in found))
        return found

    def values(self, key: str, *, bytes_max: int) -> tuple[tuple[str, str, int, bytes], ...]:
        """Secrets, each [namespace, key, version, value], sorted by the bytes of namespace and key, and unique."""
        found = tuple(
            (
                checked_text(f"{place} namespace", each[0]),
                checked_text(f"{place} key", each[1]),
                _uint(f"{place} version", each[2]),
                _blob(f"{place} value", each[3], bytes_max),
            )
            for place, each in self._rows(key, 4)
        )
        _check_sorted(f"{self._place} {key}", tuple(each[:2] for each in found))
        return found

    def _rows(self, key: str, width: int) -> Iterable[tuple[str, list[Any]]]:
        for number, each in enumerate(self.items(key, SECRETS_MAX)):
            place = f"{self._place} {key} {number}"
            if not isinstance(each, list) or len(each) != width:
                raise malformed(place, got=_kind(each), wanted=f"a list of {width}")
            yield place, each


def checked_text(place: str, found: object, bytes_max: int = TEXT_BYTES_MAX) -> str:
    """``found``, which is a text of 1 to ``bytes_max`` bytes in UTF-8. Raises ``EvidenceRejected``."""
    if not isinstance(found, str):
        raise malformed(place, got=_kind(found), wanted="a text")
    try:
        size = len(found.encode())
    except UnicodeEncodeError:
        raise malformed(place, got="a text that UTF-8 cannot carry", wanted="a text") from None
    if not 1 <= size <= bytes_max:
        raise malformed(place, got=f"{size} bytes", wanted=f"1 to {bytes_max} bytes")
    return found


def _uint(place: str, found: object, minimum: int = 0) -> int:
    # In Python a truth value is a number as well; here it is not.
    if type(found) is not int or not minimum <= found < UINT_END:
        raise malformed(place, got=_kind(found), wanted=f"a whole number from {minimum}")
    return found


def _blob(place: str, found: object, bytes_max: int) -> bytes:
    if not isinstance(found, bytes):
        raise malformed(place, got=_kind(found), wanted="bytes")
    check_size(place, found, bytes_max)
    return found


def _check_sorted(place: str, found: tuple[tuple[Any, ...], ...]) -> None:
    names = [(namespace.encode(), key.encode()) for namespace, key in found]
    if any(later <= earlier for earlier, later in pairwise(names)):
        raise malformed(place, got="another order, or one twice", wanted="sorted by namespace and key, each once")


def _kind(found: object) -> str:
    if isinstance(found, bytes | str | list | dict):
        return f"{type(found).__name__} of {len(found)}"
    return type(found).__name__
