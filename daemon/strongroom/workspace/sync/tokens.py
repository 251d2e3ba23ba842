"""Who may sync: a file with a line for each token.

    # SHA-256 of the token                                            owner   may  comment
    2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824  alice   rw   her laptop

Rule 1: the file holds digests, so that reading it gives nobody a token. Tokens must be long and random.
Rule 2: no file, no entry, no admission. A file that cannot be read admits nobody, also after it could.
Rule 3: it is read again when it changes; whoever lost their line is put out.
Rule 4: a digest is compared with every line, in constant time.

The owner is written as in the URL: percent-encoded where it holds blanks or percent signs.
"""

import hashlib
import hmac
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from strongroom.crypto.key_files import read_private_file
from strongroom.errors import StrongroomError
from strongroom.workspace.sync import faults

__all__ = ["Grant", "TokenFile", "digest_of", "parse_tokens"]

FILE_BYTES_MAX: Final = 1_000_000
TOKENS_MAX: Final = 5_000
"""Each admission compares with all of them; this many take about a millisecond."""
TOKEN_CHARS_MAX: Final = 4_096
"""Bearers of identity providers are long; header lines end at 8 KiB."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_log = logging.getLogger("strongroom.relay")


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows. ``digest`` is its SHA-256 and finds it again when the file has changed."""

    digest: bytes
    owner_id: str
    may_write: bool

    def __repr__(self) -> str:
        return f"Grant(owner_id={self.owner_id!r}, may_write={self.may_write})"


def digest_of(token: str) -> bytes:
    """SHA-256 of the token's UTF-8."""
    return hashlib.sha256(token.encode(errors="replace")).digest()


def parse_tokens(text: str, path: str) -> tuple[Grant, ...]:
    """The lines of a file of tokens. Raises ``Misconfigured`` with the number of the first that is wrong."""
    grants: dict[bytes, Grant] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split(None, 3)
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 3:
            raise faults.token_line_malformed(path, number, "it has fewer than three words")
        digest, owner, may = words[:3]
        if not _DIGEST.fullmatch(digest):
            raise faults.token_line_malformed(path, number, "its first word is not 64 hex digits in lower case")
        if may not in {"rw", "ro"}:
            raise faults.token_line_malformed(path, number, "its third word is neither rw nor ro")
        raw = bytes.fromhex(digest)
        if raw in grants:
            raise faults.token_line_malformed(path, number, "the same token stands in a line above")
        grants[raw] = Grant(raw, unquote(owner), may == "rw")
        if len(grants) > TOKENS_MAX:
            raise faults.token_line_malformed(path, number, f"there are more than {TOKENS_MAX} tokens")
    return tuple(grants.values())


class TokenFile:
    """The tokens of now. Used by one thread."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen: tuple[int, ...] | None = None
        self._grants: tuple[Grant, ...] = ()

    def check(self) -> None:
        """Raises ``Misconfigured`` if there is a file and it cannot be used: at the start somebody reads errors."""
        if self._path is not None:
            self._grants = _read(self._path)

    def admit(self, tokens: tuple[str, ...]) -> Grant | None:
        """What the one token allows; ``None`` for none, several, or an unknown one."""
        if len(tokens) != 1 or not 0 < len(tokens[0]) <= TOKEN_CHARS_MAX:
            return None
        return self.find(digest_of(tokens[0]))

    def find(self, digest: bytes) -> Grant | None:
        """What the token with this digest allows now."""
        self._refresh()
        found = None
        for grant in self._grants:
            if hmac.compare_digest(grant.digest, digest):
                found = grant
        return found

    def _refresh(self) -> None:
        if self._path is None:
            return
        try:
            status = self._path.stat()
            seen: tuple[int, ...] = (status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode, status.st_uid)
        except OSError:
            seen = ()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._grants = _read(self._path)
        except StrongroomError as error:
            self._grants = ()
            _log.error("%s %s; nobody is admitted until it is corrected", error.code, error.with_fix())


def _read(path: Path) -> tuple[Grant, ...]:
    try:
        content = read_private_file(path, bytes_max=FILE_BYTES_MAX, code=faults.TOKENS_UNUSABLE, what="tokens")
    except FileNotFoundError:
        raise faults.tokens_unusable(str(path), "it is not there") from None
    if len(content) > FILE_BYTES_MAX:
        raise faults.tokens_unusable(str(path), f"it has more than {FILE_BYTES_MAX} bytes")
    try:
        return parse_tokens(content.decode(), str(path))
    except UnicodeDecodeError:
        raise faults.tokens_unusable(str(path), "it is not UTF-8 text") from None
