"""``RootKeyring``: one root key per version, and one subroot of it per purpose.

Rule 1: a root is used directly for workspaces only, whose bytes are fixed by compatibility; all else has a subroot.
Rule 2: the promoted version writes; where nothing was ever promoted, the highest. Every version reads.
Rule 3: the secrets themselves are forgotten once their roots exist.
Rule 4: a change is made beside the keyring, written down, and only then swapped in (``changed``, ``become``).

Source: contracts/workspace-encryption.md 3 and 4, contracts/run-encryption.md 14.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from strongroom.crypto.keys import Key
from strongroom.errors import KeyMissing
from strongroom.keyring.secret_text import read_secrets, wrong_secrets

__all__ = [
    "AUDIT",
    "AUDIT_HEADS",
    "BACKUPS",
    "CACHE_MAC",
    "HOOK_TOKENS",
    "KEY_CHECK",
    "PLUGIN_STORES",
    "RECORD_MAC",
    "RUNS",
    "RUN_REQUESTS",
    "SECRET_BYTES_MIN",
    "WORKFLOWS",
    "RootKeyring",
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
HOOK_TOKENS: Final = "hook tokens"
AUDIT: Final = "audit"
AUDIT_HEADS: Final = "audit heads"  # a key that makes MACs of records does not seal as well
BACKUPS: Final = "backups"

SECRET_BYTES_MIN: Final = 32  # in serve mode: a shorter secret can be guessed faster than the keys it makes
SUBROOT_SALT: Final = b"strongroom/root/v1"
SUBROOTS_KEPT_MAX: Final = 1024  # purposes × versions in use are a few dozen; a bound all the same


@dataclass(frozen=True, slots=True, repr=False)
class _Held:
    """What a keyring holds at one moment. It is replaced as a whole, so a reader never sees half of a change."""

    roots: Mapping[int, Key]
    promoted: int | None
    retired: frozenset[int]
    writing_version: int
    subroots: dict[tuple[str, int], Key] = field(default_factory=dict)


class RootKeyring:
    """The roots of this host by version. It shows versions and key ids, never keys.

    It is one object for the life of the process: what holds it sees a change at its next question. Safe for any thread.
    """

    __slots__ = ("_held",)

    def __init__(
        self, roots: Mapping[int, Key], *, promoted: int | None = None, retired: frozenset[int] = frozenset()
    ) -> None:
        """Take at least one root. ``retired`` versions that are held all the same read, and never write."""
        highest = max(roots.keys() - retired or roots)
        self._held = _Held(dict(roots), promoted, frozenset(retired & roots.keys()), promoted or highest)

    @property
    def versions(self) -> tuple[int, ...]:
        """Every version that is held, highest first."""
        return tuple(sorted(self._held.roots, reverse=True))

    @property
    def writing_version(self) -> int:
        """The version that new things are sealed under."""
        return self._held.writing_version

    @property
    def promoted(self) -> int | None:
        """The version that was promoted last, if one ever was."""
        return self._held.promoted

    @property
    def retired(self) -> frozenset[int]:
        """Versions that were retired and are offered all the same."""
        return self._held.retired

    def changed(
        self, *, promoted: int | None = None, retired: frozenset[int] | None = None, without: int | None = None
    ) -> "RootKeyring":
        """Another keyring with the same roots, but for what is named. This one stays as it is until ``become``."""
        held = self._held
        return RootKeyring(
            {version: root for version, root in held.roots.items() if version != without},
            promoted=promoted or held.promoted,
            retired=held.retired if retired is None else retired,
        )

    def become(self, other: "RootKeyring") -> None:
        """Hold what ``other`` holds, from the next question on, everywhere at once."""
        self._held = other._held  # noqa: SLF001 - of its own class

    def key_id(self, version: int) -> str:
        """A name for the root of ``version`` that is safe to show, such as ``k1-0a1b2c3d``."""
        return f"k{version}-{self.subroot(KEY_CHECK, version).fingerprint()}"

    def subroot(self, purpose: str, version: int) -> Key:
        """The key of ``version`` for one purpose. Raises ``KeyMissing`` when this host has no such version."""
        held = self._held
        known = held.subroots.get((purpose, version))
        if known is not None:
            return known
        subroot = self._root(held, version).derive(salt=SUBROOT_SALT, info=purpose.encode())
        if len(held.subroots) >= SUBROOTS_KEPT_MAX:
            held.subroots.clear()
        held.subroots[(purpose, version)] = subroot
        return subroot

    def workspace_owner_key(self, version: int, info: bytes) -> Key:
        """The key of an owner of workspaces, the one thing that a root is used for directly (rule 1).

        Raises ``KeyMissing`` when this host has no such version.
        """
        return self._root(self._held, version).derive(salt=b"", info=info)

    def _root(self, held: _Held, version: int) -> Key:
        root = held.roots.get(version)
        if root is None:
            raise KeyMissing(
                "SR-KEY-002",
                f"root key version {version} is missing",
                why=f"the keyring of this host has {', '.join(self.key_id(known) for known in self.versions)}",
                fix=f"add the secret of version {version} to the keyring; nothing was changed",
                key_version=version,
            )
        return root

    def __repr__(self) -> str:
        """The versions."""
        return f"<RootKeyring versions {', '.join(map(str, self.versions))}>"


def parse_secrets(text: str, *, where: str = "ENCRYPTION_SECRETS", secret_bytes_min: int = 1) -> RootKeyring:
    """The keyring in ``text``, which is that of ``ENCRYPTION_SECRETS``.

    ``secret_bytes_min`` refuses shorter secrets. Raises ``Misconfigured`` with ``where``; no message holds any part of
    a secret.
    """
    roots: dict[int, Key] = {}
    for entry in read_secrets(text, where=where):
        secret = entry.secret.encode()
        if len(secret) < secret_bytes_min:
            raise wrong_secrets(
                where,
                f"the secret of root key version {entry.version} is too short",
                why=f"it has {len(secret)} bytes, at least {secret_bytes_min} are needed",
            )
        roots[entry.version] = Key.from_secret(secret)
    return RootKeyring(roots)
