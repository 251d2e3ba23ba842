"""The full name of a secret: owner, namespace, key.

On the wire an owner is 40 hex digits or ``0x`` and EIP-55 mixed case; in the store it is 40 lower-case digits, so that
one owner never has two sets of secrets.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from strongroom.crypto.keccak import keccak256
from strongroom.plugin import InvalidInput
from strongroom.plugin.messages import vault_pb2
from strongroom_vault.limits import KEY_BYTES_MAX, NAMESPACE_BYTES_MAX, OWNER_BYTES_MAX

__all__ = ["DEFAULT_NAMESPACE", "STORE_PREFIX", "SecretName", "SecretRefused", "checksummed", "normal_owner"]

DEFAULT_NAMESPACE: Final = "main"
STORE_PREFIX: Final = "secret/"
_OWNER: Final = re.compile(r"[0-9a-fA-F]{40}")


class SecretRefused(InvalidInput):
    """One secret of a request cannot be served. The text goes into the answer for that secret."""

    def __init__(self, what: str) -> None:
        super().__init__("SR-VAULT-001", what)


@dataclass(frozen=True, slots=True)
class SecretName:
    """Owner (40 lower-case hex digits), namespace and key, all checked."""

    owner: str
    namespace: str
    key: str

    @classmethod
    def from_wire(cls, untrusted: vault_pb2.SecretIdentifier, *, caller: str) -> "SecretName":
        """The name in ``untrusted``, which must belong to ``caller`` (40 hex digits, or empty for the host itself).

        Raises ``SecretRefused``.
        """
        owner = normal_owner(untrusted.owner or caller)
        if caller and owner != caller:
            raise SecretRefused("owner is not the owner of the calling workflow, which reaches its own secrets only")
        namespace = untrusted.namespace or DEFAULT_NAMESPACE
        _check_part("namespace", namespace, NAMESPACE_BYTES_MAX)
        _check_part("key", untrusted.key, KEY_BYTES_MAX)
        if ":" in namespace:
            raise SecretRefused("namespace holds a colon: answers are matched by owner::namespace::key")
        return cls(owner, namespace, untrusted.key)

    @classmethod
    def from_store_key(cls, owner: str, store_key: str) -> "SecretName":
        """The name whose ``store_key`` this is."""
        namespace, key = store_key.removeprefix(STORE_PREFIX).split("/")
        return cls(owner, unquote(namespace), unquote(key))

    @property
    def store_key(self) -> str:
        """Where the host's store keeps it. Quoting keeps two names from meeting in one key."""
        return f"{STORE_PREFIX}{quote(self.namespace, safe='')}/{quote(self.key, safe='')}"

    def to_wire(self) -> vault_pb2.SecretIdentifier:
        """For an answer: the owner carries its checksum, the namespace is always set."""
        return vault_pb2.SecretIdentifier(key=self.key, namespace=self.namespace, owner=checksummed(self.owner))


def normal_owner(untrusted: str) -> str:
    """40 lower-case hex digits. Raises ``SecretRefused``, also for a ``0x`` address whose checksum does not match."""
    if not untrusted:
        raise SecretRefused("owner is missing")
    if (size := len(untrusted.encode("utf-8", "replace"))) > OWNER_BYTES_MAX:
        raise SecretRefused(f"owner: {size} bytes is more than {OWNER_BYTES_MAX}")
    digits = untrusted.removeprefix("0x").removeprefix("0X")
    if not _OWNER.fullmatch(digits):
        raise SecretRefused("owner is not 40 hex digits, with or without 0x")
    mixed = digits not in {digits.lower(), digits.upper()}
    if mixed and digits != untrusted and checksummed(digits.lower()) != "0x" + digits:
        raise SecretRefused("owner's letters do not match its EIP-55 checksum: one digit is probably mistyped")
    return digits.lower()


def checksummed(owner: str) -> str:
    """``owner`` (40 lower-case hex digits) as ``0x`` and EIP-55 mixed case."""
    digest = keccak256(owner.encode()).hex()
    return "0x" + "".join(c.upper() if int(d, 16) >= 8 else c for c, d in zip(owner, digest, strict=False))


def _check_part(name: str, untrusted: str, limit: int) -> None:
    if not untrusted:
        raise SecretRefused(f"{name} is missing")
    if (size := len(untrusted.encode())) > limit:
        raise SecretRefused(f"{name}: {size} bytes is more than {limit}")
    if not untrusted.isprintable() or untrusted != untrusted.strip():
        raise SecretRefused(f"{name} holds control characters, or starts or ends with a space")
