"""What an owner seals to the vault: a value, whose it is, and how strong a run must be to read it.

Rule 1: what a secret asks for is sealed together with its value. Whoever passes it on could otherwise ask for less.
Rule 2: the entry names owner, namespace and key, so that a sealed value cannot be stored under another name.
Source: contracts/attestation.md 3 and 17.4. The entry itself is ours.
"""

from dataclasses import dataclass, field
from typing import Final

from strongroom.attest import cbor
from strongroom.attest.assurance import CLASSES
from strongroom.attest.codes import UNSUPPORTED_VERSION
from strongroom.attest.evidence import HARDWARE, check_size, malformed
from strongroom.attest.fields import Fields
from strongroom.errors import EvidenceRejected

__all__ = ["ENTRY_OVERHEAD_BYTES_MAX", "SecretEntry", "decode_secret_entry", "is_secret_entry"]

PROFILE: Final = "strongroom/secret/v1"
PREFIX: Final = b"\x00strongroom-secret-v1\x00"
"""No text that a workflow could be given begins so: plain values of other clients are told apart by it."""
ENTRY_OVERHEAD_BYTES_MAX: Final = 640
"""What an entry is longer than its value, at most: three names of 128 bytes, the names of the keys, and the prefix."""
_HERE: Final = "secret"
_KEYS: Final = frozenset({"profile", "owner", "namespace", "key", "min_assurance", "test_only", "value"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretEntry:
    """``owner`` is 40 lower-case hex digits; ``min_assurance`` a class, ``local`` being the weakest."""

    owner: str
    namespace: str
    key: str
    value: bytes = field(repr=False)
    min_assurance: str = HARDWARE
    is_test_only: bool = False

    def encode(self, *, bytes_max: int) -> bytes:
        """What is sealed. Raises ``EvidenceRejected`` for a field that may not be what it is."""
        value = {
            "profile": PROFILE,
            "owner": self.owner,
            "namespace": self.namespace,
            "key": self.key,
            "min_assurance": self.min_assurance,
            "test_only": int(self.is_test_only),
            "value": self.value,
        }
        _read(value, bytes_max)
        return PREFIX + cbor.canonical(value)


def is_secret_entry(opened: bytes) -> bool:
    """Whether ``opened``, which was sealed to the vault, is an entry. What is not one is a plain value."""
    return opened.startswith(PREFIX)


def decode_secret_entry(opened: bytes, *, bytes_max: int) -> SecretEntry:
    """The entry in ``opened``; its value has at most ``bytes_max`` bytes. Raises ``EvidenceRejected``."""
    check_size(f"{_HERE} size", opened, bytes_max + ENTRY_OVERHEAD_BYTES_MAX)
    if not is_secret_entry(opened):
        raise malformed(f"{_HERE} prefix", got="other bytes", wanted="the prefix of an entry")
    return _read(cbor.decode_canonical(_HERE, opened.removeprefix(PREFIX)), bytes_max)


def _read(value: object, bytes_max: int) -> SecretEntry:
    found = Fields(_HERE, value, _KEYS)
    profile = found.text("profile")
    if profile != PROFILE:
        raise EvidenceRejected(UNSUPPORTED_VERSION, f"{_HERE} profile", got=profile, wanted=PROFILE)
    test_only = found.uint("test_only")
    if test_only > 1:
        raise malformed(f"{_HERE} test_only", got=str(test_only), wanted="0 or 1")
    return SecretEntry(
        owner=found.text("owner"),
        namespace=found.text("namespace"),
        key=found.text("key"),
        value=found.blob("value", bytes_max=bytes_max),
        min_assurance=found.choice("min_assurance", CLASSES),
        is_test_only=bool(test_only),
    )
