"""JSON objects whose values stay the text that they were: numbers keep their digits, and a name stands once.

A parsed and rewritten value may differ from the one that was signed, and of two members with one name each reader takes
another one. So what goes on to a workflow is a piece of the body itself.
"""

import json
from collections.abc import Mapping
from typing import Final

__all__ = ["canonical", "is_string", "members", "text_of"]

_SPACE: Final = " \t\n\r"


def _no_constant(name: str) -> object:
    raise ValueError(name)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=_once)


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
    """The document without spaces and with sorted names, as clients of the network's gateways write it."""
    value = _DECODER.decode(text)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _expect(text: str, at: int, sign: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] != sign:
        raise ValueError(f"{sign} is missing")
    return at + 1
