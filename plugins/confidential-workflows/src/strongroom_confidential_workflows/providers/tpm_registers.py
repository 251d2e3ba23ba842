"""Platform configuration registers: their values, and a quote of them by an attestation key.

A register may change between the two, so both are read again until they agree, for a bounded number of times.
Source: TPM 2.0 Library, part 3, 18.4 and 22.4; contracts/attestation.md 9.3.
"""

import hashlib
import struct
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from strongroom.attest.tpm_structures import ECDSA, RSASSA, TpmReader, parse_attest
from strongroom.plugin import Misconfigured, Unavailable
from strongroom.tpm.wire import PASSWORD, TpmWire, answer_to, sized
from strongroom_confidential_workflows.providers.tpm_keys import TpmPrimary

__all__ = ["Quoted", "check_selection", "quote", "read_registers"]

REGISTERS: Final = range(24)
"""A PC has these; others refuse a selection of three bytes."""
AGREE_ATTEMPTS_MAX: Final = 5
_SHA256: Final = 0x000B
_NO_SCHEME: Final = bytes.fromhex("0010")
_SELECT_BYTES: Final = 3
_PCR_READ: Final = 0x17E
_QUOTE: Final = 0x158


@dataclass(frozen=True, slots=True)
class Quoted:
    """A TPMS_ATTEST, its TPMT_SIGNATURE, and the values of the registers that it is about, by number."""

    attest: bytes
    signature: bytes
    values: dict[int, bytes]


def check_selection(registers: Collection[int]) -> None:
    """Raise ``Misconfigured`` unless ``registers`` are numbers of registers, and at least one."""
    wrong = sorted(set(registers) - set(REGISTERS))
    if wrong or not registers:
        why = f"there are no registers {wrong}" if wrong else "no register is named"
        fix = f"name those that the vault's policy has values of, from 0 to {REGISTERS[-1]}"
        raise Misconfigured("SR-EVID-008", "these registers cannot be quoted", why=why, fix=fix, where="evidence.pcrs")


def quote(wire: TpmWire, ak: TpmPrimary, qualifying_data: bytes, registers: Collection[int]) -> Quoted:
    """A quote by ``ak`` about ``registers``, with the values that it is about.

    Raises ``Unavailable`` when the registers change too often to be quoted.
    """
    for _ in range(AGREE_ATTEMPTS_MAX):
        values = read_registers(wire, registers)
        digest = hashlib.sha256(b"".join(values[each] for each in sorted(values))).digest()
        found, attest, signature = _quote_once(wire, ak, qualifying_data, registers)
        if found == digest:
            return Quoted(attest, signature, values)
    fix = "quote registers that are final when the runner starts"
    why = f"they changed between reading and quoting, {AGREE_ATTEMPTS_MAX} times"
    raise Unavailable("SR-EVID-009", "the TPM's registers do not stand still", why=why, fix=fix)


def read_registers(wire: TpmWire, registers: Collection[int]) -> dict[int, bytes]:
    """The values of ``registers`` in the bank of SHA-256. A TPM gives eight at a time, or fewer."""
    values: dict[int, bytes] = {}
    wanted = set(registers)
    while wanted:
        answer = wire.run(_PCR_READ, parameters=_selection(wanted))
        with answer_to("PCR_Read", answer, has_parameters_size=False) as reader:
            reader.number(4)  # how often registers have changed
            found = _selected(reader)
            count = reader.number(4)
            if not found or not found <= wanted or count != len(found):
                why = f"{count} values of {len(found)} registers, of {len(wanted)} asked for"
                fix = "use a TPM with a bank of SHA-256 that is switched on"
                raise Unavailable("SR-EVID-010", "the TPM does not give its registers", why=why, fix=fix)
            values |= {each: reader.sized() for each in sorted(found)}
        wanted -= found
    return values


def _quote_once(
    wire: TpmWire, ak: TpmPrimary, qualifying_data: bytes, registers: Collection[int]
) -> tuple[bytes, bytes, bytes]:
    """The digest of the registers, the TPMS_ATTEST that says so, and its TPMT_SIGNATURE."""
    parameters = sized(qualifying_data) + _NO_SCHEME + _selection(registers)
    with answer_to("Quote", wire.run(_QUOTE, ak.handle, auth=(PASSWORD,), parameters=parameters)) as reader:
        attest = reader.sized()
        return parse_attest("quote", attest).pcr_digest, attest, _signature(reader)


def _selection(registers: Collection[int]) -> bytes:
    bitmap = sum(1 << each for each in set(registers))
    # Bit p % 8 of byte p / 8 is register p.
    return struct.pack(">IHB", 1, _SHA256, _SELECT_BYTES) + bitmap.to_bytes(_SELECT_BYTES, "little")


def _selected(reader: TpmReader) -> set[int]:
    found: set[int] = set()
    banks = reader.number(4)
    if banks != 1:
        return found
    if reader.number(2) != _SHA256:
        return found
    bitmap = int.from_bytes(reader.raw(reader.number(1)), "little")
    return {each for each in REGISTERS if bitmap >> each & 1}


def _signature(reader: TpmReader) -> bytes:
    """The signature, whose length is in its parts; the command's authorisation follows."""
    scheme, hash_algorithm = reader.number(2), reader.number(2)
    parts = {ECDSA: 2, RSASSA: 1}.get(scheme, 0)
    return struct.pack(">HH", scheme, hash_algorithm) + b"".join(sized(reader.sized()) for _ in range(parts))
