"""Messages of a key release: the challenge, the secrets, and the envelope that carries them. No storage, no clock.

Rule 1: the vault signs what it sends: sealing alone does not say who sealed, and a hostile host could send secrets of
its own.
Rule 2: whoever receives looks at the size, then at the signature, and only then into the message.
Rule 3: secrets are sealed to a key that lives for one execution, under its report data and the id of one release.
Source: contracts/attestation.md 14.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from strongroom.attest import cbor
from strongroom.attest.codes import BINDING, IDENTITY, SIGNATURE, UNSUPPORTED_VERSION
from strongroom.attest.ear import EAR_BYTES_MAX
from strongroom.attest.evidence import check_size, is_same
from strongroom.attest.fields import DIGEST_BYTES, Fields
from strongroom.attest.runtime_data import RuntimeData
from strongroom.crypto import hpke
from strongroom.crypto.signing import SigningKey, is_signed, key_id
from strongroom.errors import EvidenceRejected

__all__ = [
    "CHALLENGE_TTL_S",
    "RELEASE_BYTES_MAX",
    "RELEASE_ID_BYTES",
    "VALUE_BYTES_MAX",
    "Challenge",
    "Envelope",
    "Opened",
    "ReleasedSecret",
    "Signed",
    "open_challenge",
    "open_envelope",
    "read_envelope",
    "seal_secrets",
    "secret_release_info",
    "sign_challenge",
    "sign_envelope",
]

CHALLENGE_TTL_S: Final = 60
"""How long a challenge is good for: attesting takes less than a second, and a relayed one should die soon."""
RELEASE_ID_BYTES: Final = 16
VALUE_BYTES_MAX: Final = 64 * 1024
"""Of one secret: a certificate chain with its key fits."""
RELEASE_BYTES_MAX: Final = 1024 * 1024
"""Of all secrets of a release together: they travel in one message of gRPC, beside the evidence."""
CHALLENGE_BYTES_MAX: Final = 1024
ENVELOPE_BYTES_MAX: Final = RELEASE_BYTES_MAX + EAR_BYTES_MAX + 128 * 1024
"""The sealed secrets, the attestation result, and the names of 256 secrets with the digests."""
CHALLENGE_TAG: Final = "vault/challenge"
ENVELOPE_TAG: Final = "vault/envelope"
_INFO: Final = b"strongroom/secret-release/v1"
_CHALLENGE_KEYS: Final = frozenset({"nonce", "exp", "execution_id", "workflow_id", "owner", "vault_key_id"})
_ENVELOPE_KEYS: Final = frozenset(
    {"v", "release_id", "report_data", "vault_key_id", "policy_epoch", "issued", "secrets", "sealed", "ear"}
)
_ENVELOPE_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Signed:
    """A message of the vault: the encoded body, and the Ed25519 signature of it."""

    body: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A nonce (32 bytes) for one execution, good until ``exp_s`` (Unix seconds)."""

    nonce: bytes
    exp_s: int
    execution_id: str
    workflow_id: str
    owner: str
    vault_key_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedSecret:
    """A secret as it is released. ``repr`` does not show its value."""

    namespace: str
    key: str
    version: int
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A release: its id (16 bytes), what it is for, the policy that allowed it, when it was issued (Unix seconds), the
    (namespace, key, version) of its secrets, their sealed values, and the attestation result, a JWT."""

    release_id: bytes
    report_data: bytes
    vault_key_id: bytes
    policy_epoch: int
    issued_s: int
    secrets: tuple[tuple[str, str, int], ...]
    sealed: bytes
    ear: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """An envelope that was checked, and the secrets that were in it."""

    envelope: Envelope
    secrets: tuple[ReleasedSecret, ...]


def sign_challenge(challenge: Challenge, key: SigningKey) -> Signed:
    """The challenge as the vault sends it. Raises ``EvidenceRejected`` for a field that may not be what it is."""
    value = {
        "nonce": challenge.nonce,
        "exp": challenge.exp_s,
        "execution_id": challenge.execution_id,
        "workflow_id": challenge.workflow_id,
        "owner": challenge.owner,
        "vault_key_id": challenge.vault_key_id,
    }
    _read_challenge(value)
    return _signed(CHALLENGE_TAG, value, key)


def open_challenge(
    untrusted: Signed, *, vault_public: bytes, execution_id: str, workflow_id: str, owner: str
) -> Challenge:
    """The challenge, signed by the vault and for this execution. Raises ``EvidenceRejected``."""
    found = _read_challenge(_checked("challenge", CHALLENGE_TAG, untrusted, vault_public, CHALLENGE_BYTES_MAX))
    _check_key("challenge vault_key_id", found.vault_key_id, vault_public)
    wanted = {"execution_id": execution_id, "workflow_id": workflow_id, "owner": owner}
    for name, each in wanted.items():
        if getattr(found, name) != each:
            raise EvidenceRejected(BINDING, f"challenge {name}", got=getattr(found, name), wanted=each)
    return found


def secret_release_info(report_data: bytes, release_id: bytes) -> bytes:
    """What the sealed secrets of a release are bound to."""
    return _INFO + report_data + release_id


def seal_secrets(data: RuntimeData, release_id: bytes, secrets: Sequence[ReleasedSecret]) -> bytes:
    """The secrets that ``data`` asks for, in its order, sealed to its key; 48 bytes longer than their encoding.

    Raises ``EvidenceRejected`` for other secrets than those, and for more than the limits; ``InvalidInput`` when the
    key cannot be sealed to.
    """
    if tuple((each.namespace, each.key) for each in secrets) != data.secrets:
        raise EvidenceRejected(BINDING, "release secrets", got="others", wanted="those that the runtime data ask for")
    value = {"secrets": [[each.namespace, each.key, each.version, each.value] for each in secrets]}
    _read_secrets(value)
    plaintext = cbor.canonical(value)
    check_size("release size", plaintext, RELEASE_BYTES_MAX)
    return hpke.seal_message(data.kem_pub, plaintext, info=secret_release_info(data.report_data(), release_id))


def sign_envelope(envelope: Envelope, key: SigningKey) -> Signed:
    """The envelope as the vault sends and keeps it. Raises ``EvidenceRejected`` for a field that may not be so."""
    value = {
        "v": _ENVELOPE_VERSION,
        "release_id": envelope.release_id,
        "report_data": envelope.report_data,
        "vault_key_id": envelope.vault_key_id,
        "policy_epoch": envelope.policy_epoch,
        "issued": envelope.issued_s,
        "secrets": [list(each) for each in envelope.secrets],
        "sealed": envelope.sealed,
        "ear": envelope.ear,
    }
    _read_envelope(value)
    return _signed(ENVELOPE_TAG, value, key)


def read_envelope(untrusted: Signed, *, vault_public: bytes) -> Envelope:
    """The envelope, signed by the vault; nothing is opened. Raises ``EvidenceRejected``."""
    found = _read_envelope(_checked("envelope", ENVELOPE_TAG, untrusted, vault_public, ENVELOPE_BYTES_MAX))
    _check_key("envelope vault_key_id", found.vault_key_id, vault_public)
    return found


def open_envelope(untrusted: Signed, *, vault_public: bytes, data: RuntimeData, key: hpke.KemKey) -> Opened:
    """The envelope and its secrets, exactly those that ``data`` asks for.

    Raises ``EvidenceRejected``, and ``Tampered`` when what is sealed was not sealed to ``key`` for this release.
    """
    envelope = read_envelope(untrusted, vault_public=vault_public)
    report_data = data.report_data()
    if not is_same(envelope.report_data, report_data):
        got, wanted = envelope.report_data.hex(), report_data.hex()
        raise EvidenceRejected(BINDING, "envelope report_data", got=got, wanted=wanted)
    plaintext = key.open(envelope.sealed, info=secret_release_info(report_data, envelope.release_id))
    check_size("release size", plaintext, RELEASE_BYTES_MAX)
    secrets = _read_secrets(cbor.decode_canonical("release", plaintext))
    names = tuple((each.namespace, each.key) for each in secrets)
    if names != data.secrets:
        raise EvidenceRejected(BINDING, "release secrets", got="others", wanted="those that the runtime data ask for")
    if tuple((each.namespace, each.key, each.version) for each in secrets) != envelope.secrets:
        raise EvidenceRejected(BINDING, "envelope secrets", got="others", wanted="those that are sealed in it")
    return Opened(envelope, secrets)


def _signed(tag: str, value: dict[str, Any], key: SigningKey) -> Signed:  # Any: whatever CBOR can hold
    body = cbor.canonical(value)
    return Signed(body, key.sign(tag, body))


def _checked(check: str, tag: str, untrusted: Signed, public: bytes, bytes_max: int) -> object:
    check_size(f"{check} size", untrusted.body, bytes_max)
    if not is_signed(public, tag, untrusted.body, untrusted.signature):
        wanted = "one by the vault whose key is pinned"
        raise EvidenceRejected(SIGNATURE, f"{check} signature", got="another signature", wanted=wanted)
    value: object = cbor.decode_canonical(check, untrusted.body)
    return value


def _check_key(check: str, found: bytes, vault_public: bytes) -> None:
    wanted = key_id(vault_public)
    if not is_same(found, wanted):
        raise EvidenceRejected(IDENTITY, check, got=found.hex(), wanted=wanted.hex())


def _read_challenge(value: object) -> Challenge:
    found = Fields("challenge", value, _CHALLENGE_KEYS)
    return Challenge(
        nonce=found.raw("nonce"),
        exp_s=found.uint("exp"),
        execution_id=found.text("execution_id"),
        workflow_id=found.text("workflow_id"),
        owner=found.text("owner"),
        vault_key_id=found.raw("vault_key_id"),
    )


def _read_secrets(value: object) -> tuple[ReleasedSecret, ...]:
    rows = Fields("release", value, {"secrets"}).values("secrets", bytes_max=VALUE_BYTES_MAX)
    return tuple(ReleasedSecret(namespace=ns, key=key, version=version, value=raw) for ns, key, version, raw in rows)


def _read_envelope(value: object) -> Envelope:
    found = Fields("envelope", value, _ENVELOPE_KEYS)
    if found.uint("v") != _ENVELOPE_VERSION:
        raise EvidenceRejected(UNSUPPORTED_VERSION, "envelope v", got=str(found.uint("v")), wanted="1")
    return Envelope(
        release_id=found.raw("release_id", RELEASE_ID_BYTES),
        report_data=found.raw("report_data", DIGEST_BYTES),
        vault_key_id=found.raw("vault_key_id"),
        policy_epoch=found.uint("policy_epoch"),
        issued_s=found.uint("issued"),
        secrets=found.versions("secrets"),
        sealed=found.blob("sealed", bytes_max=RELEASE_BYTES_MAX + hpke.OVERHEAD_BYTES),
        ear=found.blob("ear", bytes_max=EAR_BYTES_MAX),
    )
