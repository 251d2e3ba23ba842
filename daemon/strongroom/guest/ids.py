"""Ids and hashes that guests, capabilities and other hosts compute in the same way.

Source: contracts/cre-guest.md sections 9 and 13. None of these formulas separates its parts, so different inputs can
give one id: they name things, they are no keys of uniqueness.
"""

import hashlib
import re
from functools import lru_cache
from typing import Final

from strongroom.crypto.keccak import keccak256
from strongroom.errors import InvalidInput

__all__ = [
    "PRE_HOOK",
    "TRIGGER",
    "don_seed",
    "execution_id",
    "legacy_execution_id",
    "name_hash",
    "normal_owner",
    "owner_checksum",
    "trigger_reference_id",
    "trigger_registration_id",
    "workflow_id",
]

TRIGGER: Final = ""
PRE_HOOK: Final = "p:"
"""The phases of a run. A guest that is asked for restrictions and then triggered counts its calls anew, so references
to the calls of the first begin with this."""
OWNERS_KEPT_MAX: Final = 1024
"""Owners whose checksum is kept: it takes longer than the rest of a run's bookkeeping."""

_OWNER: Final = re.compile(r"(?:0[xX])?([0-9a-fA-F]{40})")
_FNV_OFFSET: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3
_U64: Final = (1 << 64) - 1


def workflow_id(*, owner: str, name: str, binary: bytes, config: bytes, secrets_url: str = "") -> str:
    """64 hex digits for a workflow; ``binary`` is the upload as stored. Raises ``InvalidInput`` for a bad owner."""
    digest = hashlib.sha256(bytes.fromhex(normal_owner(owner)))
    for part in (name.encode(), binary, config, secrets_url.encode()):
        digest.update(part)
    return "00" + digest.hexdigest()[2:]


def execution_id(workflow: str, event_id: str, trigger_index: int) -> str:
    """64 hex digits for one event of one trigger of ``workflow`` (its id)."""
    return hashlib.sha256(f"{workflow}{event_id}{trigger_index}".encode()).hexdigest()


def legacy_execution_id(workflow: str, event_id: str) -> str:
    """The form without the trigger index, which other hosts write; the contract wants a host to know both."""
    return hashlib.sha256(f"{workflow}{event_id}".encode()).hexdigest()


def name_hash(name: str) -> str:
    """The 10 hex digits that stand for a workflow's name in metadata."""
    return hashlib.sha256(name.encode()).hexdigest()[:10]


def normal_owner(text: str) -> str:
    """``text`` as 40 lower hex digits. Raises ``InvalidInput``."""
    match = _OWNER.fullmatch(text)
    if match is None:
        raise InvalidInput(
            "SR-ID-001",
            "the owner is not an address",
            why="it must be 40 hex digits, with or without 0x in front",
            fix="give the owner as 40 hex digits",
            field="owner",
        )
    return match[1].lower()


@lru_cache(OWNERS_KEPT_MAX)
def owner_checksum(owner: str) -> str:
    """``owner`` with 0x and the mixed case of EIP-55. Raises ``InvalidInput``."""
    digits = normal_owner(owner)
    digest = keccak256(digits.encode()).hex()
    return "0x" + "".join(d.upper() if int(h, 16) >= 8 else d for d, h in zip(digits, digest, strict=False))


def don_seed(execution: str) -> int:
    """The seed of DON mode: signed 64-bit FNV-1a of the execution id."""
    value = _FNV_OFFSET
    for byte in execution.encode():
        value = ((value ^ byte) * _FNV_PRIME) & _U64
    return value - (1 << 64) if value >> 63 else value


def trigger_registration_id(workflow: str, index: int) -> str:
    """Id of one trigger's registration."""
    return f"trigger_reg_{workflow}_{index}"


def trigger_reference_id(index: int) -> str:
    """Id by which one trigger of a workflow is referred to."""
    return f"trigger_{index}"
