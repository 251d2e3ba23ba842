"""Reading a policy strictly: a table has known keys only, and each value its type, its range and its size.

Rule 1: what is not understood is an error that names ``file:dotted.key``, never something to pass over.
Rule 2: no value is repeated in an error: a secret may have been pasted into the wrong file.
"""

import re
from collections.abc import Collection, Iterator
from typing import Any, Final

from strongroom.attest.codes import POLICY_INVALID
from strongroom.errors import Misconfigured
from strongroom.settings.refusals import nearest

__all__ = ["LIST_MAX", "Table", "invalid"]

LIST_MAX: Final = 256
"""Values of one list: chips, keys or releases of one vault, which a person reviews."""
TEXT_MAX: Final = 128
FIX: Final = "correct the policy and sign it again; docs/attestation.md has every key with its meaning"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")


def invalid(where: str, why: str) -> Misconfigured:
    """A policy that is refused for what stands at ``where``, which is ``file:dotted.key``."""
    return Misconfigured(POLICY_INVALID, f"{where} makes the policy invalid", why=why, fix=FIX, where=where)


class Table:
    """One table of the file. Every method raises ``Misconfigured`` for a value of another type, range or size."""

    __slots__ = ("_found", "_place")

    def __init__(self, place: str, untrusted: object, keys: Collection[str] | None) -> None:
        """Take a table that has no keys but ``keys`` (None: any); ``place`` is the file, and behind a colon where."""
        self._place = place
        if not isinstance(untrusted, dict):
            raise invalid(place, "this must be a table")
        self._found: dict[str, Any] = untrusted  # Any: each value is looked at when it is asked for
        for key in untrusted:
            if keys is not None and key not in keys:
                shown = key if _NAME.fullmatch(key) else "a key of other characters"
                guess = nearest(key, keys)
                why = f"did you mean {guess}?" if guess else f"known here: {', '.join(sorted(keys)) or 'no key'}"
                raise invalid(self.where(shown), f"this is no known key: {why}")

    def where(self, key: str) -> str:
        """``file:dotted.key`` of ``key``."""
        return f"{self._place}.{key}" if ":" in self._place else f"{self._place}:{key}"

    def __contains__(self, key: str) -> bool:
        """Whether ``key`` is there."""
        return key in self._found

    def __iter__(self) -> Iterator[str]:
        """Every key that is there, as the file has them."""
        return iter(self._found)

    def table(self, key: str, keys: Collection[str] | None) -> "Table":
        """The table at ``key``, an empty one where there is none."""
        return Table(self.where(key), self._found.get(key, {}), keys)

    def tables(self, key: str) -> list[object]:
        """The array of tables at ``key``: at least one, which the caller looks at."""
        found = self._found.get(key)
        if not isinstance(found, list) or not 1 <= len(found) <= LIST_MAX:
            raise invalid(self.where(key), f"this must be an array of 1 to {LIST_MAX} tables, each [[{key}]]")
        return found

    def integer(self, key: str, low: int, high: int, *, default: int | None = None) -> int:
        """A whole number from ``low`` to ``high``; without a default it must be there."""
        return self._integer(self.where(key), self._get(key, default), low, high)

    def flag(self, key: str, *, default: bool) -> bool:
        """``true`` or ``false``."""
        found = self._get(key, default)
        if not isinstance(found, bool):
            raise invalid(self.where(key), "this must be true or false")
        return found

    def choice(self, key: str, allowed: Collection[str], *, default: str | None = None) -> str:
        """One of the texts ``allowed``; without a default it must be there."""
        return self._choice(self.where(key), self._get(key, default), allowed)

    def name(self, key: str) -> str:
        """A name of 1 to 64 letters, digits, ``.``, ``_``, ``+`` and ``-``."""
        found = self._get(key, None)
        if not isinstance(found, str) or not _NAME.fullmatch(found):
            raise invalid(
                self.where(key), "this must be a name: 1 to 64 of A-Z a-z 0-9 . _ + -, a letter or digit first"
            )
        return found

    def hex(self, key: str, size_bytes: int) -> bytes:
        """``size_bytes`` bytes in lower-case hex; it must be there."""
        return self._hex(self.where(key), self._get(key, None), size_bytes)

    def hexes(self, key: str, size_bytes: int) -> tuple[bytes, ...]:
        """A list of such values, each once. Not there is an empty list, and an empty list accepts nothing."""
        place = self.where(key)
        return self._unique(place, [self._hex(f"{place}[{n}]", each, size_bytes) for n, each in self._items(key)])

    def integers(self, key: str, low: int, high: int) -> tuple[int, ...]:
        """A list of whole numbers from ``low`` to ``high``, each once, as ``hexes``."""
        place = self.where(key)
        return self._unique(place, [self._integer(f"{place}[{n}]", each, low, high) for n, each in self._items(key)])

    def choices(self, key: str, allowed: Collection[str]) -> tuple[str, ...]:
        """A list of some of the texts ``allowed``, each once, as ``hexes``."""
        place = self.where(key)
        return self._unique(place, [self._choice(f"{place}[{n}]", each, allowed) for n, each in self._items(key)])

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts of 1 to 128 printable ASCII characters, each once, as ``hexes``."""
        place = self.where(key)
        for number, each in self._items(key):
            if (
                not isinstance(each, str)
                or not 1 <= len(each) <= TEXT_MAX
                or not (each.isascii() and each.isprintable())
            ):
                raise invalid(
                    f"{place}[{number}]", f"this must be a text of 1 to {TEXT_MAX} printable ASCII characters"
                )
        return self._unique(place, [each for _, each in self._items(key)])

    def _get(self, key: str, default: object) -> object:
        found = self._found.get(key, default)
        if found is None:
            raise invalid(self.where(key), "this key must be there")
        return found

    def _items(self, key: str) -> list[tuple[int, Any]]:  # Any: the caller looks at each
        found = self._found.get(key, [])
        if not isinstance(found, list) or len(found) > LIST_MAX:
            raise invalid(self.where(key), f"this must be a list of at most {LIST_MAX} values")
        return list(enumerate(found))

    @staticmethod
    def _integer(where: str, found: object, low: int, high: int) -> int:
        # By type: in Python a truth value is a number as well, and in a policy it is a mistake.
        if type(found) is not int or not low <= found <= high:
            raise invalid(where, f"this must be a whole number from {low} to {high}")
        return found

    @staticmethod
    def _choice(where: str, found: object, allowed: Collection[str]) -> str:
        if not isinstance(found, str) or found not in allowed:
            raise invalid(where, f"this must be one of {', '.join(allowed)}")
        return found

    @staticmethod
    def _hex(where: str, found: object, size_bytes: int) -> bytes:
        is_hex = isinstance(found, str) and re.fullmatch(f"[0-9a-f]{{{size_bytes * 2}}}", found)
        if not is_hex:
            raise invalid(where, f"this must be {size_bytes * 2} lower-case hex digits, that is {size_bytes} bytes")
        return bytes.fromhex(str(found))

    @staticmethod
    def _unique(where: str, found: list[Any]) -> tuple[Any, ...]:  # Any: values of one type, whichever
        if len(set(found)) != len(found):
            raise invalid(where, "a value stands here twice")
        return tuple(found)
