"""Runtime data: everything that a release depends on, in one structure whose digest the evidence carries.

Rule 1: every field is mandatory; the digest of something absent is SHA-256 of nothing.
Rule 2: one value has one encoding, so one digest, and every other encoding is refused.
Source: contracts/attestation.md 13.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from strongroom.attest import cbor
from strongroom.attest.codes import ALGORITHM, POSSESSION, UNSUPPORTED_VERSION
from strongroom.attest.evidence import Binding, check_size
from strongroom.attest.fields import Fields
from strongroom.crypto import hpke
from strongroom.crypto.framing import length_prefixed
from strongroom.crypto.signing import SigningKey, is_signed
from strongroom.errors import EvidenceRejected

__all__ = [
    "PROFILE",
    "ChallengeRef",
    "Execution",
    "RunnerBuild",
    "RuntimeData",
    "check_possession",
    "decode_runtime_data",
    "prove_possession",
    "report_data_of",
]

PROFILE: Final = "strongroom/runtime-data/v1"
RUNTIME_DATA_BYTES_MAX: Final = 64 * 1024
POSSESSION_TAG: Final = "runner/pop"
_LABEL: Final = b"STRONGROOM-RUNTIME-DATA-v1"
_HERE: Final = "runtime-data"
_KEYS: Final = frozenset(
    {"profile", "kind", "challenge", "execution", "kem", "sig_pub", "runner", "enclave_config_sha256", "secrets"}
)
_DIGESTS: Final = ("binary_sha256", "config_sha256", "request_sha256", "requirements_sha256", "restrictions_sha256")
_IDS: Final = ("workflow_id", "owner", "execution_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeRef:
    """The challenge that this answers: its nonce (32 bytes), its end in Unix seconds, and the id of the vault's key
    (32 bytes)."""

    nonce: bytes
    exp_s: int
    vault_key_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What runs: the ids as the protocol has them, and SHA-256 of the bytes that the runner received."""

    workflow_id: str
    owner: str
    execution_id: str
    attempt: int
    binary_sha256: bytes
    config_sha256: bytes
    request_sha256: bytes
    requirements_sha256: bytes
    restrictions_sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerBuild:
    """Which runner: its build, a text, and its security version, which only rises."""

    build: str
    svn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeData:
    """One execution, its keys and what it asks for.

    ``kem_pub`` is the raw X25519 key that secrets are sealed to, ``sig_pub`` the raw Ed25519 key that signs for this
    execution; ``secrets`` are (namespace, key), sorted by their bytes, each once.
    """

    kind: str
    challenge: ChallengeRef
    execution: Execution
    kem_pub: bytes
    sig_pub: bytes
    runner: RunnerBuild
    enclave_config_sha256: bytes
    secrets: tuple[tuple[str, str], ...]

    def encode(self) -> bytes:
        """The one encoding. Raises ``EvidenceRejected`` for a field that may not be what it is."""
        value = _as_map(self)
        _read(value)
        encoded = cbor.canonical(value)
        check_size(f"{_HERE} size", encoded, RUNTIME_DATA_BYTES_MAX)
        return encoded

    def report_data(self) -> bytes:
        """The digest that evidence must carry, 32 bytes. Raises ``EvidenceRejected`` as ``encode`` does."""
        return report_data_of(self.encode())

    def binding(self) -> Binding:
        """What evidence for this must be about. Raises ``EvidenceRejected`` as ``encode`` does."""
        return Binding(self.report_data(), self.challenge.nonce, hpke.spki_of(self.kem_pub))


def decode_runtime_data(untrusted: bytes) -> RuntimeData:
    """The runtime data in ``untrusted``. Raises ``EvidenceRejected`` unless ``encode`` would give these very bytes."""
    check_size(f"{_HERE} size", untrusted, RUNTIME_DATA_BYTES_MAX)
    return _read(cbor.decode_canonical(_HERE, untrusted))


def report_data_of(encoded: bytes) -> bytes:
    """The digest of encoded runtime data, 32 bytes."""
    return hashlib.sha256(_LABEL + length_prefixed("runtime-data", encoded)).digest()


def prove_possession(encoded: bytes, key: SigningKey) -> bytes:
    """The signature by which the runner shows that it holds the key in ``sig_pub``."""
    return key.sign(POSSESSION_TAG, encoded)


def check_possession(data: RuntimeData, signature: bytes) -> None:
    """Raise ``EvidenceRejected`` unless ``signature`` is that of ``data`` by the key in it."""
    if not is_signed(data.sig_pub, POSSESSION_TAG, data.encode(), signature):
        wanted = "one of the runtime data by the key in sig_pub"
        raise EvidenceRejected(POSSESSION, "proof of possession", got="another signature", wanted=wanted)


def _as_map(data: RuntimeData) -> dict[str, Any]:  # Any: texts, numbers, bytes, lists and maps of them
    execution = data.execution
    return {
        "profile": PROFILE,
        "kind": data.kind,
        "challenge": {
            "nonce": data.challenge.nonce,
            "exp": data.challenge.exp_s,
            "vault_key_id": data.challenge.vault_key_id,
        },
        "execution": {name: getattr(execution, name) for name in (*_IDS, "attempt", *_DIGESTS)},
        "kem": {"suite": list(hpke.SUITE), "pub": data.kem_pub},
        "sig_pub": data.sig_pub,
        "runner": {"build": data.runner.build, "svn": data.runner.svn},
        "enclave_config_sha256": data.enclave_config_sha256,
        "secrets": [list(each) for each in data.secrets],
    }


def _read(value: object) -> RuntimeData:
    top = Fields(_HERE, value, _KEYS)
    profile = top.text("profile")
    if profile != PROFILE:
        raise EvidenceRejected(UNSUPPORTED_VERSION, f"{_HERE} profile", got=profile, wanted=PROFILE)
    challenge = top.of("challenge", {"nonce", "exp", "vault_key_id"})
    execution = top.of("execution", {*_IDS, "attempt", *_DIGESTS})
    kem = top.of("kem", {"suite", "pub"})
    suite = kem.items("suite", len(hpke.SUITE))
    # By type as well: in Python [32, True, 2] equals [32, 1, 2], and its encoding does not.
    if [type(each) for each in suite] != [int, int, int] or tuple(suite) != hpke.SUITE:
        raise EvidenceRejected(ALGORITHM, f"{_HERE} kem suite", got="another suite", wanted=str(list(hpke.SUITE)))
    runner = top.of("runner", {"build", "svn"})
    return RuntimeData(
        kind=top.text("kind"),
        challenge=ChallengeRef(
            nonce=challenge.raw("nonce"), exp_s=challenge.uint("exp"), vault_key_id=challenge.raw("vault_key_id")
        ),
        execution=Execution(
            workflow_id=execution.text("workflow_id"),
            owner=execution.text("owner"),
            execution_id=execution.text("execution_id"),
            attempt=execution.uint("attempt", minimum=1),
            binary_sha256=execution.raw("binary_sha256"),
            config_sha256=execution.raw("config_sha256"),
            request_sha256=execution.raw("request_sha256"),
            requirements_sha256=execution.raw("requirements_sha256"),
            restrictions_sha256=execution.raw("restrictions_sha256"),
        ),
        kem_pub=kem.raw("pub"),
        sig_pub=top.raw("sig_pub"),
        runner=RunnerBuild(build=runner.text("build"), svn=runner.uint("svn")),
        enclave_config_sha256=top.raw("enclave_config_sha256"),
        secrets=top.names("secrets"),
    )
