"""Which token this host shows to which relay: a file with a line for each, mode 0600.

    # address                        token
    wss://relay.example:8479         5p0X…

A project names the relay that it syncs with, and projects come from anywhere. So a token goes to the address that the
operator wrote beside it, and to no other: scheme, host and port must be the same.
"""

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from strongroom.crypto.key_files import read_private_file
from strongroom.errors import Misconfigured

__all__ = ["RelayTokens"]

FILE_BYTES_MAX: Final = 1_000_000
PORTS: Final = {"ws": 80, "wss": 443, "http": 80, "https": 443}
SECURE: Final = {"wss": "wss", "https": "wss", "ws": "ws", "http": "ws"}

Origin = tuple[str, str, int]


class RelayTokens:
    """The tokens in the file at ``path``; none without one. It is read at each use, so a new line is seen at once."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def bearer_for(self, url: str) -> str | None:
        """The token for the relay of ``url``. Raises ``Misconfigured`` for a file that cannot be used."""
        if self._path is None:
            return None
        asked = _origin(url)
        return next((token for origin, token in self._lines(self._path) if origin == asked), None)

    def _lines(self, path: Path) -> list[tuple[Origin, str]]:
        try:
            content = read_private_file(path, bytes_max=FILE_BYTES_MAX, code="SR-SYNC-050", what="relay tokens")
        except FileNotFoundError:
            raise _wrong(path, "it is not there") from None
        if len(content) > FILE_BYTES_MAX:
            raise _wrong(path, f"it has more than {FILE_BYTES_MAX} bytes")
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise _wrong(path, "it is not UTF-8 text") from None
        found: list[tuple[Origin, str]] = []
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            origin = _origin(words[0]) if len(words) == 2 else None
            if origin is None:
                raise _wrong(path, f"line {number} is not an address and a token")
            found.append((origin, words[1]))
        return found


def _origin(url: str) -> Origin | None:
    """Scheme, host and port, ``http`` being ``ws``; ``None`` for what is no address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    scheme = SECURE.get(parts.scheme)
    if scheme is None or not parts.hostname:
        return None
    return scheme, parts.hostname.lower(), port or PORTS[scheme]


def _wrong(path: Path, why: str) -> Misconfigured:
    return Misconfigured(
        "SR-SYNC-051",
        f"the relay tokens at {path} cannot be used",
        why=why,
        fix="write one line for each relay: its address, a blank, its token; mode 0600",
        where="relay.client_tokens_file",
    )
