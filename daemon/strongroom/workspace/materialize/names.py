"""Names of files, folders and SQLite tables, from keys and arrays that peers choose.

Rule 1: a name is one path segment of ``a-z 0-9 _ - ~``: no separator, no dot, no case, no device of Windows.
Rule 2: two keys never share a name: what is not plain already gets the digest of its whole text behind ``~``, which no
plain name has.
"""

import re
from hashlib import sha256
from typing import Final

__all__ = ["entry_name", "view_name"]

PLAIN_CHARS_MAX: Final = 80
"""Of a key that is its own name: with ending and temporary prefix it stays far below the 255 bytes of file systems."""
KEPT_CHARS: Final = 40
DIGEST_HEX: Final = 32
"""128 bits: who chooses keys to make two of them share a name has 2^64 work."""

_PLAIN: Final = re.compile(rf"[a-z0-9][a-z0-9_-]{{0,{PLAIN_CHARS_MAX - 1}}}")
_DEVICE: Final = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")
_OTHER: Final = re.compile(r"[^a-z0-9_-]+")
_TABLE: Final = "table:"
_KV: Final = "kv"


def entry_name(key: str) -> str:
    """The name for the entry ``key``: itself where it is plain."""
    if _PLAIN.fullmatch(key) and not _DEVICE.fullmatch(key):
        return key
    return _mangled(key)


def view_name(array: str) -> str:
    """The name for ``array``: ``notes`` for ``table:notes``, ``kv`` for ``kv``; every other one is mangled."""
    if array == _KV:
        return _KV
    name = array.removeprefix(_TABLE)
    # SQLite keeps its own tables under sqlite_.
    if name != array and entry_name(name) == name and name != _KV and not name.startswith("sqlite_"):
        return name
    return _mangled(array)


def _mangled(text: str) -> str:
    kept = _OTHER.sub("-", text[: 2 * KEPT_CHARS].lower()).strip("-_")[:KEPT_CHARS]
    # A peer's text may hold halves of surrogate pairs, which are different texts too.
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST_HEX]
    return f"{kept or 'x'}~{digest}"
