"""A call of a guest as it leaves the enclave: signed by the key of its execution, so that it can be no other's.

The answer is the host's word: nothing here makes it more.
Source: contracts/attestation.md 14.3.
"""

from dataclasses import dataclass, field
from typing import Final

from strongroom.attest import cbor
from strongroom.attest.codes import SIGNATURE
from strongroom.attest.evidence import check_size
from strongroom.attest.fields import Fields
from strongroom.crypto.signing import SigningKey, is_signed
from strongroom.plugin import EvidenceRejected
from strongroom_confidential_workflows.limits import CALL_BYTES_MAX

__all__ = ["GuestCall", "open_call", "sign_call"]

TAG: Final = "runner/capability-request"
_HERE: Final = "capability-request"
_KEYS: Final = frozenset({"execution_id", "reference_id", "capability_id", "payload"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestCall:
    """``payload`` is the serialized ``sdk.v1alpha.CapabilityRequest``, which has the method in it."""

    execution_id: str
    reference_id: str
    capability_id: str
    payload: bytes = field(repr=False)


def sign_call(call: GuestCall, key: SigningKey) -> tuple[bytes, bytes]:
    """Body and signature. Raises ``EvidenceRejected`` for a field that may not be what it is."""
    value = {name: getattr(call, name) for name in _KEYS}
    _read(value)
    body = cbor.canonical(value)
    return body, key.sign(TAG, body)


def open_call(untrusted_body: bytes, signature: bytes, *, sig_pub: bytes) -> GuestCall:
    """The call, signed by the raw Ed25519 key ``sig_pub``. Raises ``EvidenceRejected``."""
    check_size(f"{_HERE} size", untrusted_body, CALL_BYTES_MAX)
    if not is_signed(sig_pub, TAG, untrusted_body, signature):
        wanted = "one by the key of the execution"
        raise EvidenceRejected(SIGNATURE, f"{_HERE} signature", got="another signature", wanted=wanted)
    return _read(cbor.decode_canonical(_HERE, untrusted_body))


def _read(value: object) -> GuestCall:
    found = Fields(_HERE, value, _KEYS)
    return GuestCall(
        execution_id=found.text("execution_id"),
        reference_id=found.text("reference_id"),
        capability_id=found.text("capability_id"),
        payload=found.blob("payload", bytes_max=CALL_BYTES_MAX),
    )
