"""Which key a vault must have: what a person or an operator wrote down, and what was agreed to at an earlier time.

Rule 1: what is said now wins over the setting, the setting over the key beside a development host, and all of these
over the list of known vaults.
Rule 2: the list is only added to. Another key than the listed one is never taken for the same vault.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from strongroom.cli.caller import Caller, read_file
from strongroom.cli.channel import find_socket
from strongroom.cli.exits import Exit
from strongroom.cli.failure import Failure, bad_data
from strongroom.crypto.key_text import PUBLIC_KEY_BYTES_MAX, is_private, public_key_in
from strongroom.errors import InvalidInput, Misconfigured

__all__ = ["KNOWN_VAULTS", "Pin", "find_pin", "remember"]

KNOWN_VAULTS: Final = "known_vaults"
KNOWN_BYTES_MAX: Final = 1_000_000
_HEX: Final = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class Pin:
    """The raw Ed25519 key that a vault must have, and who says so."""

    public: bytes
    source: str


def find_pin(caller: Caller, named: str) -> Pin | None:
    """The key that is pinned for the vault of this host; ``named`` is ``--vault-key``. Raises ``Failure``."""
    if named:
        return _named(named)
    from strongroom.settings.layers import load

    flags = {} if caller.state_dir is None else {"state_dir": caller.state_dir}
    loaded = load("client", flags, Path.cwd(), os.environ)
    settings = loaded.settings
    if settings.vault_public_key_file is not None:
        return Pin(_key_in("vault_public_key_file", settings.vault_public_key_file), "vault_public_key_file")
    # The keys of another host must not be taken for those of this one: only a socket in its state directory says so.
    beside = settings.keys_dir / "vault.pub"
    if find_socket(caller).parent == settings.state_dir.absolute() and os.access(beside, os.R_OK):
        return Pin(_key_in("keys_dir", beside), str(beside))
    return _known(caller)


def remember(caller: Caller, public: bytes) -> Path:
    """Write down that the vault of this host has this key; where that stands. Raises ``Failure``."""
    path = _known_file()
    if path is None:
        raise bad_data(
            "SR-CLI-112",
            "there is no directory of yours to write down known vaults in",
            why="neither HOME nor XDG_CONFIG_HOME is set",
            fix="set one of them, or pin the key with --vault-key",
            exit_code=Exit.CONFIGURATION,
        )
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{_target(caller)} {public.hex()}\n")
    except OSError as error:
        raise bad_data(
            "SR-CLI-110",
            f"{path} cannot be written",
            why=error.strerror or "",
            fix="make room for it, or pin the key with --vault-key; nothing was stored",
            exit_code=Exit.CANNOT_CREATE,
        ) from error
    return path


def _named(named: str) -> Pin:
    if _HEX.fullmatch(named):
        return Pin(bytes.fromhex(named), "--vault-key")
    if is_private(named):
        # Not a path: it would be repeated.
        return Pin(_public("--vault-key", "--vault-key", named), "--vault-key")
    return Pin(_key_in("--vault-key", Path(named)), "--vault-key")


def _key_in(option: str, path: Path) -> bytes:
    raw = read_file(option, path, bytes_max=PUBLIC_KEY_BYTES_MAX)
    return _public(option, str(path), raw.decode("ascii", "replace"))


def _public(option: str, place: str, text: str) -> bytes:
    try:
        return public_key_in(text)
    except InvalidInput as error:
        raise bad_data(
            "SR-CLI-111",
            f"{place} holds no public key of a vault",
            why=error.why,
            fix=f"give {option} the vault.pub of the vault, or the 64 hex digits that its operator names",
        ) from None


def _known(caller: Caller) -> Pin | None:
    path, target = _known_file(), _target(caller)
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            text = file.read(KNOWN_BYTES_MAX + 1).decode("ascii", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error.strerror or "the system says so") from error
    if len(text) > KNOWN_BYTES_MAX:
        raise _unreadable(path, f"it has more than {KNOWN_BYTES_MAX} bytes")
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2 or not _HEX.fullmatch(words[1]):
            raise _unreadable(path, f"line {number} is not a target and 64 hex digits")
        if words[0] == target:
            return Pin(bytes.fromhex(words[1]), f"{path}, line {number}")
    return None


def _known_file() -> Path | None:
    """Where the list is, None for who has no directory of their own."""
    from strongroom.settings.places import user_file

    settings_file = user_file(os.environ)
    return settings_file.with_name(KNOWN_VAULTS) if settings_file is not None else None


def _target(caller: Caller) -> str:
    return f"unix:{quote(os.fsencode(find_socket(caller)))}"


def _unreadable(path: Path, why: str) -> Failure:
    error = Misconfigured(
        "SR-CLI-113",
        f"the list of known vaults {path} cannot be read",
        why=why,
        fix="correct it; a line is the target of a host, a space, and the key of its vault",
        where=str(path),
    )
    return Failure(error, Exit.CONFIGURATION)
