"""JSON objects whose values stay the text that they were: numbers keep their digits, and a name stands once.

A parsed and rewritten value may differ from the one that was signed, and of two members with one name each reader takes
another one. So what goes on to a workflow is a piece of the body itself.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["canonical", "is_string", "members", "text_of"]

_SPACE: Final = " \t\n\r"
_NUMBER_CHARS_MAX: Final = 4_000
"""Common readers of JSON refuse longer ones."""


@dataclass(frozen=True, slots=True)
class _Number:
    """A number as it is written: two that differ in a digit may be one and the same float."""

    text: str


def _number(text: str) -> _Number:
    if len(text) > _NUMBER_CHARS_MAX:
        raise ValueError("a number is too long")
    return _Number(text)


def _no_constant(name: str) -> object:
    raise ValueError(name)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


_DECODER: Final = json.JSONDecoder(
    parse_float=_number, parse_int=_number, parse_constant=_no_constant, object_pairs_hook=_once
)


def members(text: str) -> Mapping[str, str]:
    """The members of the one object that ``text`` is, each as it is written. Raises ``ValueError``."""
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        raise TypeError("it is not an object")
    found: dict[str, str] = {}
    at = _skip(text, at + 1)
    while text[at : at + 1] != "}":
        name, at = _DECODER.raw_decode(text, at)
        if not isinstance(name, str) or name in found:
            raise ValueError("a name is no text, or stands twice")
        at = _expect(text, at, ":")
        start = _skip(text, at)
        _, end = _DECODER.raw_decode(text, start)
        found[name] = text[start:end]
        at = _skip(text, end)
        if text[at : at + 1] != "}":
            at = _skip(text, _expect(text, at, ","))
            if text[at : at + 1] == "}":
                raise ValueError("a comma stands before the end")
    if _skip(text, at + 1) != len(text):
        raise ValueError("something follows the object")
    return found


def is_string(text: str) -> bool:
    """Whether a member is a text."""
    return text.startswith('"')


def text_of(text: str) -> str:
    """The text that a member is. Raises ``ValueError`` for another kind."""
    value = _DECODER.decode(text)
    if not isinstance(value, str):
        raise TypeError("it is no text")
    return value


def canonical(text: str) -> bytes:
    """The document without spaces and with sorted names, as clients of the network's gateways write it.

    Numbers stay as they are written, so documents that differ in a digit differ here too.
    """
    return _written(_DECODER.decode(text)).encode()


def _written(value: object) -> str:
    if isinstance(value, _Number):
        return value.text
    if isinstance(value, dict):
        return "{" + ",".join(f"{_written(name)}:{_written(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _expect(text: str, at: int, sign: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] != sign:
        raise ValueError(f"{sign} is missing")
    return at + 1
