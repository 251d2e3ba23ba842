"""Text in workspace values, as JavaScript writes and reads it: what UTF-8 cannot carry is replaced and not refused.

Source: contracts/workspace-encryption.md 5; the WHATWG Encoding standard (TextEncoder, TextDecoder).
"""

from typing import Final

__all__ = ["text_bytes", "text_of"]

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def text_bytes(text: str) -> bytes:
    """``text`` as UTF-8; two halves of a surrogate pair become their character, a lone half becomes U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def text_of(raw: bytes) -> str:
    """The text in ``raw``; one byte order mark at its start is dropped, bytes that are not UTF-8 become U+FFFD."""
    return raw.removeprefix(_BYTE_ORDER_MARK).decode("utf-8", "replace")
