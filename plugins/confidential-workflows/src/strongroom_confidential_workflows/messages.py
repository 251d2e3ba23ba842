"""What the plugin and one enclave runner say to each other: a strict table of messages, each one frame.

Rule 1: a frame is a 4-byte big-endian length and one message in deterministic CBOR, a map whose key ``message`` names
it. A message has exactly the keys of its class here; everything else is refused, and ends the runner.
Rule 2: the plugin sends ``Configure`` to a fresh runner, which answers with ``Ready`` when it is sealed. Then ``Start``
and its binary in pieces; then questions and answers; ``Finished`` is the last word of a runner.
Rule 3: secrets cross only sealed to a key that the runner made for itself. What the messages of the network are inside
of frames they stay: serialized, as they came.
Source: contracts/attestation.md 3, Frames.
"""

from dataclasses import dataclass, field, fields
from typing import Any, Final, TypeVar

from strongroom.attest import cbor
from strongroom.attest.enclave_config import ENCLAVE_CONFIG_BYTES_MAX
from strongroom.attest.evidence import EvidenceLimits, check_size, malformed
from strongroom.attest.receipt import RECEIPT_BYTES_MAX
from strongroom.attest.release import CHALLENGE_BYTES_MAX, ENVELOPE_BYTES_MAX
from strongroom.attest.runtime_data import RUNTIME_DATA_BYTES_MAX
from strongroom.crypto.signing import SIGNATURE_BYTES
from strongroom_confidential_workflows.frame_values import Reader, blob, choice, items, name_pairs, text, uint
from strongroom_confidential_workflows.limits import (
    BINARY_BYTES_MAX,
    CALL_BYTES_MAX,
    CHUNK_BYTES,
    FRAME_BYTES_MAX,
    REQUEST_BYTES_MAX,
    RESULT_BYTES_MAX,
    SECRETS_NAMED_MAX,
    WORKFLOW_NAME_BYTES_MAX,
)

__all__ = [
    "CANCELLED",
    "GUEST_FAULT",
    "HOST_FAULT",
    "OUTCOMES",
    "REFUSED",
    "RESULT",
    "TIMED_OUT",
    "BinaryChunk",
    "Cancel",
    "CapabilityAnswer",
    "CapabilityCall",
    "ChallengeAnswer",
    "ChallengeCall",
    "Configure",
    "Finished",
    "FromEnclave",
    "Ready",
    "ReleaseAnswer",
    "ReleaseCall",
    "Start",
    "ToEnclave",
    "decode_from_enclave",
    "decode_to_enclave",
    "encode",
]

RESULT: Final = "result"
REFUSED: Final = "refused"
GUEST_FAULT: Final = "guest_fault"
TIMED_OUT: Final = "timed_out"
CANCELLED: Final = "cancelled"
HOST_FAULT: Final = "host_fault"
OUTCOMES: Final = (RESULT, REFUSED, GUEST_FAULT, TIMED_OUT, CANCELLED, HOST_FAULT)
"""How an execution ended: with a result; the request, the binary or the vault said no; the guest's fault; out of time;
stopped; or the runner and what is behind it could not do their part."""
_EVIDENCE: Final = EvidenceLimits()
_BOTH_FORMS_BYTES_MAX: Final = 2 * REQUEST_BYTES_MAX + 1024 * 1024
"""Of a request that says the same twice, in bytes and typed, with its restrictions."""
_CALL_IDS: Final = 2**32
_WORDS: Final = text(8192, may_be_empty=True)
_NAME: Final = text(128)
_NAME_OR_NONE: Final = text(128, may_be_empty=True)
_ENDORSEMENTS: Final = items(blob(_EVIDENCE.endorsements_bytes_max), _EVIDENCE.certificates_max)


def _as(reader: Reader, default: Any = None) -> Any:  # Any: a dataclass field stands for a value of every type
    given: dict[str, Any] = {"metadata": {"reader": reader}}
    return field(**given) if default is None else field(default=default, **given)


def _blob(bytes_max: int, default: bytes | None = None) -> Any:  # Any: see _as
    """Bytes, which no ``repr`` shows: they are payload, keys, or long."""
    given: dict[str, Any] = {"metadata": {"reader": blob(bytes_max)}, "repr": False}
    return field(**given) if default is None else field(default=default, **given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configure:
    """To a fresh runner: its configuration (encoded ``EnclaveConfig``), and where its evidence comes from.

    ``device`` is empty for the usual place of the kind, ``regions`` are where the operator says that it runs. The
    ``software`` fields are the seed of a key, its certificate and the development CA of kind ``insecure-software``,
    empty for every other kind.
    """

    enclave_config: bytes = _blob(ENCLAVE_CONFIG_BYTES_MAX)
    evidence_kind: str = _as(_NAME)
    device: str = _as(text(4096, may_be_empty=True), "")
    pcrs: tuple[int, ...] = _as(items(uint(24), 24), ())
    endorsements: tuple[bytes, ...] = _as(_ENDORSEMENTS, ())
    regions: tuple[str, ...] = _as(items(_NAME, 64), ())
    software_key: bytes = _blob(32, b"")
    software_certificate: bytes = _blob(_EVIDENCE.certificate_bytes_max, b"")
    software_authority: bytes = _blob(_EVIDENCE.certificate_bytes_max, b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """From a runner that is sealed: its process id, the protections in force and those that its kernel lacks, the kind
    of its evidence, and the measurement that it took of itself (32 bytes)."""

    pid: int = _as(uint(2**32))
    protections: tuple[str, ...] = _as(items(text(256), 64), ())
    missing: tuple[str, ...] = _as(items(text(512), 64), ())
    evidence_kind: str = _as(_NAME)
    measurement: bytes = _blob(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One execution. ``request`` is the serialized ``ConfidentialWorkflowRequest`` as it came, ``owner`` 40 hex digits,
    ``workflow_name`` empty when the host does not say it. ``granted`` are the secrets to ask for when the request does
    not say itself. The binary follows in pieces, ``binary_bytes`` together."""

    request: bytes = _blob(_BOTH_FORMS_BYTES_MAX)
    owner: str = _as(_NAME)
    timeout_ms: int = _as(uint())
    execution_id: str = _as(_NAME_OR_NONE, "")
    workflow_name: str = _as(text(WORKFLOW_NAME_BYTES_MAX, may_be_empty=True), "")
    granted: tuple[tuple[str, str], ...] = _as(name_pairs(SECRETS_NAMED_MAX), ())
    binary_bytes: int = _as(uint(BINARY_BYTES_MAX + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryChunk:
    """The next piece of the binary, exactly as it is stored."""

    data: bytes = _blob(CHUNK_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeCall:
    """The runner wants to attest itself for this execution."""

    execution_id: str = _as(_NAME)
    workflow_id: str = _as(_NAME)
    owner: str = _as(_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeAnswer:
    """The signed challenge, and the number of the attempt; or the error: origin, name and text, empty when none."""

    body: bytes = _blob(CHALLENGE_BYTES_MAX, b"")
    signature: bytes = _blob(SIGNATURE_BYTES, b"")
    attempt: int = _as(uint(2**32), 0)
    error_origin: str = _as(_NAME_OR_NONE, "")
    error_name: str = _as(_NAME_OR_NONE, "")
    error: str = _as(_WORDS, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseCall:
    """Runtime data, evidence for them, and the proof of possession of their key."""

    runtime_data: bytes = _blob(RUNTIME_DATA_BYTES_MAX)
    evidence_kind: str = _as(_NAME)
    media_type: str = _as(_NAME)
    evidence: bytes = _blob(_EVIDENCE.evidence_bytes_max)
    endorsements: tuple[bytes, ...] = _as(_ENDORSEMENTS, ())
    pop_sig: bytes = _blob(SIGNATURE_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseAnswer:
    """The signed envelope, and where the vault runs; or the error, as in ``ChallengeAnswer``."""

    body: bytes = _blob(ENVELOPE_BYTES_MAX, b"")
    signature: bytes = _blob(SIGNATURE_BYTES, b"")
    vault: str = _as(_NAME_OR_NONE, "")
    error_origin: str = _as(_NAME_OR_NONE, "")
    error_name: str = _as(_NAME_OR_NONE, "")
    error: str = _as(_WORDS, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilityCall:
    """A call of the guest, by the runner's own number. ``body`` is that of ``signed_call``, which has the serialized
    ``sdk.v1alpha.CapabilityRequest`` in it, ``signature`` that by the key of the execution."""

    call_id: int = _as(uint(_CALL_IDS))
    body: bytes = _blob(CALL_BYTES_MAX)
    signature: bytes = _blob(SIGNATURE_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilityAnswer:
    """The serialized ``sdk.v1alpha.CapabilityResponse``."""

    call_id: int = _as(uint(_CALL_IDS))
    response: bytes = _blob(CALL_BYTES_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Stop the execution; to a runner that has none: end."""

    reason: str = _as(_WORDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The end. ``result`` is a serialized ``ExecutionResult``; ``error`` and ``code``, the name of a capability error,
    say what happened otherwise; log lines are payload, so only their number leaves. ``receipt`` is encoded, and empty
    for an execution that ended before it was attested."""

    outcome: str = _as(choice(OUTCOMES))
    result: bytes = _blob(RESULT_BYTES_MAX, b"")
    error: str = _as(_WORDS, "")
    code: str = _as(_NAME_OR_NONE, "")
    log_lines: int = _as(uint(), 0)
    receipt: bytes = _blob(RECEIPT_BYTES_MAX, b"")


ToEnclave = Configure | Start | BinaryChunk | ChallengeAnswer | ReleaseAnswer | CapabilityAnswer | Cancel
FromEnclave = Ready | ChallengeCall | ReleaseCall | CapabilityCall | Finished

_TO_ENCLAVE: Final = {
    "configure": Configure,
    "start": Start,
    "binary_chunk": BinaryChunk,
    "challenge_answer": ChallengeAnswer,
    "release_answer": ReleaseAnswer,
    "capability_answer": CapabilityAnswer,
    "cancel": Cancel,
}
_FROM_ENCLAVE: Final = {
    "ready": Ready,
    "challenge_call": ChallengeCall,
    "release_call": ReleaseCall,
    "capability_call": CapabilityCall,
    "finished": Finished,
}
_NAMES: Final = {kind: name for name, kind in (_TO_ENCLAVE | _FROM_ENCLAVE).items()}
T = TypeVar("T")


def encode(message: ToEnclave | FromEnclave) -> bytes:
    """The frame. Raises ``EvidenceRejected`` for a value that the other end would refuse."""
    value = {each.name: getattr(message, each.name) for each in fields(message)}
    encoded = cbor.canonical({"message": _NAMES[type(message)]} | value)
    _decode(encoded, {_NAMES[type(message)]: type(message)})
    return encoded


def decode_to_enclave(untrusted: bytes) -> ToEnclave:
    """The message of the plugin. Raises ``EvidenceRejected``."""
    return _decode(untrusted, _TO_ENCLAVE)


def decode_from_enclave(untrusted: bytes) -> FromEnclave:
    """The message of a runner. Raises ``EvidenceRejected``."""
    return _decode(untrusted, _FROM_ENCLAVE)


def _decode(untrusted: bytes, kinds: "dict[str, type[T]]") -> T:
    check_size("frame size", untrusted, FRAME_BYTES_MAX)
    value = cbor.decode_canonical("frame", untrusted)
    if not isinstance(value, dict) or not isinstance(name := value.pop("message", None), str) or name not in kinds:
        raise malformed("frame message", got="another message", wanted=" or ".join(kinds))
    kind = kinds[name]
    wanted = {each.name: each.metadata["reader"] for each in fields(kind)}  # type: ignore[arg-type]  # a dataclass
    if value.keys() != wanted.keys():
        unknown = len(value.keys() - wanted.keys())
        missing = ", ".join(sorted(wanted.keys() - value.keys())) or "no key"
        raise malformed(f"{name} keys", got=f"{missing} missing, {unknown} unknown", wanted=", ".join(wanted))
    return kind(**{key: read(f"{name} {key}", value[key]) for key, read in wanted.items()})
