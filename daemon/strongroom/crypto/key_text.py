"""Keys as lines of text: a public one is 64 hex digits, and a private one says what it is.

Rule 1: neither can be taken for the other. Public keys are printed and compared, so a private one that passed for one
would be shown to everybody.
Rule 2: nothing of a text that is not taken is repeated: it may be a secret of another kind.
"""

import re
from typing import Final

from strongroom.errors import InvalidInput

__all__ = ["PUBLIC_KEY_BYTES_MAX", "is_private", "private_bytes", "private_line", "public_key_in"]

PUBLIC_KEY_BYTES_MAX: Final = 4_096
"""Of a file with a public key: comments, and 64 digits."""
_PUBLIC: Final = re.compile(r"[0-9a-fA-F]{64}")
_PRIVATE: Final = re.compile(r"strongroom-[a-z0-9-]{1,40}:[0-9a-fA-F]|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----")


def private_line(label: str, secret: bytes) -> str:
    """The line that stands for the private key ``secret`` in a file; ``label`` says of which kind it is."""
    return f"strongroom-{label}:{secret.hex()}"


def private_bytes(label: str, text: str) -> bytes | None:
    """The 32 bytes in a line of ``private_line``, None for every other text."""
    found = re.fullmatch(rf"strongroom-{re.escape(label)}:([0-9a-f]{{64}})", text)
    return bytes.fromhex(found[1]) if found is not None else None


def is_private(text: str) -> bool:
    """Whether a private key of ours, or one in PEM, stands anywhere in ``text``."""
    return _PRIVATE.search(text) is not None


def public_key_in(text: str) -> bytes:
    """The raw Ed25519 key, 32 bytes, that is the one line of ``text``; comments (#) may stand around it.

    Raises ``InvalidInput``, which repeats nothing of the text.
    """
    if is_private(text):
        raise InvalidInput(
            "SR-SIGN-004",
            "this is no public key",
            why="it is a private key, which nobody else may ever see",
            fix="give its public half, which stands in a file of its own (.pub), and see that the private one was not"
            " copied anywhere",
            field="public key",
        )
    lines = [line.strip() for line in text.splitlines()]
    keys = [line for line in lines if line and not line.startswith("#")]
    if len(keys) != 1 or not _PUBLIC.fullmatch(keys[0]):
        raise InvalidInput(
            "SR-SIGN-005",
            "this is no public key",
            why="it does not hold 64 hex digits in one line, which are an Ed25519 key of 32 bytes",
            fix="name the file with the public key (.pub)",
            field="public key",
        )
    return bytes.fromhex(keys[0])
