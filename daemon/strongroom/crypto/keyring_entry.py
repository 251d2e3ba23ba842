"""``Keyring``: the keys of one owner by version, as they travel from who derives them to who uses them.

Key material stands in it as base64 text, because that is its form in a session. It is compared and carried, and shows
versions only; keys that are used are ``Key`` objects.
Source: contracts/workspace-encryption.md 4.
"""

from dataclasses import dataclass, field
from typing import Final

from strongroom.crypto.base64_text import decode_base64, encode_base64
from strongroom.crypto.keys import KEY_BYTES, Key
from strongroom.errors import InvalidInput

__all__ = ["KEY_TEXT_CHARS_MAX", "Keyring", "KeyringEntry", "entry_of", "is_key_version", "keyring_of"]

KEY_TEXT_CHARS_MAX: Final = 256  # 44 are enough; white space is allowed
KEY_VERSION_MIN: Final = 1
KEY_VERSION_MAX: Final = 255  # a blob has one byte for it
_FIX: Final = "take the keyring as its server gives it"


def is_key_version(untrusted: object) -> bool:
    """Whether it is an integer in 1..255; ``True`` is none."""
    return type(untrusted) is int and KEY_VERSION_MIN <= untrusted <= KEY_VERSION_MAX


@dataclass(frozen=True, slots=True)
class KeyringEntry:
    """One key: its version, and its bytes as standard base64, which ``key`` reads."""

    version: int
    key_bytes_base64: str = field(repr=False)

    def __post_init__(self) -> None:
        """Raise ``InvalidInput`` for a version out of 1..255 and for a text that is far too long for a key."""
        if not is_key_version(self.version):
            raise InvalidInput(
                "SR-KEYRING-010", "Keyring version must be an integer from 1 to 255", fix=_FIX, field="version"
            )
        if len(self.key_bytes_base64) > KEY_TEXT_CHARS_MAX:
            raise InvalidInput(
                "SR-KEYRING-011",
                f"Keyring version {self.version}: more than {KEY_TEXT_CHARS_MAX} characters are no key",
                fix=_FIX,
                field="keyBytesBase64",
                size=len(self.key_bytes_base64),
                limit=KEY_TEXT_CHARS_MAX,
            )

    def key(self) -> Key:
        """The key itself. Raises ``InvalidInput``, which repeats nothing of it, when the text is no key in base64."""
        raw = decode_base64(self.key_bytes_base64)
        if raw is None:
            raise InvalidInput(
                "SR-KEYRING-012",
                "Invalid character",
                why=f"the key of version {self.version} is not standard base64",
                fix=_FIX,
                field="keyBytesBase64",
                key_version=self.version,
            )
        if len(raw) != KEY_BYTES:
            raise InvalidInput(
                "SR-KEYRING-013",
                f"Keyring version {self.version}: expected {KEY_BYTES} decoded bytes, got {len(raw)}",
                fix=_FIX,
                field="keyBytesBase64",
                key_version=self.version,
            )
        return Key(raw)


@dataclass(frozen=True, slots=True, eq=False)
class Keyring:
    """At least one entry. ``promoted`` is the version that writes; where it is ``None`` the highest does.

    Two keyrings are equal when they hold the same versions with the same texts, in whatever order, and write with the
    same one. Repeated versions are found when the keys are derived.
    """

    entries: tuple[KeyringEntry, ...]
    promoted: int | None = None

    def __post_init__(self) -> None:
        """Raise ``InvalidInput`` when there is no entry, or none of the promoted version."""
        if not self.entries:
            raise InvalidInput("SR-KEYRING-014", "Keyring must contain at least one key", fix=_FIX, field="keyring")
        if self.promoted is not None and self.promoted not in self.versions:
            raise InvalidInput(
                "SR-KEYRING-015",
                f"the keyring has no version {self.promoted}, which is to write",
                fix="promote a version that the keyring holds",
                field="promoted",
                key_version=self.promoted,
            )

    @property
    def versions(self) -> tuple[int, ...]:
        """Highest first."""
        return tuple(sorted((entry.version for entry in self.entries), reverse=True))

    @property
    def writing_version(self) -> int:
        """The version that new values are sealed with."""
        return self.promoted if self.promoted is not None else self.versions[0]

    def same_keys(self, other: "Keyring") -> bool:
        """Whether both hold the same versions with the same texts; order and the writing version do not count."""
        return frozenset(self.entries) == frozenset(other.entries)

    def __eq__(self, other: object) -> bool:
        """Same keys and same writing version."""
        if not isinstance(other, Keyring):
            return NotImplemented
        return self.same_keys(other) and self.writing_version == other.writing_version

    def __hash__(self) -> int:
        """Of what is compared."""
        return hash((frozenset(self.entries), self.writing_version))


def entry_of(version: int, key: Key) -> KeyringEntry:
    """``key`` as it travels. Raises ``InvalidInput`` for a version out of 1..255."""
    return KeyringEntry(version, encode_base64(key._raw))  # noqa: SLF001 - keys are looked at inside this package


def keyring_of(key: Key) -> Keyring:
    """A keyring of this one key, as version 1: what a password gives."""
    return Keyring((entry_of(KEY_VERSION_MIN, key),))
