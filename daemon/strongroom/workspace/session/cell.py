"""The persisted cell: what a session keeps on disk, so that a start without a network still has its keys.

Members stand in a fixed order and without spaces, so reading and writing again gives the same bytes. The file holds
keys and tokens: mode 0600, and one that others may read is refused rather than used.
Source: contracts/workspace-encryption.md 11.
"""

import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from strongroom.crypto.key_files import read_private_file, write_private_file
from strongroom.crypto.keyring_entry import Keyring, KeyringEntry
from strongroom.errors import InvalidInput, StorageFault, StrongroomError
from strongroom.telemetry import logs

__all__ = [
    "CELL_BYTES_MAX",
    "Cell",
    "CellFile",
    "Grant",
    "check_grant",
    "dump_cell",
    "parse_cell",
    "read_keyring",
    "text_member",
]

CELL_BYTES_MAX: Final = 262_144
"""255 keys of 60 bytes and two tokens; an access token that carries claims has some kilobytes."""
TEXT_CHARS_MAX: Final = 16_384
"""Of one member. Tokens are the longest, and HTTP servers take headers of 8 to 16 KB."""
KEYS_MAX: Final = 255
TIME_MS_MAX: Final = 2**53 - 1
"""What a JavaScript number holds exactly."""

_TOKEN: Final = re.compile(r"[!-+\--~]{1,16384}")

log = logs.get("workspace.session")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a request may show. ``access_token_expires_at_ms`` is Unix time; 0 means that it says nothing of its end."""

    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    access_token_expires_at_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A grant, whose it is, and the keyring that came with it."""

    grant: Grant
    user_id: str
    owner_id: str
    keyring: Keyring


def check_grant(untrusted: Grant) -> None:
    """Raises ``InvalidInput``, which repeats nothing of it, for tokens that fit in no header, and for no time."""
    if not _TOKEN.fullmatch(untrusted.access_token):
        field = "access_token"
    elif untrusted.refresh_token and not _TOKEN.fullmatch(untrusted.refresh_token):
        field = "refresh_token"
    elif not 0 <= untrusted.access_token_expires_at_ms <= TIME_MS_MAX:
        field = "access_token_expires_at_ms"
    else:
        return
    raise InvalidInput(
        "SR-SESSION-017",
        f"the {field} of a grant cannot be used",
        why=f"a token is 1 to {TEXT_CHARS_MAX} ASCII characters without spaces and commas, and a time not negative",
        fix="give it as the server gave it, without a line break",
        field=field,
    )


def dump_cell(cell: Cell) -> bytes:
    """``cell`` as it stands on disk."""
    grant = cell.grant
    members = {
        "grant": {
            "accessToken": grant.access_token,
            "refreshToken": grant.refresh_token,
            "accessTokenExpiresAt": grant.access_token_expires_at_ms,
        },
        "userId": cell.user_id,
        "ownerId": cell.owner_id,
        "keyring": [
            {"version": entry.version, "keyBytesBase64": entry.key_bytes_base64} for entry in cell.keyring.entries
        ],
    }
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


def parse_cell(untrusted: bytes) -> Cell:
    """The cell in ``untrusted``; members that nobody knows are left out. Raises ``InvalidInput``, which repeats nothing
    of it, for one that is missing or of another type."""
    if len(untrusted) > CELL_BYTES_MAX:
        raise _wrong("cell", f"it has more than {CELL_BYTES_MAX} bytes")
    try:
        members = json.loads(untrusted.decode())
    except (ValueError, RecursionError):
        raise _wrong("cell", "it is not JSON") from None
    cell = _object(members, "cell")
    grant = _object(cell.get("grant"), "grant")
    expires_at_ms = grant.get("accessTokenExpiresAt")
    if type(expires_at_ms) is not int or not 0 <= expires_at_ms <= TIME_MS_MAX:
        raise _wrong("grant.accessTokenExpiresAt", "it is missing, or no time in milliseconds")
    return Cell(
        grant=Grant(
            access_token=text_member(grant, "accessToken", place="grant."),
            refresh_token=text_member(grant, "refreshToken", place="grant.", may_be_empty=True),
            access_token_expires_at_ms=expires_at_ms,
        ),
        user_id=text_member(cell, "userId"),
        owner_id=text_member(cell, "ownerId"),
        keyring=read_keyring(cell.get("keyring")),
    )


def read_keyring(untrusted: object) -> Keyring:
    """A keyring in its transport form. Raises ``InvalidInput``."""
    if not isinstance(untrusted, list) or not 1 <= len(untrusted) <= KEYS_MAX:
        raise _wrong("keyring", f"it is no list of 1 to {KEYS_MAX} keys")
    entries: list[KeyringEntry] = []
    for number, untrusted_entry in enumerate(untrusted):
        entry = _object(untrusted_entry, f"keyring[{number}]")
        version = entry.get("version")
        if type(version) is not int:
            raise _wrong(f"keyring[{number}].version", "it is missing, or no integer")
        found = KeyringEntry(version, text_member(entry, "keyBytesBase64", place=f"keyring[{number}]."))
        # Now, and not at the first value that it would open.
        found.key()
        if any(found.version == other.version for other in entries):
            raise _wrong(f"keyring[{number}].version", f"version {found.version} is there twice")
        entries.append(found)
    return Keyring(tuple(entries))


def text_member(members: Mapping[str, Any], name: str, *, place: str = "", may_be_empty: bool = False) -> str:
    """A member that is text. Raises ``InvalidInput``. Any: what JSON holds."""
    value = members.get(name)
    if not isinstance(value, str) or len(value) > TEXT_CHARS_MAX or not (value or may_be_empty):
        raise _wrong(f"{place}{name}", f"it is missing, or no text of 1 to {TEXT_CHARS_MAX} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _wrong(f"{place}{name}", "it is no Unicode text") from None
    return value


class CellFile:
    """The file of one cell. It is replaced in one step, and is on disk when ``store`` returns."""

    def __init__(self, path: Path) -> None:
        """Nothing is read yet."""
        self.path = path

    def load(self) -> Cell | None:
        """The cell, or ``None`` where there is none, and where it is damaged: nobody is signed in then.

        Raises ``Misconfigured`` for a file that others may read, a link, and what is no file.
        """
        try:
            content = read_private_file(
                self.path, bytes_max=CELL_BYTES_MAX, code="SR-SESSION-003", what="workspace session"
            )
        except FileNotFoundError:
            return None
        try:
            return parse_cell(content)
        except StrongroomError as error:
            log.warning(
                "the workspace session on disk is damaged; nobody is signed in",
                extra={"path": str(self.path), "code": error.code, "why": str(error)},
            )
            return None

    def store(self, cell: Cell) -> None:
        """Replace what is there. Raises ``StorageFault``; then the old cell is still there."""
        beside = self.path.with_name(f".{self.path.name}.{secrets.token_hex(8)}")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private_file(beside, dump_cell(cell))
            beside.replace(self.path)
            self._sync_directory()
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise _unwritten(self.path, error) from error

    def wipe(self) -> None:
        """Remove it. Raises ``StorageFault`` when it is still there."""
        try:
            self.path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise _unwritten(self.path, error) from error
        self._sync_directory()

    def _sync_directory(self) -> None:
        descriptor = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _object(untrusted: object, place: str) -> Mapping[str, Any]:
    """An object of JSON. Any: its members."""
    if not isinstance(untrusted, dict):
        raise _wrong(place, "it is missing, or no object")
    return untrusted


def _wrong(place: str, why: str) -> InvalidInput:
    return InvalidInput(
        "SR-SESSION-002", f"{place} of a workspace session cannot be used", why=why, fix="sign in again", field=place
    )


def _unwritten(path: Path, error: OSError) -> StorageFault:
    return StorageFault(
        "SR-SESSION-004",
        f"the workspace session at {path} cannot be written",
        why=error.strerror or type(error).__name__,
        fix="make room, or let the user of the daemon write there; until then it may name a session that has ended",
    )
