"""An entry as the text of a markdown file: front matter that YAML readers take, then the body. Pure.

Values in the front matter are JSON, as readers of YAML take it; characters that they do not take in clear are escaped.
The member ``body``, where it is text, is the body of the file, to the byte.
"""

import json
import re
from typing import Final

from strongroom.workspace.materialize.shape import Problem, Shown

__all__ = ["BODY_MEMBER", "MARK", "text_of"]

BODY_MEMBER: Final = "body"
MARK: Final = b"---\n# Made by strongroom from a workspace; what is changed here is overwritten.\n"
"""How a file of ours begins. A file that begins otherwise is somebody else's, and is left alone."""

_PLAIN_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_RESERVED: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""Words that some YAML reader takes for a value."""
SIMPLE_KEY_CHARS_MAX: Final = 1000
"""YAML takes names of 1024 characters; longer ones need a mark of their own."""
_NOT_IN_YAML: Final = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def text_of(entry: Shown | Problem) -> bytes:
    """The whole file for ``entry``."""
    if isinstance(entry, Problem):
        return MARK + _front([("id", entry.key), ("unreadable", entry.reason)])
    value = entry.value
    if not isinstance(value, dict) or value.get("id", entry.key) != entry.key:
        # An id of its own would hide the key under which it is stored.
        return MARK + _front([("key", entry.key), ("value", value)])
    members = {"id": entry.key, **value}
    body = members.get(BODY_MEMBER)
    encoded = _encoded(body) if isinstance(body, str) else None
    if encoded is None:
        return MARK + _front(list(members.items()))
    return MARK + _front([(name, each) for name, each in members.items() if name != BODY_MEMBER]) + encoded


def _front(members: list[tuple[str, object]]) -> bytes:
    return ("".join(_line(name, value) for name, value in members) + "---\n").encode()


def _line(name: str, value: object) -> str:
    plain = _PLAIN_NAME.fullmatch(name) and name.lower() not in _RESERVED
    shown = name if plain else _text(name)
    return f"{shown}: {_flow(value)}\n" if len(shown) <= SIMPLE_KEY_CHARS_MAX else f"? {shown}\n: {_flow(value)}\n"


def _flow(value: object) -> str:
    """``value`` on one line. It is JSON but for numbers with an exponent and very long names."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return f"[{', '.join(_flow(each) for each in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(_pair(name, each) for name, each in value.items())}}}"
    if isinstance(value, float):
        # Readers of YAML 1.1 take 1e-07 for a text, and 1.0e-07 for the number.
        digits, exponent, power = repr(value).partition("e")
        return digits if not exponent else f"{digits if '.' in digits else digits + '.0'}e{power}"
    return json.dumps(value)


def _pair(name: str, value: object) -> str:
    shown = _text(name)
    return f"{'' if len(shown) <= SIMPLE_KEY_CHARS_MAX else '? '}{shown}: {_flow(value)}"


def _text(text: str) -> str:
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def _encoded(body: str) -> bytes | None:
    try:
        return body.encode()
    except UnicodeEncodeError:  # half a surrogate pair: it stands in the front matter, escaped
        return None
