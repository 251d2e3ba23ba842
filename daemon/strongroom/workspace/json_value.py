"""Values as JSON: what a store keeps, what schemas check, and what views show.

Numbers arrive from a document as floats, whatever they were; an integral one is an integer again here, as JavaScript
takes it. Source: contracts/workspace-encryption.md 7 and 16.
"""

import json
from typing import Final

__all__ = ["DEPTH_MAX", "ENTRY_KEY_BYTES_MAX", "VALUE_BYTES_MAX", "NotJson", "json_text", "normalised"]

ENTRY_KEY_BYTES_MAX: Final = 512
"""Of a row's id or another entry key, in UTF-8: keys stand in clear in every update, and views name files by them."""
VALUE_BYTES_MAX: Final = 1 << 20
"""Of one row or value as JSON in UTF-8. A message of the relay has 5 MiB at most and must hold the entry sealed."""
DEPTH_MAX: Final = 100
"""Arrays and objects within each other. Deeper ones end the stack of some reader."""
INTEGER_MAX: Final = (1 << 53) - 1
"""Above it a float stands for more than one integer."""


class NotJson(ValueError):
    """A value that JSON cannot carry. Its text names the kind, never the value."""


def normalised(value: object, *, depth: int = 0) -> object:
    """``value`` with integral floats as integers. Raises ``NotJson`` for what JSON cannot carry."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise NotJson("a number that is not finite")
        return int(value) if value.is_integer() and abs(value) <= INTEGER_MAX else value
    if depth >= DEPTH_MAX:
        raise NotJson(f"a value nested deeper than {DEPTH_MAX}")
    if isinstance(value, (list, tuple)):
        return [normalised(each, depth=depth + 1) for each in value]
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise NotJson("an object whose names are not all text")
        return {name: normalised(each, depth=depth + 1) for name, each in value.items()}
    raise NotJson(f"a value of type {type(value).__name__}")


def json_text(value: object) -> str:
    """``value`` as compact JSON in ASCII, members in their order. Raises ``NotJson``; lone surrogates are escaped."""
    try:
        return json.dumps(normalised(value), allow_nan=False, separators=(",", ":"))
    except ValueError as error:  # an integer with more digits than Python writes
        raise NotJson(str(error) if isinstance(error, NotJson) else "a number that is too long") from None
