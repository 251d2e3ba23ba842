"""How each value of a frame is read: its type and size, or ``EvidenceRejected``, which names the place and no value."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from strongroom.attest.evidence import malformed

__all__ = ["Reader", "blob", "choice", "items", "name_pairs", "text", "uint"]

Reader = Callable[[str, object], Any]
"""Takes a place and an untrusted value, and gives the value. Any: each reader has its own type."""
UINT_END: Final = 2**64
NAME_BYTES_MAX: Final = 128
"""Of a namespace or key: as long as runtime data let them be."""


def blob(bytes_max: int) -> Reader:
    """Bytes, at most so many."""

    def read(place: str, found: object) -> bytes:
        if not isinstance(found, bytes) or len(found) > bytes_max:
            raise malformed(place, got=_kind(found), wanted=f"at most {bytes_max} bytes")
        return found

    return read


def text(bytes_max: int, *, may_be_empty: bool = False) -> Reader:
    """A text of so many bytes in UTF-8 at most."""

    def read(place: str, found: object) -> str:
        size = len(found.encode(errors="surrogatepass")) if isinstance(found, str) else -1
        if not isinstance(found, str) or not (0 if may_be_empty else 1) <= size <= bytes_max:
            raise malformed(place, got=_kind(found), wanted=f"a text of at most {bytes_max} bytes")
        return found

    return read


def choice(wanted: Iterable[str]) -> Reader:
    """One of these texts."""
    allowed = sorted(wanted)

    def read(place: str, found: object) -> str:
        if not isinstance(found, str) or found not in allowed:
            raise malformed(place, got=_kind(found), wanted=" or ".join(allowed))
        return found

    return read


def uint(end: int = UINT_END) -> Reader:
    """A whole number below ``end``."""

    def read(place: str, found: object) -> int:
        # In Python a truth value is a number as well; here it is not.
        if type(found) is not int or not 0 <= found < end:
            raise malformed(place, got=_kind(found), wanted=f"a whole number below {end}")
        return found

    return read


def items(reader: Reader, count_max: int) -> Reader:
    """A list of so many values at most, as a tuple."""

    def read(place: str, found: object) -> tuple[Any, ...]:
        if not isinstance(found, list) or len(found) > count_max:
            raise malformed(place, got=_kind(found), wanted=f"a list of at most {count_max}")
        return tuple(reader(f"{place} {number}", each) for number, each in enumerate(found))

    return read


def name_pairs(count_max: int) -> Reader:
    """Secrets, each [namespace, key], in any order."""
    part = text(NAME_BYTES_MAX)

    def read_pair(place: str, found: object) -> tuple[str, str]:
        if not isinstance(found, list) or len(found) != 2:
            raise malformed(place, got=_kind(found), wanted="namespace and key")
        return part(f"{place} namespace", found[0]), part(f"{place} key", found[1])

    return items(read_pair, count_max)


def _kind(found: object) -> str:
    if isinstance(found, bytes | str | list | dict):
        return f"{type(found).__name__} of {len(found)}"
    return type(found).__name__
