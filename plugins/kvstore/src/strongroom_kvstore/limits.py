"""What one workflow may keep. As shipped the sizes are those of a secret (capability-wire 11.7)."""

from dataclasses import dataclass
from typing import Final

from strongroom.plugin import CapabilityError

__all__ = ["PAGE_KEYS_DEFAULT", "PAGE_KEYS_MAX", "TOMBSTONES_MAX", "KvLimits", "exceeded"]

PAGE_KEYS_DEFAULT: Final = 100
PAGE_KEYS_MAX: Final = 1_000
TOMBSTONES_MAX: Final = 100
"""Deleted keys whose version is remembered one by one; beyond that the versions of new keys start above all of them."""
KEY_BYTES_CEILING: Final = 256  # the host's store takes 512 bytes, and a workflow's id stands in front
VALUE_BYTES_CEILING: Final = 1_000_000  # the host's store takes 1 MiB, and the answer to the writer stands beside it
ENTRIES_CEILING: Final = 10_000  # the names of a workflow's keys are held in memory
TOTAL_BYTES_CEILING: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KvLimits:
    """Limits for each workflow. Sizes are bytes; ``total_bytes_max`` counts keys and values."""

    key_bytes_max: int = 64
    value_bytes_max: int = 2_000
    entries_max: int = 100
    total_bytes_max: int = 200_000

    def __post_init__(self) -> None:
        for name, value, ceiling in (
            ("key_bytes_max", self.key_bytes_max, KEY_BYTES_CEILING),
            ("value_bytes_max", self.value_bytes_max, VALUE_BYTES_CEILING),
            ("entries_max", self.entries_max, ENTRIES_CEILING),
            ("total_bytes_max", self.total_bytes_max, TOTAL_BYTES_CEILING),
        ):
            if not 1 <= value <= ceiling:
                raise ValueError(f"{name} must be in 1..{ceiling}, it is {value}")

    def check_key(self, untrusted: str, name: str = "key") -> str:
        """``untrusted``, which is a key; ``name`` says which field it is. Raises ``CapabilityError``."""
        if not untrusted:
            raise CapabilityError("Public", "User", "InvalidArgument", f"{name} is missing")
        if (size := len(untrusted.encode())) > self.key_bytes_max:
            raise exceeded(name, f"{size} bytes, the limit is {self.key_bytes_max}")
        if not untrusted.isprintable():
            raise CapabilityError("Public", "User", "InvalidArgument", f"{name} holds control characters")
        return untrusted

    def check_value(self, untrusted: bytes) -> bytes:
        """``untrusted``, which is not too big. Raises ``CapabilityError``."""
        if len(untrusted) > self.value_bytes_max:
            raise exceeded("value", f"{len(untrusted)} bytes, the limit is {self.value_bytes_max}")
        return untrusted


def exceeded(what: str, detail: str) -> CapabilityError:
    """A limit error, as capability-wire section 7 writes it."""
    return CapabilityError("Public", "User", "LimitExceeded", f"{what}: {detail}")
