"""Recovery files: the text of a keyring, sealed for people, and checked against the keyring it is a copy of.

What is in it is the text of ``ENCRYPTION_SECRETS`` and a line break: opened with any age, it is a keyring file as it
stands.
"""

from collections.abc import Sequence

from strongroom.crypto.recovery import open_copy, seal_copy
from strongroom.errors import Conflict, Misconfigured
from strongroom.keyring.root import RootKeyring, parse_secrets

__all__ = ["compare", "export_recovery", "open_recovery"]

WHERE = "recovery file"


def export_recovery(text: str, recipients: Sequence[str]) -> bytes:
    """A recovery file of the keyring ``text``, which is read first: a copy of something else recovers nothing."""
    parse_secrets(text)
    return seal_copy(text.encode() + b"\n", recipients)


def open_recovery(sealed: bytes, identity_text: str) -> tuple[RootKeyring, str]:
    """The keyring in a recovery file and its text. Raises ``InvalidInput``, ``Misconfigured``."""
    opened = open_copy(sealed, identity_text)
    try:
        text = opened.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise Misconfigured(
            "SR-KEYRING-029",
            "the recovery file opens, and what is in it is no keyring",
            fix="give a file that strongroom keys export-recovery wrote",
            where=WHERE,
        ) from None
    return parse_secrets(text, where=WHERE), text


def compare(copy: RootKeyring, keyring: RootKeyring) -> None:
    """Raises ``Conflict`` unless ``copy`` has exactly the versions and key ids of ``keyring``."""
    held = {version: keyring.key_id(version) for version in keyring.versions}
    found = {version: copy.key_id(version) for version in copy.versions}
    if held == found:
        return
    lost = sorted(set(held.values()) - set(found.values()))
    more = sorted(set(found.values()) - set(held.values()))
    why = "; ".join(
        f"{what} {', '.join(ids)}" for what, ids in (("it lacks", lost), ("the keyring lacks", more)) if ids
    )
    raise Conflict(
        "SR-KEYRING-030",
        "the recovery file is not a copy of this keyring",
        why=why,
        fix="make a new one: strongroom keys export-recovery",
        missing=",".join(lost),
        more=",".join(more),
    )
