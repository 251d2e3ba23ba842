"""A key that one TPM seals: it alone gives it back, and with registers only while they have the values of that day.

The parent is a primary key of the owner hierarchy from a fixed template: the same TPM makes the same one each time, so
nothing is stored in it. What is sealed travels in the clear between the TPM and this process: on a bus that somebody
reads, such as that of a TPM on a board of its own, it can be read.
Source: TPM 2.0 Library, part 3, 12.1, 12.2, 12.7, 23.7 and 24.1.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from strongroom.errors import StrongroomError
from strongroom.tpm.wire import PASSWORD, TpmRefused, TpmWire, answer_to, policy_session, sized

__all__ = ["REGISTERS", "NotOfThisTpm", "OtherRegisters", "SealedByTpm", "seal", "unseal"]

REGISTERS: Final = range(24)
"""A PC has these."""
_OWNER: Final = bytes.fromhex("40000001")
_NULL: Final = bytes.fromhex("40000007")
_CREATE_PRIMARY: Final = 0x131
_CREATE: Final = 0x153
_LOAD: Final = 0x157
_UNSEAL: Final = 0x15E
_FLUSH_CONTEXT: Final = 0x165
_START_AUTH_SESSION: Final = 0x176
_POLICY_PCR: Final = 0x17F
_POLICY_GET_DIGEST: Final = 0x189
_SHA256: Final = 0x000B
_SELECT_BYTES: Final = 3
_NONCE_BYTES: Final = 16
_POLICY: Final = b"\x01"
_TRIAL: Final = b"\x03"
_PARENT_TEMPLATE: Final = bytes.fromhex("0023000b0003047200000006008000430010000300100000") + bytes(2)
"""ECC P-256, restricted to decrypt, AES-128-CFB: the storage key of the TCG's provisioning guidance."""
_FIXED: Final = 0x412
"""fixedTPM, fixedParent, noDA: it stays where it is, and a wrong policy locks nothing."""
_BY_PASSWORD: Final = _FIXED | 0x40
_BY_POLICY: Final = _FIXED | 0x80
_ERROR_BITS: Final = 0x0BF
"""A response code of format one without the number of the handle, session or parameter that it is about."""
_FORMAT_ONE: Final = 0x080
_POLICY_FAILED: Final = 0x09D
_PCR_CHANGED: Final = 0x128
_AUTH_UNAVAILABLE: Final = 0x12F
"""It was sealed with registers and is asked for without, or the other way round."""


class NotOfThisTpm(Exception):
    """The TPM did not seal this, or it was changed."""


class OtherRegisters(Exception):
    """The registers have other values than when it was sealed."""


@dataclass(frozen=True, slots=True)
class SealedByTpm:
    """What is kept outside: the TPM2B_PUBLIC and TPM2B_PRIVATE without their lengths, and the registers as a bitmap."""

    public: bytes
    private: bytes = field(repr=False)
    registers: int


def seal(wire: TpmWire, secret: bytes, registers: int) -> SealedByTpm:
    """``secret``, up to 128 bytes, for this TPM and, where ``registers`` has bits, for their values of now.

    Raises ``TpmRefused`` and ``Unavailable``.
    """
    policy = _policy_of_now(wire, registers) if registers else b""
    attributes = _BY_POLICY if registers else _BY_PASSWORD
    template = struct.pack(">HHI", 0x0008, _SHA256, attributes) + sized(policy) + bytes.fromhex("0010") + sized(b"")
    sensitive = sized(sized(b"") + sized(secret))
    parameters = sensitive + sized(template) + sized(b"") + struct.pack(">I", 0)
    with _parent(wire) as parent:
        answer = wire.run(_CREATE, parent, auth=(PASSWORD,), parameters=parameters)
    with answer_to("Create", answer) as reader:
        private = reader.sized()
        return SealedByTpm(public=reader.sized(), private=private, registers=registers)


def unseal(wire: TpmWire, sealed: SealedByTpm) -> bytes:
    """What was sealed. Raises ``NotOfThisTpm``, ``OtherRegisters``, ``TpmRefused``, ``Unavailable``."""
    with _parent(wire) as parent:
        try:
            parameters = sized(sealed.private) + sized(sealed.public)
            answer = wire.run(_LOAD, parent, auth=(PASSWORD,), parameters=parameters)
        except TpmRefused as refused:
            raise _told(refused) from refused
    with answer_to("Load", answer, has_parameters_size=False) as reader:
        handle = reader.raw(4)
    with _flushed(wire, handle):
        return _unsealed(wire, handle, sealed.registers)


def _unsealed(wire: TpmWire, handle: bytes, registers: int) -> bytes:
    try:
        if not registers:
            answer = wire.run(_UNSEAL, handle, auth=(PASSWORD,))
        else:
            session = _session(wire, _POLICY)
            try:
                wire.run(_POLICY_PCR, session, parameters=sized(b"") + _selection(registers))
                answer = wire.run(_UNSEAL, handle, auth=(policy_session(session),))
            except StrongroomError:
                # A session ends with the command that used it; only one that was refused leaves it behind.
                _flush(wire, session)
                raise
    except TpmRefused as refused:
        raise _told(refused) from refused
    with answer_to("Unseal", answer) as reader:
        return reader.sized()


def _told(refused: TpmRefused) -> Exception:
    response = refused.response
    if response & _ERROR_BITS == _POLICY_FAILED or response == _PCR_CHANGED:
        return OtherRegisters()
    # What is wrong with a handle or a parameter was in the file; all else is about the TPM.
    return NotOfThisTpm() if response & _FORMAT_ONE or response == _AUTH_UNAVAILABLE else refused


def _policy_of_now(wire: TpmWire, registers: int) -> bytes:
    """The policy that is satisfied while ``registers`` are what they are now: the TPM itself says it."""
    session = _session(wire, _TRIAL)
    with _flushed(wire, session):
        wire.run(_POLICY_PCR, session, parameters=sized(b"") + _selection(registers))
        answer = wire.run(_POLICY_GET_DIGEST, session)
    with answer_to("PolicyGetDigest", answer, has_parameters_size=False) as reader:
        return reader.sized()


def _session(wire: TpmWire, kind: bytes) -> bytes:
    parameters = sized(os.urandom(_NONCE_BYTES)) + sized(b"") + kind + b"\x00\x10" + struct.pack(">H", _SHA256)
    answer = wire.run(_START_AUTH_SESSION, _NULL, _NULL, parameters=parameters)
    with answer_to("StartAuthSession", answer, has_parameters_size=False) as reader:
        return reader.raw(4)


@contextmanager
def _parent(wire: TpmWire) -> Iterator[bytes]:
    parameters = sized(sized(b"") + sized(b"")) + sized(_PARENT_TEMPLATE) + sized(b"") + struct.pack(">I", 0)
    answer = wire.run(_CREATE_PRIMARY, _OWNER, auth=(PASSWORD,), parameters=parameters)
    with answer_to("CreatePrimary", answer, has_parameters_size=False) as reader:
        handle = reader.raw(4)
    with _flushed(wire, handle):
        yield handle


@contextmanager
def _flushed(wire: TpmWire, handle: bytes) -> Iterator[None]:
    """A TPM without a resource manager has room for three keys."""
    try:
        yield
    finally:
        _flush(wire, handle)


def _flush(wire: TpmWire, handle: bytes) -> None:
    with suppress(StrongroomError):
        wire.run(_FLUSH_CONTEXT, parameters=handle)


def _selection(registers: int) -> bytes:
    return struct.pack(">IHB", 1, _SHA256, _SELECT_BYTES) + registers.to_bytes(_SELECT_BYTES, "little")
