"""Base64 as browsers read it: standard alphabet, padding may be missing, ASCII white space anywhere.

Source: contracts/workspace-encryption.md 4 and 15; the algorithm is "forgiving-base64 decode" of the WHATWG Infra
standard.
"""

import binascii
import re
from typing import Final

__all__ = ["decode_base64", "decode_strict_base64", "encode_base64"]

_WHITE: Final = str.maketrans("", "", "\t\n\f\r ")
_ALPHABET: Final = re.compile(r"[A-Za-z0-9+/]*\Z")
_QUANTUM: Final = 4


def encode_base64(raw: bytes) -> str:
    """``raw`` as standard padded base64 in one line."""
    return binascii.b2a_base64(raw, newline=False).decode("ascii")


def decode_base64(untrusted: str) -> bytes | None:
    """The bytes in ``untrusted``; ``None`` when it is not base64, such as the alphabet for addresses (``-`` and ``_``).

    Bits left over in the last character are dropped, as browsers do.
    """
    text = untrusted.translate(_WHITE)
    if len(text) % _QUANTUM == 0 and text.endswith("="):
        text = text[:-2] if text.endswith("==") else text[:-1]
    if len(text) % _QUANTUM == 1 or not _ALPHABET.match(text):
        return None
    return binascii.a2b_base64(text + "=" * (-len(text) % _QUANTUM))


def decode_strict_base64(untrusted: str) -> bytes | None:
    """The bytes in ``untrusted`` where they have one spelling: standard alphabet, all padding or none.

    ``None`` for white space, other characters, padding that is too much or too little, and bits left over. Source:
    contracts/run-encryption.md 3.
    """
    bare = untrusted.rstrip("=")
    padded = bare + "=" * (-len(bare) % _QUANTUM)
    if untrusted not in (bare, padded) or len(bare) % _QUANTUM == 1 or not _ALPHABET.match(bare):
        return None
    decoded = binascii.a2b_base64(padded)
    return decoded if encode_base64(decoded) == padded else None
