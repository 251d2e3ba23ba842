"""Public keys and other files that are no secret, read within a limit and with what may be wrong named."""

import re
from pathlib import Path
from typing import Final

from strongroom.crypto.key_text import is_private, public_key_in
from strongroom.plugin import InvalidInput, Misconfigured

__all__ = ["read_file", "read_public_key"]

KEY_FILE_BYTES_MAX: Final = 1_024
_KEY: Final = re.compile(r"[0-9a-fA-F]{64}")


def read_file(path: Path, bytes_max: int, *, what: str) -> bytes:
    """The bytes of the file. Raises ``FileNotFoundError``, and ``Misconfigured`` for one that cannot be read or is
    larger; ``what`` is what people call it."""
    try:
        with path.open("rb") as file:
            content = file.read(bytes_max + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _refused(path, what, error.strerror or "it cannot be read", "see that the vault may read it") from None
    if len(content) > bytes_max:
        raise _refused(path, what, f"it has more than {bytes_max} bytes", "name the file that was meant")
    return content


def read_public_key(text: str, *, what: str) -> bytes:
    """The raw Ed25519 key, 32 bytes, that ``text`` is in hex, or the file that it names holds. Raises
    ``Misconfigured``."""
    if _KEY.fullmatch(text):
        return bytes.fromhex(text)
    if is_private(text):
        # Not a path: it would be repeated.
        return _public("in the configuration", text, what)
    path = Path(text)
    if not path.is_absolute():
        raise _refused(path, what, "it is no absolute path, and not 64 hex digits", "give one of them")
    try:
        found = read_file(path, KEY_FILE_BYTES_MAX, what=what).decode("ascii", "replace")
    except FileNotFoundError:
        raise _refused(path, what, "there is no such file", "correct the path, or make the file") from None
    return _public(path, found, what)


def _public(place: Path | str, text: str, what: str) -> bytes:
    try:
        return public_key_in(text)
    except InvalidInput as error:
        raise _refused(place, what, error.why, error.fix) from None


def _refused(place: Path | str, what: str, why: str, fix: str) -> Misconfigured:
    return Misconfigured("SR-VAULT-009", f"{what} {place} cannot be used", why=why, fix=fix, where=str(place))
