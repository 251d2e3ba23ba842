"""The certificates of a SEV-SNP report's signer: as the host handed them over, or as they are configured.

The host's table is a list of (GUID 16, offset u32, length u32), all little-endian, that ends with zeros; offsets count
from its start. The host is not trusted with it: the verifier pins the root.
Source: Guest-Hypervisor Communication Block, 4.1.8.1; contracts/attestation.md 7.2.
"""

import struct
from typing import Final
from uuid import UUID

from strongroom.plugin import Misconfigured

__all__ = ["TABLE_BYTES_MAX", "chain_for"]

TABLE_BYTES_MAX: Final = 16 * 1024
ENTRIES_MAX: Final = 16
_ENTRY: Final = struct.Struct("<16sII")
_VCEK: Final = UUID("63da758d-e664-4564-adc5-f4b93be8accd")
_VLEK: Final = UUID("a8074bc2-a25a-483e-aae6-39c045a0b8a1")
_ASK: Final = UUID("4ab7b379-bbac-4fe4-a02f-05aef327c782")
_ARK: Final = UUID("c0b406a4-a803-4952-9743-3fb6014cd0ae")


def chain_for(configured: tuple[bytes, ...], untrusted_table: bytes) -> tuple[bytes, ...]:
    """Leaf, intermediate and root in DER: the configured ones, otherwise those of the host's table.

    Raises ``Misconfigured`` when there are neither.
    """
    if configured:
        return configured
    found = _parsed(untrusted_table)
    leaf = found.get(_VLEK) or found.get(_VCEK)
    if leaf is None or _ASK not in found or _ARK not in found:
        raise Misconfigured(
            "SR-EVID-011",
            "the host gave no certificates for its SEV-SNP reports",
            why=f"a leaf, an intermediate and a root are needed, and its table has {len(found)} certificates",
            fix="fetch VCEK, ASK and ARK of this machine from AMD's key distribution service, and set them as "
            "evidence.endorsements in this order",
            where="evidence.endorsements",
        )
    return leaf, found[_ASK], found[_ARK]


def _parsed(untrusted: bytes) -> dict[UUID, bytes]:
    found: dict[UUID, bytes] = {}
    table = untrusted[:TABLE_BYTES_MAX]
    for number in range(min(ENTRIES_MAX, len(table) // _ENTRY.size)):
        guid, offset, size = _ENTRY.unpack_from(table, number * _ENTRY.size)
        if not any(guid):
            break
        content = table[offset : offset + size]
        if content and len(content) == size:
            found[UUID(bytes=guid)] = content
    return found
