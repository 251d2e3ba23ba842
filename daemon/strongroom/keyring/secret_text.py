"""The text of ``ENCRYPTION_SECRETS``: ``version:secret`` entries with commas between, split at the first colon.

A secret is used exactly as it stands: it may hold colons, and no comma.
Source: contracts/workspace-encryption.md 3.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from strongroom.errors import InvalidInput, Misconfigured
from strongroom.keyring.versions import VERSION_MAX, VERSION_MIN, is_canonical, read_version

__all__ = ["SecretEntry", "format_secrets", "read_secrets", "wrong_secrets"]

_log = logging.getLogger("strongroom.keyring")


@dataclass(frozen=True, slots=True)
class SecretEntry:
    """One root secret of a keyring and its version. It shows the version only."""

    version: int
    secret: str = field(repr=False)


def read_secrets(text: str, *, where: str = "ENCRYPTION_SECRETS") -> tuple[SecretEntry, ...]:
    """The entries in ``text``, highest version first.

    A version in another form than plain decimal is taken with a warning. Raises ``Misconfigured`` with ``where``; no
    message holds any part of a secret.
    """
    if not text:
        raise wrong_secrets(where, "ENCRYPTION_SECRETS is required")
    found: dict[int, SecretEntry] = {}
    for number, untrusted in enumerate(text.split(","), start=1):
        entry = _entry(untrusted, f"{where}: entry {number}")
        if entry.version in found:
            raise wrong_secrets(where, f"Duplicate root keyring version: {entry.version}")
        found[entry.version] = entry
    return tuple(found[version] for version in sorted(found, reverse=True))


def format_secrets(entries: Iterable[SecretEntry]) -> str:
    """The text that ``read_secrets`` reads as ``entries``, highest version first, versions in plain decimal.

    Raises ``InvalidInput`` when there is no such text: no entry at all, a version twice or out of 1..255, an empty
    secret or one with a comma or with what UTF-8 cannot carry.
    """
    found = tuple(sorted(entries, key=lambda entry: entry.version, reverse=True))
    text = ",".join(f"{entry.version}:{entry.secret}" for entry in found)
    try:
        # Reading back is the whole check: what is written must come back as it was.
        is_right = read_secrets(text) == found
    except Misconfigured:
        is_right = False
    if not is_right:
        raise InvalidInput(
            "SR-KEYRING-017",
            "these secrets are no keyring",
            why=f"versions are {VERSION_MIN} to {VERSION_MAX}, each once; a secret is not empty and holds no comma",
            fix="give one secret for each version",
            field="secrets",
        )
    return text


def wrong_secrets(where: str, what: str, *, why: str = "") -> Misconfigured:
    """The error for a text that is no keyring, found at ``where``."""
    return Misconfigured(
        "SR-KEYRING-001",
        what,
        why=why,
        fix='a keyring is "version:secret" entries with commas between, such as 2:NEW,1:OLD; versions are 1 to 255',
        where=where,
    )


def _entry(untrusted: str, where: str) -> SecretEntry:
    untrusted_version, colon, secret = untrusted.partition(":")
    if not colon:
        raise wrong_secrets(where, 'Root keyring entry must use "version:secret" format')
    if not untrusted_version:
        raise wrong_secrets(where, "Root keyring entry version is required")
    if not secret:
        raise wrong_secrets(where, "Root keyring entry secret is required")
    version = read_version(untrusted_version)
    if version is None:
        raise wrong_secrets(where, f"Root keyring entry version must be an integer from {VERSION_MIN} to {VERSION_MAX}")
    if not is_canonical(untrusted_version):
        _log.warning("%s: write the version of this root key as %d, in plain decimal", where, version)
    try:
        secret.encode()
    except UnicodeEncodeError:
        raise wrong_secrets(where, "Root keyring entry secret is not valid Unicode text") from None
    return SecretEntry(version, secret)
