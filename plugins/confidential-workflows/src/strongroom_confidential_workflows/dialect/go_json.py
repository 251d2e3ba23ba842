"""JSON as the network's programs write it, and read more strictly than they do.

Rule 1: what two parsers could read differently is refused: a member twice or in another case, lone surrogates, base64
in a form that is not its only one, a fraction where a whole number belongs.
Rule 2: an unknown member is refused: no hash here would cover it.
Rule 3: ``null`` is an empty list or no bytes, as a list that was never made is written.
Source: contracts/confidential.md 10, "JSON notes", and 11 for the escapes.
"""

import base64
import binascii
import json
import math
from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeVar

from strongroom_confidential_workflows.dialect.limits import BODY_BYTES_MAX, NAME_BYTES_MAX
from strongroom_confidential_workflows.dialect.messages import check_at_most, malformed

__all__ = ["Members", "from_base64", "parse", "to_base64", "written"]

_T = TypeVar("_T")
_ESCAPES: Final = {ord(each): f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029"}


def written(value: object) -> bytes:
    """``value`` as compact JSON in UTF-8, members as they stand, with the escapes of a Go program."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # Outside of a string none of these characters occurs, so replacing them everywhere is escaping them in strings.
    return text.translate(_ESCAPES).encode()


def parse(place: str, untrusted: bytes, *, bytes_max: int = BODY_BYTES_MAX) -> object:
    """The value in ``untrusted``. Raises ``InvalidInput`` or ``LimitExceeded``."""
    check_at_most(place, len(untrusted), bytes_max, "bytes")
    try:
        found: object = json.loads(
            untrusted.decode(), object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_finite
        )
    except (ValueError, RecursionError):
        raise malformed(place, "JSON in UTF-8, each member once") from None
    return found


def to_base64(data: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(data).decode()


def from_base64(place: str, text: str) -> bytes:
    """The bytes of standard base64 with padding, in its only form. Raises ``InvalidInput``."""
    try:
        found = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise malformed(place, "standard base64") from None
    if to_base64(found) != text:
        raise malformed(place, "standard base64 in its only form")
    return found


class Members:
    """An object of JSON whose members are asked for by name and type; every method raises ``InvalidInput`` or
    ``LimitExceeded``, naming the member by its path."""

    __slots__ = ("_found", "_place")

    def __init__(self, place: str, untrusted: object, names: frozenset[str]) -> None:
        """Take an object whose members are among ``names``; ``place`` is empty for the outermost."""
        if not isinstance(untrusted, dict):
            raise malformed(place or "the message", "an object")
        self._place = place
        if unknown := sorted(untrusted.keys() - names):
            raise malformed(self.path(unknown[0][:NAME_BYTES_MAX]), "left out: it is not known here")
        self._found: dict[str, Any] = untrusted  # Any: each value is looked at when it is asked for

    def path(self, name: str) -> str:
        """The path of a member."""
        return f"{self._place}.{name}" if self._place else name

    def get(self, name: str) -> object:
        """A member as it came; None when it is absent."""
        found: object = self._found.get(name)
        return found

    def text(self, name: str, *, bytes_max: int = NAME_BYTES_MAX) -> str:
        """A text; an absent one is empty."""
        return _text(self.path(name), self._found.get(name, ""), bytes_max)

    def texts(self, name: str, *, count_max: int) -> tuple[str, ...]:
        """A list of texts."""
        return self.each(name, lambda place, found: _text(place, found, NAME_BYTES_MAX), count_max=count_max)

    def data(self, name: str, *, bytes_max: int = BODY_BYTES_MAX) -> bytes:
        """Bytes in base64."""
        return _data(self.path(name), self._found.get(name), bytes_max)

    def datas(self, name: str, *, count_max: int) -> tuple[bytes, ...]:
        """A list of bytes in base64."""
        return self.each(name, lambda place, found: _data(place, found, BODY_BYTES_MAX), count_max=count_max)

    def array(self, name: str, size: int) -> bytes:
        """Exactly ``size`` bytes, as an array of numbers."""
        found = self._found.get(name)
        if not isinstance(found, list) or len(found) != size or not all(_is_byte(each) for each in found):
            raise malformed(self.path(name), f"an array of {size} numbers from 0 to 255")
        return bytes(found)

    def number(self, name: str, *, end: int) -> int:
        """A whole number from 0, less than ``end``; it must be there."""
        return _number(self.path(name), self._found.get(name), end)

    def numbers(self, name: str, *, end: int, count_max: int) -> tuple[int, ...]:
        """A list of whole numbers from 0, each less than ``end``."""
        return self.each(name, lambda place, found: _number(place, found, end), count_max=count_max)

    def each(self, name: str, read: Callable[[str, object], _T], *, count_max: int) -> tuple[_T, ...]:
        """What ``read`` makes of each entry of a list, given its path."""
        found = self._found.get(name)
        if found is None:
            return ()
        if not isinstance(found, list):
            raise malformed(self.path(name), "a list")
        check_at_most(self.path(name), len(found), count_max)
        return tuple(read(f"{self.path(name)}[{index}]", each) for index, each in enumerate(found))


def _text(place: str, found: object, bytes_max: int) -> str:
    if not isinstance(found, str):
        raise malformed(place, "a text")
    try:
        size = len(found.encode())
    except UnicodeEncodeError:
        raise malformed(place, "a text without lone surrogates") from None
    check_at_most(place, size, bytes_max, "bytes")
    return found


def _data(place: str, found: object, bytes_max: int) -> bytes:
    if found is None:
        return b""
    if not isinstance(found, str):
        raise malformed(place, "a text of base64")
    raw = from_base64(place, found)
    check_at_most(place, len(raw), bytes_max, "bytes")
    return raw


def _number(place: str, found: object, end: int) -> int:
    if type(found) is not int or not 0 <= found < end:
        raise malformed(place, f"a whole number from 0 to {end - 1}")
    return found


def _is_byte(found: object) -> bool:
    return type(found) is int and 0 <= found <= 0xFF


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:  # Any: whatever JSON can hold
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member twice")
    return found


def _finite(text: str) -> float:
    """Metrics have fractions; nothing that is hashed does."""
    found = float(text)
    if not math.isfinite(found):
        raise ValueError("too large a number")
    return found


def _no_number(_text: str) -> NoReturn:
    raise ValueError("not a number")
