"""What may stand in an entry: JSON, or a sealed value as bytes. Checked before a library sees it that panics or drops.

Rule 1: a value that would come back as another one is refused when it is written.
Rule 2: an error names the kind of a value, never the value.
Source: contracts/workspace-encryption.md 7 ("JSON edges") and 16.
"""

import json
import math
from typing import Final

from strongroom.crypto.workspace_text import text_bytes, text_of
from strongroom.errors import InvalidInput, LimitExceeded

__all__ = [
    "INTEGER_MAX",
    "NESTING_MAX",
    "check_json",
    "check_key",
    "check_stored",
    "json_bytes",
    "json_of",
    "shown_json",
]

INTEGER_MAX: Final = 2**53 - 1
"""Above it a JavaScript peer reads another number than was written."""
NESTING_MAX: Final = 90
"""Levels of a value. Peers read updates of at most 100, and an entry adds its own."""
KEY_BYTES_MAX: Final = 4096
"""Of an entry's key as UTF-8. Upstream has no limit; a key stands in clear in every update."""


def check_key(key: str) -> None:
    """Raise ``InvalidInput`` for a key that is no text or cannot be written, ``LimitExceeded`` for one too long."""
    try:
        size = len(key.encode())
    except (AttributeError, UnicodeEncodeError):
        raise _refused("SR-WS-006", "a key of an entry", "it is not valid Unicode text", "key") from None
    if size > KEY_BYTES_MAX:
        raise LimitExceeded(
            "SR-WS-007",
            f"a key of {size} bytes is longer than {KEY_BYTES_MAX}",
            fix="use a short key, and put the long text into the value",
            size=size,
            limit=KEY_BYTES_MAX,
        )


def check_stored(value: object) -> object:
    """``value`` when an entry can hold it: sealed bytes, or what ``check_json`` passes with text that UTF-8 carries."""
    if type(value) is bytes:
        return value
    checked = check_json(value)
    try:
        # The library panics on lone surrogates wherever they stand.
        json.dumps(checked, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise _unsuited("text with a lone surrogate, which cannot be stored unsealed") from None
    return checked


def check_json(value: object, depth: int = 0) -> object:
    """``value`` as JSON gives it back: integral numbers as integers, tuples as lists.

    Raises ``InvalidInput`` (SR-WS-008) for what JSON cannot carry: numbers that are not finite, bytes and other types,
    names of members that are no text, integers above 2^53 - 1, nesting deeper than ``NESTING_MAX``.
    """
    # What is derived from these types, such as members of an enum, becomes the plain type, which every reader knows.
    if value is None or isinstance(value, (str, bool)):
        return str.__str__(value) if isinstance(value, str) else value
    if isinstance(value, int):
        if not -INTEGER_MAX <= value <= INTEGER_MAX:
            raise _unsuited("an integer above 2^53 - 1, which peers would read as another one")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _unsuited("a number that is not finite")
        return _number(float(value))
    if depth >= NESTING_MAX:
        raise _unsuited(f"more than {NESTING_MAX} levels")
    if isinstance(value, (list, tuple)):
        return [check_json(each, depth + 1) for each in value]
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise _unsuited("an object whose names are not all text")
        return {name: check_json(each, depth + 1) for name, each in value.items()}
    raise _unsuited(f"something of type {type(value).__name__}")


def shown_json(value: object) -> object:
    """A value that was stored unsealed, by whomever, as JSON shows it: NaN as null, bytes as an object of indices."""
    if isinstance(value, float):
        return _number(value) if math.isfinite(value) else None
    if isinstance(value, (bytes, bytearray)):
        return {str(index): each for index, each in enumerate(value)}
    if isinstance(value, list):
        return [shown_json(each) for each in value]
    if isinstance(value, dict):
        return {name: shown_json(each) for name, each in value.items()}
    if value is None or isinstance(value, (str, bool, int)):
        return value
    return None


def json_bytes(value: object) -> bytes:
    """``value`` as JSON, as JavaScript writes it. Raises ``InvalidInput`` as ``check_json`` does."""
    checked = check_json(value)
    text = _ENCODER.encode(checked)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text_bytes(json.dumps(checked, separators=(",", ":")))  # lone surrogates are escaped


def json_of(raw: bytes) -> object:
    """The value in JSON text. Raises ``ValueError`` for what is no JSON, or nested too deep to be read."""
    try:
        return _DECODER.decode(text_of(raw))
    except RecursionError:
        raise ValueError from None


def _number(value: float) -> float:
    return int(value) if value.is_integer() and -INTEGER_MAX <= value <= INTEGER_MAX else value


def _read_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return _number(value)


def _no_constant(_name: str) -> object:
    raise ValueError


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_DECODER: Final = json.JSONDecoder(parse_float=_read_float, parse_constant=_no_constant)


def _unsuited(what: str) -> InvalidInput:
    return _refused("SR-WS-008", "a value of an entry", f"JSON cannot carry it: it holds {what}", "value")


def _refused(code: str, what: str, why: str, field: str) -> InvalidInput:
    return InvalidInput(code, f"{what} cannot be written", why=why, fix="correct it; nothing was written", field=field)
