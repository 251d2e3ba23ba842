"""The keys of a TPM that evidence needs: an attestation key, and the endorsement key for as long as enrolment takes.

Both are primary keys of the endorsement hierarchy, made from fixed templates: the same TPM makes the same keys each
time, so nothing is stored, and a key that is enrolled once stays enrolled.
Source: TPM 2.0 Library, part 3, 24.1, 12.5 and 23.4; contracts/attestation.md 9.3.
"""

import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from strongroom.plugin import StrongroomError
from strongroom.tpm.wire import PASSWORD, TpmWire, answer_to, policy_session, sized

__all__ = ["TpmPrimary", "activate_credential", "create_ak", "create_ek", "flush", "flush_left_over"]

ENDORSEMENT: Final = bytes.fromhex("4000000b")
_NULL: Final = bytes.fromhex("40000007")
_CREATE_PRIMARY: Final = 0x131
_ACTIVATE_CREDENTIAL: Final = 0x147
_POLICY_SECRET: Final = 0x151
_FLUSH_CONTEXT: Final = 0x165
_GET_CAPABILITY: Final = 0x17A
_HANDLES: Final = 1
_FIRST_TRANSIENT: Final = 0x80000000
_TRANSIENT_MAX: Final = 64
"""Keys that are loaded at once: a TPM has room for three to seven."""
_START_AUTH_SESSION: Final = 0x176
_NONCE_BYTES: Final = 16

_AK_TEMPLATE: Final = bytes.fromhex("0023000b00050072000000100018000b0003001000000000")
_EK_POLICY: Final = bytes.fromhex("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa")
_EK_TEMPLATE: Final = b"".join(
    (
        bytes.fromhex("0023000b000300b2"),
        sized(_EK_POLICY),
        bytes.fromhex("000600800043001000030010"),
        sized(bytes(32)),
        sized(bytes(32)),
    )
)


@dataclass(frozen=True, slots=True)
class TpmPrimary:
    """A key that is loaded: its handle (4 bytes) and its TPMT_PUBLIC."""

    handle: bytes
    public: bytes


def create_ak(wire: TpmWire) -> TpmPrimary:
    """The attestation key: ECC P-256, restricted to sign what the TPM itself produced."""
    return _create_primary(wire, _AK_TEMPLATE)


def create_ek(wire: TpmWire) -> TpmPrimary:
    """The endorsement key of the default template for ECC P-256."""
    return _create_primary(wire, _EK_TEMPLATE)


def flush(wire: TpmWire, handle: bytes) -> None:
    """Forget a loaded key or a session. A TPM without a resource manager has room for three."""
    wire.run(_FLUSH_CONTEXT, parameters=handle)


def flush_left_over(wire: TpmWire) -> None:
    """Forget every loaded key. For a TPM without a resource manager that has one client at a time: what is loaded when
    a client comes was left there by one that was killed."""
    answer = wire.run(_GET_CAPABILITY, parameters=struct.pack(">III", _HANDLES, _FIRST_TRANSIENT, _TRANSIENT_MAX))
    with answer_to("GetCapability", answer, has_parameters_size=False) as reader:
        reader.raw(5)  # whether there are more, and that these are handles
        handles = [reader.raw(4) for _ in range(min(reader.number(4), _TRANSIENT_MAX))]
    for handle in handles:
        flush(wire, handle)


def activate_credential(wire: TpmWire, ak: TpmPrimary, id_object: bytes, encrypted_secret: bytes) -> bytes:
    """The credential that a vault sealed to this TPM and to ``ak``: the answer of enrolment.

    Both arguments are as the vault sent them, each with its length in front. Raises ``TpmRefused`` for a challenge to
    another TPM or another key.
    """
    ek = create_ek(wire)
    try:
        session = _endorsed_session(wire)
        try:
            answer = wire.run(
                _ACTIVATE_CREDENTIAL,
                ak.handle,
                ek.handle,
                auth=(PASSWORD, policy_session(session)),
                parameters=id_object + encrypted_secret,
            )
        except StrongroomError:
            # A session ends with the command that used it; only one that was refused leaves it behind.
            with suppress(StrongroomError):
                flush(wire, session)
            raise
    finally:
        with suppress(StrongroomError):
            flush(wire, ek.handle)
    with answer_to("ActivateCredential", answer) as reader:
        return reader.sized()


def _create_primary(wire: TpmWire, template: bytes) -> TpmPrimary:
    no_secret = sized(sized(b"") + sized(b""))
    parameters = no_secret + sized(template) + sized(b"") + struct.pack(">I", 0)
    answer = wire.run(_CREATE_PRIMARY, ENDORSEMENT, auth=(PASSWORD,), parameters=parameters)
    with answer_to("CreatePrimary", answer, has_parameters_size=False) as reader:
        handle = reader.raw(4)
        reader.number(4)  # handles come before the length of the parameters
        return TpmPrimary(handle, reader.sized())


def _endorsed_session(wire: TpmWire) -> bytes:
    """The handle of a policy session that satisfies the endorsement key's policy: PolicySecret(endorsement)."""
    policy, no_symmetric, sha256 = b"\x01", b"\x00\x10", b"\x00\x0b"
    parameters = sized(os.urandom(_NONCE_BYTES)) + sized(b"") + policy + no_symmetric + sha256
    answer = wire.run(_START_AUTH_SESSION, _NULL, _NULL, parameters=parameters)
    with answer_to("StartAuthSession", answer, has_parameters_size=False) as reader:
        session = reader.raw(4)
    never_expires = struct.pack(">i", 0)
    try:
        nothing = sized(b"") * 3
        wire.run(_POLICY_SECRET, ENDORSEMENT, session, auth=(PASSWORD,), parameters=nothing + never_expires)
    except StrongroomError:
        with suppress(StrongroomError):
            flush(wire, session)
        raise
    return session
