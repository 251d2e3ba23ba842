"""JSON of others, read strictly: each key once, whole numbers only, and every value by its type.

Rule 1: what is ambiguous between two parsers is refused: keys that come twice, fractions, NaN, and text that UTF-8
cannot carry (an escape can spell half a character, which breaks whoever writes it on).
Rule 2: sizes are the caller's to check first.
"""

import base64
import json
from typing import Any, Final, NoReturn

from strongroom.attest.evidence import malformed
from strongroom.errors import EvidenceRejected

__all__ = ["Json", "from_base64", "parse_json", "to_base64"]

_SHOWN: Final = 80
"""Characters of a foreign text that a refusal repeats."""


class Json:
    """An object of JSON whose values are asked for by type. Every method raises ``EvidenceRejected``."""

    __slots__ = ("_place", "found")

    def __init__(self, place: str, untrusted: object) -> None:
        """Take an object; ``place`` names it in refusals."""
        if not isinstance(untrusted, dict):
            raise malformed(place, got=type(untrusted).__name__, wanted="an object")
        self._place = place
        self.found: dict[str, Any] = untrusted  # Any: each value is looked at when it is asked for

    def _typed(self, key: str, kind: type, wanted: str) -> Any:  # Any: a value of that type
        found = self.found.get(key)
        if type(found) is not kind:
            raise malformed(f"{self._place} {key}", got=type(found).__name__, wanted=wanted)
        return found

    def text(self, key: str) -> str:
        """A text."""
        return str(self._typed(key, str, "a text"))

    def constant(self, key: str, wanted: str, code: str) -> None:
        """``wanted`` and nothing else; another text is refused with ``code``."""
        found = self.text(key)
        if found != wanted:
            raise EvidenceRejected(code, f"{self._place} {key}", got=found[:_SHOWN], wanted=wanted)

    def object(self, key: str) -> "Json":
        """An object."""
        return Json(f"{self._place} {key}", self._typed(key, dict, "an object"))

    def list(self, key: str, *, count_max: int) -> list[Any]:  # Any: see found
        """A list of at most ``count_max`` values."""
        found: list[Any] = self._typed(key, list, "a list")
        if len(found) > count_max:
            raise malformed(f"{self._place} {key}", got=f"{len(found)} entries", wanted=f"at most {count_max}")
        return found

    def number(self, key: str, *, end: int) -> int:
        """A whole number from 0, less than ``end``."""
        found: int = self._typed(key, int, "a whole number")
        if not 0 <= found < end:
            raise malformed(f"{self._place} {key}", got="a number out of range", wanted=f"0 to {end - 1}")
        return found

    def raw(self, key: str, size: int) -> bytes:
        """Exactly ``size`` bytes in base64url."""
        place = f"{self._place} {key}"
        found = from_base64(place, self.text(key).encode(errors="replace"))
        if len(found) != size:
            raise malformed(place, got=f"{len(found)} bytes", wanted=f"{size} bytes")
        return found


def parse_json(check: str, untrusted: bytes) -> Json:
    """The object in ``untrusted``. Raises ``EvidenceRejected``."""
    try:
        found = json.loads(
            untrusted.decode(), object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_no_number
        )
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise malformed(check, got="another text", wanted="JSON in UTF-8, each key once, whole numbers") from error
    return Json(check, found)


def to_base64(data: bytes) -> str:
    """Base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64(check: str, text: bytes) -> bytes:
    """Base64url without padding, in its only form: other texts for the same bytes refuse."""
    try:
        found = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        found = b""
    if not found or to_base64(found).encode() != text:
        raise malformed(check, got="another text", wanted="base64url without padding")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:  # Any: whatever JSON can hold
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def _no_number(_text: str) -> NoReturn:
    raise ValueError("not a whole number")
