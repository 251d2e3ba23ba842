"""The certificate of the endorsement key, which the maker of a TPM stored in it.

It is the one of the default template for ECC P-256, at the index that the TCG gave it. Behind the certificate the
place may be filled up.
Source: TCG EK Credential Profile for TPM 2.0, 2.2.1; TPM 2.0 Library, part 3, 31.6 and 31.13.
"""

import struct
from typing import Final

from strongroom.attest.evidence import EvidenceLimits
from strongroom.plugin import Unavailable
from strongroom.tpm.wire import PASSWORD, TpmRefused, TpmWire, answer_to

__all__ = ["INDEX", "read_ek_certificate"]

INDEX: Final = 0x01C0000A
READ_BYTES: Final = 512
"""Every TPM gives this much at a time."""
_READ_PUBLIC: Final = 0x169
_READ: Final = 0x14E
_SEQUENCE: Final = b"\x30\x82"
"""How a certificate of 256 bytes or more begins; two bytes of length follow."""
_HEADER_BYTES: Final = 4


def read_ek_certificate(wire: TpmWire) -> bytes:
    """The certificate, in DER. Raises ``Unavailable`` when the TPM has none there, or something else."""
    try:
        size = _size(wire)
    except TpmRefused as refused:
        raise _none("there is nothing at its place") from refused
    if size > EvidenceLimits().certificate_bytes_max:
        raise _none(f"at its place are {size} bytes, and {EvidenceLimits().certificate_bytes_max} is the limit")
    found = b""
    while len(found) < size:
        found += _part(wire, len(found), min(READ_BYTES, size - len(found)))
    if found[:2] != _SEQUENCE or len(found) < (end := _HEADER_BYTES + int.from_bytes(found[2:_HEADER_BYTES], "big")):
        raise _none("what stands at its place is none")
    return found[:end]


def _size(wire: TpmWire) -> int:
    answer = wire.run(_READ_PUBLIC, _handle())
    with answer_to("NV_ReadPublic", answer, has_parameters_size=False) as reader:
        return int.from_bytes(reader.sized()[-2:], "big")


def _part(wire: TpmWire, offset: int, size: int) -> bytes:
    parameters = struct.pack(">HH", size, offset)
    with answer_to("NV_Read", wire.run(_READ, _handle(), _handle(), auth=(PASSWORD,), parameters=parameters)) as reader:
        part = reader.sized()
    if len(part) != size:
        raise _none(f"the TPM gave {len(part)} bytes of {size}")
    return part


def _handle() -> bytes:
    return struct.pack(">I", INDEX)


def _none(why: str) -> Unavailable:
    fix = "ask its maker for the certificate of the endorsement key on P-256; without one its key cannot be enrolled"
    return Unavailable("SR-EVID-018", "the TPM holds no certificate of its endorsement key", why=why, fix=fix)
