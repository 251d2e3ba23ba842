"""``RootKeyring``: one root key per version, and one subroot of it per purpose.

Rule 1: a root is used directly for workspaces only, whose bytes are fixed by compatibility; all else has a subroot.
Rule 2: the highest version writes; every version reads.
Rule 3: the secrets themselves are forgotten once their roots exist.

The file that holds them is the text of ``ENCRYPTION_SECRETS``, readable by its owner alone; one line break at its end
is not part of it, so that an editor may add one.

Source: contracts/workspace-encryption.md 3 and 4, contracts/run-encryption.md 14.2.
"""

import base64
import logging
import os
import secrets
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from strongroom.crypto.keys import Key
from strongroom.errors import KeyMissing, Misconfigured
from strongroom.keyring.versions import VERSION_MAX, VERSION_MIN, is_canonical, read_version

__all__ = [
    "CACHE_MAC",
    "KEY_CHECK",
    "PLUGIN_STORES",
    "RECORD_MAC",
    "RUNS",
    "RUN_REQUESTS",
    "WORKFLOWS",
    "RootKeyring",
    "create_dev_keyring",
    "load_keyring",
    "parse_secrets",
]

# Purposes. The text is part of the derivation: changing one makes everything sealed for it unreadable.
RUNS: Final = "runs"
RECORD_MAC: Final = "record MAC"
CACHE_MAC: Final = "cache MAC"
KEY_CHECK: Final = "key check"
PLUGIN_STORES: Final = "plugin stores"
WORKFLOWS: Final = "workflows"
RUN_REQUESTS: Final = "run requests"

SECRET_BYTES_MIN: Final = 32  # in serve mode: a shorter secret can be guessed faster than the keys it makes
FILE_BYTES_MAX: Final = 65_536  # 255 versions of 256 characters; more is not a keyring
SUBROOT_SALT: Final = b"strongroom/root/v1"
SUBROOTS_KEPT_MAX: Final = 1024  # purposes × versions in use are a few dozen; a bound all the same

_log = logging.getLogger("strongroom.keyring")


class RootKeyring:
    """The roots of this host by version. It shows versions and key ids, never keys."""

    __slots__ = ("_roots", "_subroots", "versions", "writing_version")

    def __init__(self, roots: Mapping[int, Key]) -> None:
        """Take at least one root. ``versions`` come highest first."""
        self._roots = dict(roots)
        self._subroots: dict[tuple[str, int], Key] = {}
        self.versions: tuple[int, ...] = tuple(sorted(self._roots, reverse=True))
        self.writing_version: int = self.versions[0]

    def key_id(self, version: int) -> str:
        """A name for the root of ``version`` that is safe to show, such as ``k1-0a1b2c3d``."""
        return f"k{version}-{self.subroot(KEY_CHECK, version).fingerprint()}"

    def subroot(self, purpose: str, version: int) -> Key:
        """The key of ``version`` for one purpose. Raises ``KeyMissing`` when this host has no such version."""
        known = self._subroots.get((purpose, version))
        if known is not None:
            return known
        root = self._roots.get(version)
        if root is None:
            raise KeyMissing(
                "SR-KEY-002",
                f"root key version {version} is missing",
                why=f"the keyring of this host has {', '.join(self.key_id(known) for known in self.versions)}",
                fix=f"add the secret of version {version} to the keyring; nothing was changed",
                key_version=version,
            )
        if len(self._subroots) >= SUBROOTS_KEPT_MAX:
            self._subroots.clear()
        subroot = root.derive(salt=SUBROOT_SALT, info=purpose.encode())
        self._subroots[(purpose, version)] = subroot
        return subroot

    def __repr__(self) -> str:
        """The versions."""
        return f"<RootKeyring versions {', '.join(map(str, self.versions))}>"


def parse_secrets(text: str, *, where: str = "ENCRYPTION_SECRETS", secret_bytes_min: int = 1) -> RootKeyring:
    """The keyring in ``text``: ``version:secret`` entries with commas between, split at the first colon.

    A secret is used exactly as it stands. ``secret_bytes_min`` refuses shorter ones. Raises ``Misconfigured`` with
    ``where``; no message holds any part of a secret.
    """
    if not text:
        raise _wrong(where, "ENCRYPTION_SECRETS is required")
    roots: dict[int, Key] = {}
    for number, entry in enumerate(text.split(","), start=1):
        version, secret = _entry(entry, f"{where}: entry {number}")
        if version in roots:
            raise _wrong(where, f"Duplicate root keyring version: {version}")
        if len(secret) < secret_bytes_min:
            raise _wrong(
                where,
                f"the secret of root key version {version} is too short",
                why=f"it has {len(secret)} bytes, at least {secret_bytes_min} are needed",
            )
        roots[version] = Key.from_secret(secret)
    return RootKeyring(roots)


def load_keyring(path: Path, *, strict: bool = False) -> RootKeyring:
    """The keyring in the file at ``path``.

    ``strict`` (serve) refuses secrets shorter than 32 bytes. Raises ``Misconfigured`` when the file is missing, may be
    read by group or others, is too big, or is no keyring; each with the command that fixes it.
    """
    try:
        # O_NONBLOCK: opening a named pipe must not wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise Misconfigured(
            "SR-KEYRING-002",
            f"there is no keyring at {path}",
            why="without a root secret nothing can be sealed or read",
            fix="name the keyring of this state with the setting keyring_file (--set keyring_file=FILE);"
            f" only for a new installation make one: {_command_that_makes(path)}",
            where=str(path),
        ) from None
    except OSError as error:
        raise _unreadable(path, error.strerror or type(error).__name__) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise _unreadable(path, "it is no regular file")
    with os.fdopen(descriptor, "rb") as file:
        mode = stat.S_IMODE(status.st_mode)
        if mode & 0o077:
            raise Misconfigured(
                "SR-KEYRING-004",
                f"the keyring at {path} may be read by others",
                why=f"its mode is {mode:04o}",
                fix=f"chmod 600 {path}",
                where=str(path),
            )
        raw = file.read(FILE_BYTES_MAX + 1)
    if len(raw) > FILE_BYTES_MAX:
        raise Misconfigured(
            "SR-KEYRING-005",
            f"the keyring at {path} is larger than {FILE_BYTES_MAX} bytes",
            why="a keyring is a line of text",
            fix="check that the path names the keyring",
            where=str(path),
            limit=FILE_BYTES_MAX,
        )
    return parse_secrets(_text(raw, path), where=str(path), secret_bytes_min=SECRET_BYTES_MIN if strict else 1)


def create_dev_keyring(path: Path) -> None:
    """Write a keyring with one random secret of 32 bytes as version 1, mode 0600, and sync it.

    Raises ``Misconfigured`` when ``path`` exists: replacing a keyring makes all that it sealed unreadable.
    """
    secret = base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Misconfigured(
            "SR-KEYRING-006",
            f"there is something at {path} already",
            why="replacing a keyring makes all that it sealed unreadable",
            fix="use it as it is, or choose another path",
            where=str(path),
        ) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(b"1:" + secret + b"\n")
        file.flush()
        os.fsync(file.fileno())
    # The name must last as long as the bytes: data sealed under a lost keyring is lost.
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _command_that_makes(path: Path) -> str:
    """A line of shell that makes the keyring with nothing but what every machine has."""
    directory, file = shlex.quote(str(path.parent)), shlex.quote(str(path))
    return (
        f"mkdir -p -m 700 {directory} && (umask 077; printf '1:%s\\n' \"$(head -c 32 /dev/urandom | base64)\" > {file})"
    )


def _unreadable(path: Path, why: str) -> Misconfigured:
    return Misconfigured(
        "SR-KEYRING-003",
        f"the keyring at {path} cannot be read",
        why=why,
        fix="give the path of a file that the user of the daemon owns",
        where=str(path),
    )


def _text(raw: bytes, path: Path) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Misconfigured(
            "SR-KEYRING-007",
            f"the keyring at {path} is not UTF-8 text",
            fix="check that the path names the keyring",
            where=str(path),
        ) from None
    return text.removesuffix("\n").removesuffix("\r")


def _entry(entry: str, where: str) -> tuple[int, bytes]:
    untrusted_version, colon, secret = entry.partition(":")
    if not colon:
        raise _wrong(where, 'Root keyring entry must use "version:secret" format')
    if not untrusted_version:
        raise _wrong(where, "Root keyring entry version is required")
    if not secret:
        raise _wrong(where, "Root keyring entry secret is required")
    version = read_version(untrusted_version)
    if version is None:
        raise _wrong(where, f"Root keyring entry version must be an integer from {VERSION_MIN} to {VERSION_MAX}")
    if not is_canonical(untrusted_version):
        _log.warning("%s: write the version of this root key as %d, in plain decimal", where, version)
    try:
        return version, secret.encode()
    except UnicodeEncodeError:
        raise _wrong(where, "Root keyring entry secret is not valid Unicode text") from None


def _wrong(where: str, what: str, *, why: str = "") -> Misconfigured:
    return Misconfigured(
        "SR-KEYRING-001",
        what,
        why=why,
        fix='a keyring is "version:secret" entries with commas between, such as 2:NEW,1:OLD; versions are 1 to 255',
        where=where,
    )
