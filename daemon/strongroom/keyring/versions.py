"""How a key version is written in ``ENCRYPTION_SECRETS``.

Plain decimal is the canonical form and the only one written. Keyrings made for the TypeScript original may hold what
JavaScript's ``Number()`` reads: ``01``, ``1.0``, ``1e1``, ``0x10``, ``0b11``, ``0o17``, ``+3``, white space around.
Source: contracts/workspace-encryption.md 3.
"""

import re
from typing import Final

__all__ = ["VERSION_MAX", "VERSION_MIN", "is_canonical", "read_version"]

VERSION_MIN: Final = 1
VERSION_MAX: Final = 255  # a workspace blob has one byte for it

_CANONICAL: Final = re.compile(r"[1-9][0-9]{0,2}\Z")
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z")
_RADIX: Final = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)\Z")
# ECMA-262 WhiteSpace and LineTerminator, which Number() strips.
_WHITE: Final = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005"
    "\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
)


def is_canonical(text: str) -> bool:
    """Whether ``text`` is a version in plain decimal."""
    return _CANONICAL.match(text) is not None


def read_version(text: str) -> int | None:
    """The version that ``text`` names, in any accepted form; ``None`` when it is not an integer in 1..255."""
    stripped = text.strip(_WHITE)
    number = 0.0
    if _RADIX.match(stripped):
        number = _as_float(int(stripped, 0))
    elif _DECIMAL.match(stripped):
        number = float(stripped)
    return int(number) if VERSION_MIN <= number <= VERSION_MAX and number.is_integer() else None


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")
