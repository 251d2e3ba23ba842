"""The result of a confidential execution: what came out and what it was made from, signed by the key of the execution.

The key is in the runtime data that the evidence covers, so one chain of digests ties the output to the hardware.
Source: contracts/attestation.md 15.
"""

from dataclasses import dataclass
from typing import Final

from strongroom.attest import cbor
from strongroom.attest.codes import ALGORITHM, POSSESSION, UNSUPPORTED_VERSION
from strongroom.attest.cose import ALGORITHM_LABEL, EDDSA, Sign1, check_eddsa, make_sign1, parse_sign1
from strongroom.attest.evidence import check_size, is_same, malformed
from strongroom.attest.fields import DIGEST_BYTES, Fields
from strongroom.crypto.public_keys import PublicKey
from strongroom.crypto.signing import SigningKey, key_id
from strongroom.errors import EvidenceRejected, InvalidInput

__all__ = [
    "BY_ENCLAVE",
    "BY_HOST",
    "RESULT_BYTES_MAX",
    "STATUSES",
    "Call",
    "Result",
    "check_result",
    "result_info",
    "result_key_id",
    "sign_result",
]

PROFILE: Final = "strongroom/result/v1"
STATUSES: Final = frozenset({"succeeded", "failed", "cancelled", "timed_out"})
BY_HOST: Final = "host"
BY_ENCLAVE: Final = "attested"
CALLS_MAX: Final = 10_000
"""As many as a run may have steps."""
RESULT_BYTES_MAX: Final = 4 * 1024 * 1024
"""So many calls, with ids as long as they may be."""
_KEY_ID_LABEL: Final = 4
_HERE: Final = "result"
_DIGESTS: Final = ("report_data", "evidence_sha256", "ear_sha256", "result_sha256")
_KEYS: Final = frozenset({"profile", "execution_id", "attempt", "status", "fuel", "secrets", "calls", *_DIGESTS})
_CALL_KEYS: Final = frozenset({"ref", "capability_id", "request_sha256", "response_sha256", "trust"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A capability call: its reference and capability, SHA-256 of request and response, and who vouches for the
    response: ``host`` or ``attested``."""

    ref: str
    capability_id: str
    request_sha256: bytes
    response_sha256: bytes
    trust: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How an execution ended. ``result_sha256`` is of the result before it is sealed, ``secrets`` are the (namespace,
    key, version) that were released, ``calls`` stand in their order; ``fuel`` is what the guest used."""

    execution_id: str
    attempt: int
    report_data: bytes
    status: str
    evidence_sha256: bytes
    ear_sha256: bytes
    result_sha256: bytes
    fuel: int
    secrets: tuple[tuple[str, str, int], ...] = ()
    calls: tuple[Call, ...] = ()


def result_info(report_data: bytes) -> bytes:
    """What a result that is sealed to its requester is bound to."""
    return PROFILE.encode() + report_data


def sign_result(result: Result, key: SigningKey) -> bytes:
    """The result as a COSE_Sign1. Raises ``EvidenceRejected`` for a field that may not be what it is."""
    value = {
        "profile": PROFILE,
        "execution_id": result.execution_id,
        "attempt": result.attempt,
        "status": result.status,
        "fuel": result.fuel,
        "secrets": [list(each) for each in result.secrets],
        "calls": [{name: getattr(each, name) for name in _CALL_KEYS} for each in result.calls],
        **{name: getattr(result, name) for name in _DIGESTS},
    }
    _read(value)
    signed = make_sign1(key, {_KEY_ID_LABEL: key_id(key.public)}, cbor.canonical(value))
    check_size(f"{_HERE} size", signed, RESULT_BYTES_MAX)
    return signed


def check_result(untrusted: bytes, *, sig_pub: bytes) -> Result:
    """The result, signed by the raw Ed25519 key ``sig_pub``. Raises ``EvidenceRejected``."""
    document, found = _parsed(untrusted)
    wanted = key_id(sig_pub)
    if not is_same(found, wanted):
        raise EvidenceRejected(POSSESSION, f"{_HERE} key", got=found.hex(), wanted=wanted.hex())
    try:
        key = PublicKey.of_ed25519(sig_pub)
    except InvalidInput as error:
        raise EvidenceRejected(POSSESSION, f"{_HERE} key", got=error.what, wanted="an Ed25519 key") from error
    check_eddsa(f"{_HERE} signature", document, key)
    return _read(cbor.decode_canonical(_HERE, document.payload))


def result_key_id(untrusted: bytes) -> bytes:
    """The id of the key that the result says it is signed with. Raises ``EvidenceRejected``."""
    return _parsed(untrusted)[1]


def _parsed(untrusted: bytes) -> tuple[Sign1, bytes]:
    check_size(f"{_HERE} size", untrusted, RESULT_BYTES_MAX)
    document = parse_sign1(_HERE, untrusted, needs_tag=True)
    header = cbor.decode_canonical(f"{_HERE} header", document.protected)
    if not isinstance(header, dict) or header.get(ALGORITHM_LABEL) != EDDSA:
        raise EvidenceRejected(ALGORITHM, f"{_HERE} header", got="another algorithm", wanted="EdDSA")
    found = header.get(_KEY_ID_LABEL)
    if header.keys() != {ALGORITHM_LABEL, _KEY_ID_LABEL} or not isinstance(found, bytes) or len(found) != DIGEST_BYTES:
        raise malformed(f"{_HERE} header", got="another header", wanted="algorithm and key id")
    return document, found


def _read(value: object) -> Result:
    top = Fields(_HERE, value, _KEYS)
    profile = top.text("profile")
    if profile != PROFILE:
        raise EvidenceRejected(UNSUPPORTED_VERSION, f"{_HERE} profile", got=profile, wanted=PROFILE)
    return Result(
        execution_id=top.text("execution_id"),
        attempt=top.uint("attempt", minimum=1),
        report_data=top.raw("report_data"),
        status=top.choice("status", STATUSES),
        evidence_sha256=top.raw("evidence_sha256"),
        ear_sha256=top.raw("ear_sha256"),
        result_sha256=top.raw("result_sha256"),
        fuel=top.uint("fuel"),
        secrets=top.versions("secrets"),
        calls=tuple(_call(number, each) for number, each in enumerate(top.items("calls", CALLS_MAX))),
    )


def _call(number: int, value: object) -> Call:
    found = Fields(f"{_HERE} calls {number}", value, _CALL_KEYS)
    return Call(
        ref=found.text("ref"),
        capability_id=found.text("capability_id"),
        request_sha256=found.raw("request_sha256"),
        response_sha256=found.raw("response_sha256"),
        trust=found.choice("trust", {BY_HOST, BY_ENCLAVE}),
    )
